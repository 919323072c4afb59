# make study                                  install into .venv, then the whole sequence on the embedded phantom
# make study TRACK=lgg SOURCE=path            the same on real data
# make test                                   everything that must hold
# make prepare                                write saggan/*.py and README.md from the notebooks, strip the notebooks
TRACK  ?= phantom
SOURCE ?=
PRESET ?= quickstart
NAME   ?= $(TRACK)-$(PRESET)
OUT    ?= runs/$(NAME)
VENV   ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
            if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
SETUP  := settings.ini setup.py pyproject.toml
PIP    := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet

.PHONY: study test docs prepare clean
study: $(VENV)/.saggan-run
	$(VENV)/bin/saggan study --track $(TRACK) $(if $(SOURCE),--source '$(SOURCE)') --preset $(PRESET) --out '$(OUT)'

test: $(VENV)/.saggan-dev
	$(VENV)/bin/python tools/check.py $(PARTS)

docs: $(VENV)/.saggan-docs
	$(VENV)/bin/python tools/docs.py

prepare: $(VENV)/.saggan-dev
	$(VENV)/bin/nbdev_export
	$(VENV)/bin/python tools/tables.py
	$(VENV)/bin/nbdev_clean
	$(VENV)/bin/python tools/readme.py

# The stamps say what the environment holds: an unchanged setup is not installed again.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "saggan needs Python 3.11 or newer, and neither python3 nor python3.11 to python3.14 is one." \
	  "Install one, or name it: make study PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) could not make a virtual environment;" \
	  "on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.saggan-run: $(SETUP) | $(VENV)/bin/python
	@echo "Installing saggan into $(VENV) (torch is large: some minutes the first time) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.saggan-dev: $(SETUP) | $(VENV)/bin/python
	@echo "Installing saggan and its test tools into $(VENV) (torch is large: some minutes the first time) ..."
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.saggan-run

$(VENV)/.saggan-docs: $(SETUP) | $(VENV)/bin/python
	@echo "Installing saggan and what builds the site into $(VENV) ..."
	$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/.saggan-run

clean:
	rm -rf _site build dist *.egg-info .pytest_cache .ruff_cache
