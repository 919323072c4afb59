"""Everything that must hold, in one go: `python tools/check.py`; some parts only: `python tools/check.py style sync`.

Nothing in the checkout is changed: export and clean run on a copy. Prints the seconds of each part; the last line
counts."""
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tree import NBS, ROOT, all_notebooks

BIN = Path(sys.executable).parent
PATH = f'{BIN}{os.pathsep}{os.environ["PATH"]}'
ENV = os.environ | dict(OMP_NUM_THREADS='1', MPLBACKEND='agg', PYTHONHASHSEED='0', PATH=PATH)
TOGETHER = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
NOTEBOOK_LIMIT, SMOKE_LIMIT = 300, 600
LEFT_OUT = ('.venv', '.git', '_site', 'runs', 'build', 'dist')  # of a copy of the checkout


def sh(*args, limit=600, cwd=ROOT, **kw):
    "Run a command: (did it end well, what it printed)."
    command = [str(a) for a in args]
    try: p = subprocess.run(command, cwd=cwd, env=ENV | kw, timeout=limit, text=True, **TOGETHER)
    except subprocess.TimeoutExpired as e:
        text = e.stdout.decode(errors='replace') if isinstance(e.stdout, bytes) else e.stdout or ''
        return False, f'{text}\nstopped after {limit} s'
    return p.returncode == 0, p.stdout


def ruff(): yield ('ruff', *sh(BIN/'ruff', 'check', '.'))
def style(): yield ('notebook style', *sh(sys.executable, 'tools/style.py'))
def readme(): yield ('README.md is nbs/index.ipynb', *sh(sys.executable, 'tools/readme.py', '--check'))


def differences(a, b, folder, pattern):
    "Names below `folder` that match the pattern and are not the same in both trees, or stand in one of them only."
    names = set()
    for tree in (a, b):
        found = [p.relative_to(tree/folder) for p in (tree/folder).rglob(pattern)]
        names |= {n for n in found if not {'notebooks', '.ipynb_checkpoints'} & set(n.parts)}
    def same(name):
        one, other = a/folder/name, b/folder/name
        return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)
    return sorted(f'{folder}/{n}' for n in names if not same(n))


def copy_checkout(target):
    "The sources, without environments, builds, runs and data sets."
    def ignored(folder, names):
        if Path(folder) == ROOT/'data': return names
        return [n for n in names if n.startswith(LEFT_OUT) or n == '__pycache__']
    shutil.copytree(ROOT, target, ignore=ignored)


def remedy(changed): return '\n'.join(['differ:', *changed, 'run make prepare'])


def sync():
    "Export and clean a copy: neither may change anything, so saggan/ is what the notebooks say, whatever git thinks."
    with tempfile.TemporaryDirectory() as tmp:
        copy = Path(tmp)/ROOT.name
        copy_checkout(copy)
        ok, text = sh(BIN/'nbdev_export', cwd=copy)
        changed = differences(ROOT, copy, 'saggan', '*.py')
        yield 'saggan/ is what the notebooks export', ok and not changed, text + remedy(changed)
        ok, text = sh(BIN/'nbdev_clean', cwd=copy)
        changed = differences(ROOT, copy, 'nbs', '*.ipynb')
        yield 'notebooks are clean', ok and not changed, text + remedy(changed)


def notebooks():
    "Every notebook in a process of its own (in one process they would see each other's patches), two at a time."
    def run(path):
        t = time.time()
        ok, text = sh(BIN/'nbdev_test', '--path', path, '--do_print', limit=NOTEBOOK_LIMIT)
        return f'{path.relative_to(NBS)} ({time.time()-t:.0f} s)', ok, text
    with ThreadPoolExecutor(2) as pool: yield from pool.map(run, all_notebooks())


def pytest():
    "The installed package, without any notebook's names about; one check a test."
    yield from counted('pytest', *sh(sys.executable, '-m', 'pytest', '--durations=5', limit=1200))


