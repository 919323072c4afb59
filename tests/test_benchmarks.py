"Every benchmark runs, small, from its command line to its JSON; what it measures is not judged here."
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent/'benchmarks'
SMALL = dict(
    training='--methods cyclegan,saggan --sizes 32 --batches 2 --set width=8 --set blocks=1 '
             '--set spared@saggan:checkpointing=true',
    preparation='--cases 1 --workers 1 --caches warm --slices 32',
    translation='--methods saggan --sizes 32 --batches 2 --slices 2',
    classifier='--sizes 32 --batches 4 --steps 1',
    ceiling='--sizes 32 --batches 2 --set width=8 --set blocks=1 --threads 1',
    scaling='--base 32,1,8 --sizes 32 --batches 2 --widths 4',
    study='--cells 1 --slices 100 --more ,')


def run(name, options, tmp_path):
    "Rows of the JSON that a benchmark writes, and what it prints."
    script, out = BENCHMARKS/f'{name}.py', tmp_path/'out.json'
    command = [sys.executable, script, *options.split(), '--rounds', '1', '--json', out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((tmp_path/'out.json').read_text()), done.stdout


@pytest.mark.parametrize('name', SMALL)
def test_benchmark(name, tmp_path):
    found, said = run(name, SMALL[name], tmp_path)
    rows, (key, title, _) = found['rows'], found['columns'][0]
    seconds = 'median' if name != 'study' else 'seconds'
    assert rows and not [r for r in rows if r.get('error')] and all(0 < r[seconds] < 300 for r in rows), rows
    assert title in said and all(r[key] in said for r in rows)
    if name == 'ceiling':
        for r in rows:
            shares = [r[k] for k in ('back', 'forward', 'copies', 'norms', 'upsampling', 'rest')]
            assert abs(sum(shares) - 1) < 1e-9 and r['tflop'] > 0 and 0 < r['share'] < 2 and r['data'] > 0
    elif name != 'study':
        assert rows[0]['ratio'] == 1
        for r in rows: assert r['min'] <= r['median'] <= r['max'] and r['ratio'] > 0
    assert found['environment'] and found['command'][0] == f'{name}.py'
    assert str(Path.home()) not in json.dumps(found) and str(tmp_path) not in json.dumps(found)


def test_coverage(tmp_path):
    out = tmp_path/'out.json'
    options = '--studies 3 --truth 3 --sizes 7,14 --json'.split()
    done = subprocess.run([sys.executable, BENCHMARKS/'coverage.py', *options, out], capture_output=True, text=True,
                          timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(out.read_text())['rows']
    assert len(rows) == 2*3*9 and {r['studies'] for r in rows} == {3} and all(0 <= r['ours'] <= 100 for r in rows)
    better = [r for r in rows if r['what'] == 'one is better' and r['measure'] == 'auc']
    assert all(0 < r['truth'] < 8 and r['half'] > 0 for r in better) and 'covers, %' in done.stdout


def test_a_peer_that_cannot_be_measured_and_an_older_checkout(tmp_path):
    (tmp_path/'peer'/'models').mkdir(parents=True)
    options = '--methods cyclegan --sizes 32 --batches 1 --set width=4'
    found, said = run('training', f'{options} --peer {tmp_path/"peer"} --before {BENCHMARKS.parent}', tmp_path)
    peer, ours, before = found['rows']
    assert 'models' in peer['error'] and peer['error'] in said
    assert ours['median'] > 0 and before['median'] > 0 and before['variant'] == 'saggan before: cyclegan'
