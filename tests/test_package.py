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
FILES = sorted(p for p in PACKAGE.rglob('*.py') if 'notebooks' not in p.relative_to(PACKAGE).parts)
MODULES = ['.'.join(p.relative_to(PACKAGE).with_suffix('').parts) for p in FILES if not p.name.startswith('_')]


def python(code, **env):
    "A process of its own that runs some code."
    env = os.environ | env
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=300, env=env)


@pytest.fixture(scope='module')
def imported():
    "Module -> how its import in a process of its own went, two at a time."
    def one(module):
        return python(f'import saggan.{module} as m; assert m.__doc__; [getattr(m, n) for n in m.__all__]')
    with ThreadPoolExecutor(2) as pool: return dict(zip(MODULES, pool.map(one, MODULES)))


@pytest.mark.parametrize('module', MODULES)
def test_each_module_imports_alone_and_has_what_it_lists(module, imported):
    assert imported[module].returncode == 0, imported[module].stderr


def test_import_is_light_and_names_come_when_asked():
    p = python('import sys, saggan; assert "torch" not in sys.modules and "numpy" not in sys.modules\n'
               'print(saggan.__version__, saggan.Augmenter.__name__)')
    assert p.returncode == 0, p.stderr
    assert p.stdout.split()[1] == 'Augmenter'
    assert 'SAG-GAN' in saggan.__doc__


def test_nothing_pickled_is_loaded():
    for path in FILES:
        text = path.read_text()
        for word in ('allow_pickle=True', 'weights_only=False', 'import pickle'): assert word not in text, path.name
        for i, line in enumerate(text.splitlines(), 1):
            if 'torch.load(' in line: assert 'weights_only=True' in line, f'{path.name}:{i}'


def copy_tree(source, target, pattern):
    "Files that match, in the same folders."
    for p in source.rglob(pattern):
        if '.ipynb_checkpoints' in p.parts: continue
        copy = target/p.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(p.read_bytes())


def wheel(source, folder):
    "Build a wheel and unpack it; where."
    pip = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation']
    subprocess.run([*pip, '-w', str(folder), str(source)], check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob('*.whl'))) as z: z.extractall(folder/'site')
    return folder/'site'


def test_the_wheel_carries_the_notebooks_and_runs_without_nbdev(tmp_path):
    source = tmp_path/'source'
    source.mkdir()
    for name in ('settings.ini', 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'CITATION.cff'):
        (source/name).write_bytes((ROOT/name).read_bytes())
    for folder, pattern in (('nbs', '*.ipynb'), ('saggan', '*.py')): copy_tree(ROOT/folder, source/folder, pattern)
    (source/'nbs'/'wing').mkdir()
    (source/'nbs'/'wing'/'room.ipynb').write_bytes((ROOT/'nbs'/'02_data.ipynb').read_bytes())
    site = wheel(source, tmp_path)
    expected = {p.relative_to(source/'nbs') for p in (source/'nbs').rglob('*.ipynb') if p.name != 'index.ipynb'}
    there = site/'saggan'/'notebooks'
    assert {p.relative_to(there) for p in there.rglob('*.ipynb')} == expected
    code = f"""
import sys
sys.modules |= dict.fromkeys(['nbdev', 'execnb'])
import saggan, saggan.cli.main
from saggan.experiment.runner import notebooks_folder
assert saggan.__file__.startswith({str(site)!r}), saggan.__file__
assert notebooks_folder().name == 'notebooks'
saggan.cli.main.main(['--help'])"""
    env = os.environ | dict(PYTHONPATH=str(site))
    p = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert p.returncode == 0 and 'COMMAND' in p.stdout, p.stderr
