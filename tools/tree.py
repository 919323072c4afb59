"Where the notebooks and the modules are, for the other tools: in one folder, or in folders of their own."
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS, PACKAGE = ROOT/'nbs', ROOT/'saggan'


def all_notebooks():
    "Every notebook, in the order of a reader: those of the story first, then folder by folder."
    found = [p for p in NBS.rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts]
    return sorted(found, key=lambda p: (len(p.relative_to(NBS).parts), p.relative_to(NBS).as_posix()))


def notebooks():
    "Every notebook that has a module or is a tutorial: all but the index, and those whose name begins with `_`."
    return [p for p in all_notebooks() if p.name != 'index.ipynb' and not p.name.startswith('_')]


def modules():
    "Every file of the package that has names of its own."
    return sorted(p for p in PACKAGE.rglob('*.py') if not p.name.startswith('_'))


def dotted(path):
    "saggan/io/readers.py -> saggan.io.readers"
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts)