def browser():
    "The widgets in a real Chromium; left out, and said so, where there is none."
    run = [sys.executable, '-m', 'pytest', '-m', 'browser', 'tests/browser', '-rs', '--durations=5']
    ok, text = sh(*run, limit=900)
    if not ok and ' failed' in text:  # a browser on a busy machine may be late once; twice is a failure
        why = [line for line in text.splitlines() if line.startswith(('FAILED', 'ERROR', 'E   '))]
        print(indented(['tried once more:', *why]), flush=True)
        ok, text = sh(*run, '--last-failed', limit=900)
    if ok and ' passed' not in text:
        why = text.split('SKIPPED', 1)[-1].partition(': ')[2].splitlines()[0]
        yield f'browser tests: {why}', None, ''
    else: yield from counted('pytest in the browser', ok, text)


def indented(lines): return '\n'.join(f'     {line}' for line in lines)


def counted(what, ok, text):
    "One check for each test that pytest counts."
    words = (text.strip().splitlines() or [''])[-1].replace(',', ' ').split()
    def count(word): return next((int(n) for n, w in zip(words, words[1:]) if w.startswith(word)), 0)
    for i in range(count('passed')): yield f'{what} {i+1}', True, ''
    bad = count('failed') + count('error')
    if not bad and not ok: yield f'{what}: no tests failed', False, text
    for i in range(bad): yield f'{what}: {bad} tests failed', False, text if i == 0 else ''


def smoke():
    "The whole sequence through papermill, at the smallest size, and whether its estimate came true."
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp)/'smoke'
        study = BIN/'saggan', 'study', '--preset', 'smoke', '--out', out
        planned, plan = sh(*study, '--dry-run', '--json', limit=SMOKE_LIMIT)
        t = time.time()
        ok, text = sh(*study, limit=SMOKE_LIMIT)
        took = time.time() - t
        yield 'smoke study', ok and (out/'report.html').exists() and (out/'table.csv').exists(), text
        expected = json.loads(plan[plan.index('{'):])['estimate']['seconds'] if planned else 0
        yield f'its estimate was {expected:.0f} s, it took {took:.0f} s', planned and took/3 < expected < took*3, plan
        t = time.time()
        ok, text = sh(*study, limit=SMOKE_LIMIT)
        again = f'smoke study again finds all of it done ({time.time()-t:.0f} s)'
        yield again, ok and 'nothing left to run' in text, text


def speed():
    """The training step and the preparation against plain code in the same run.

    Left out on a kind of processor that no ratio is pinned for."""
    command = [sys.executable, 'benchmarks/guard.py']
    p = subprocess.run(command, cwd=ROOT, env=ENV, timeout=900, text=True, capture_output=True)
    lines = [' '.join(line.split()) for line in p.stdout.splitlines() if line.strip()]
    if p.returncode == 3: yield f'speed: {lines[-1]}', None, ''
    else: yield 'speed: ' + '; '.join(lines), p.returncode == 0, p.stdout + p.stderr


PARTS = dict(ruff=ruff, style=style, sync=sync, readme=readme, notebooks=notebooks, pytest=pytest, browser=browser,
             smoke=smoke, speed=speed)


def word_for(ok): return 'LEFT OUT' if ok is None else 'ok  ' if ok else 'FAIL'


def main(names):
    """Run the parts named (all by default), print what failed with its output, and count.

    A part that yields None was left out and counts as neither."""
    if bad := set(names) - set(PARTS): sys.exit(f'unknown part {sorted(bad)}; there are: {", ".join(PARTS)}')
    passed, failed, seconds = 0, [], {}
    for name in names or PARTS:
        t = time.time()
        for what, ok, text in PARTS[name]():
            passed += bool(ok)
            if ok is False: failed.append(what)
            if not (ok and what.startswith('pytest')): print(f'{word_for(ok)} {what}', flush=True)
            if ok is False: print(indented(text.strip().splitlines()[-60:]), flush=True)
        seconds[name] = time.time() - t
    each = ', '.join(f'{k} {v:.0f}' for k, v in seconds.items())
    print(f'\nseconds: {each}; all {sum(seconds.values()):.0f}')
    if failed: print('failed: ' + '; '.join(failed))
    print(f'{passed} passed, {len(failed)} failed')
    return bool(failed)


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
