"The package as it is installed: light to import, complete as a wheel, usable without nbdev."
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import saggan

PACKAGE = Path(saggan.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(p.stem for p in PACKAGE.glob('[a-z]*.py'))


def python(code, **env): return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=300, env=os.environ | env)


@pytest.fixture(scope='module')
def imported():
    "Module -> how its import in a process of its own went, two at a time."
    def one(module): return python(f'import saggan.{module} as m; assert m.__doc__; [getattr(m, n) for n in m.__all__]')
    with ThreadPoolExecutor(2) as pool: return dict(zip(MODULES, pool.map(one, MODULES)))


@pytest.mark.parametrize('module', MODULES)
def test_each_module_imports_alone_and_has_what_it_lists(module, imported):
    assert imported[module].returncode == 0, imported[module].stderr


def test_import_is_light_and_names_come_when_asked():
    p = python('import sys, saggan; assert "torch" not in sys.modules and "numpy" not in sys.modules; print(saggan.__version__, saggan.Augmenter.__name__)')
    assert p.returncode == 0, p.stderr
    assert p.stdout.split()[1] == 'Augmenter'
    assert 'SAG-GAN' in saggan.__doc__


def test_nothing_pickled_is_loaded():
    for path in PACKAGE.glob('*.py'):
        text = path.read_text()
        assert 'allow_pickle=True' not in text and 'weights_only=False' not in text and 'import pickle' not in text, path.name
        for i, line in enumerate(text.splitlines(), 1):
            if 'torch.load(' in line: assert 'weights_only=True' in line, f'{path.name}:{i}'


def test_the_wheel_carries_the_notebooks_and_runs_without_nbdev(tmp_path):
    source = tmp_path/'source'
    source.mkdir()
    names = ['settings.ini', 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'CITATION.cff']
    for name in names: (source/name).write_bytes((ROOT/name).read_bytes())
    for folder, pattern in (('nbs', '*.ipynb'), ('saggan', '*.py')):
        (source/folder).mkdir()
        for p in (ROOT/folder).glob(pattern): (source/folder/p.name).write_bytes(p.read_bytes())
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', str(tmp_path), str(source)], check=True, capture_output=True)
    site = tmp_path/'site'
    with zipfile.ZipFile(next(tmp_path.glob('*.whl'))) as z: z.extractall(site)
    assert {p.name for p in (site/'saggan'/'notebooks').iterdir()} == {p.name for p in (ROOT/'nbs').glob('[0-9]*.ipynb')}
    code = ('import sys; sys.modules |= dict.fromkeys(["nbdev", "fastcore", "execnb"]); import saggan; assert saggan.__file__.startswith(%r), saggan.__file__\n'
            'from saggan.runner import notebooks_folder; assert notebooks_folder().name == "notebooks"\nimport saggan.cli; saggan.cli.main(["--help"])')
    p = subprocess.run([sys.executable, '-c', code % str(site)], capture_output=True, text=True, cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(site)))
    assert p.returncode == 0 and 'COMMAND' in p.stdout, p.stderr
