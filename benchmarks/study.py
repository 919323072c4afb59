"""What a cell of the study grid costs beside its trainings, and how that grows with cells and with slices.

    python benchmarks/study.py --json study.json

Trainings are one step of tiny networks, so that what is left is imports, kernels, papermill, reading, writing and the report. Sets are
made of random slices of 32 pixels. Seconds a cell are wall seconds of all cells together divided by their number; the report and the
check of the data come once a study. A finished study is then asked for again: what it costs to find everything done.
With PYTHONPATH=CHECKOUT in front it measures an older saggan."""
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common import names, numbers, parser, save, table

COLUMNS = [('variant', 'variant', ''), ('cells', 'cells', ''), ('slices', 'slices', ',d'), ('notebooks', 'notebooks', ''), ('seconds', 'all s', '.1f'), ('cell', 's a cell', '.2f'), ('chain', 's in its notebooks', '.2f'),
           ('data', 'data s', '.1f'), ('report', 'report s', '.1f'), ('again', 'again s', '.2f'), ('peak_gib', 'peak GiB', '.2f')]


def prepared(folder, n, size, patients):
    "A set of n random slices, half of them with a lesion, saved in a folder."
    import numpy as np
    import pandas as pd
    from common import slices
    from saggan.io.dataset import from_arrays
    some, mask = (np.tile(t.numpy(), (-(-n//64), 1, 1, 1))[:n] for t in slices(64, 1, size))
    i = np.arange(n)
    label = i//patients % 2
    table = dict(patient=[f'P{k % patients:05d}' for k in i], volume=[f'P{k % patients:05d}' for k in i], slice=i//patients, position=(i//patients + .5)/(n//patients + 1), sha256=[f'{k:064d}' for k in i])
    s = from_arrays(some, mask*label[:, None, None, None], pd.DataFrame(table), dict(modalities=['flair'], counts=dict(patients=patients, volumes=patients, slices=n, lesion=int(label.sum())), image_size=size))
    s.split((.7, .1, .2), 0).save(folder)


def run(data, out, methods, seeds, size, workers):
    "A study over a prepared set: figures of its cost."
    from saggan.experiment.batch import run_study
    from saggan.base.core import read_json, read_jsonl
    from saggan.experiment.settings import StudySettings
    s = StudySettings(name='cost', preset='smoke', data=str(data), image_size=size, modalities=('flair',), methods=methods, seeds=tuple(range(seeds)), workers=workers,
                      classify=dict(preset='smoke', steps=1, batch_size=2, evaluate_every=1), judge=dict(steps=1), gan=dict(preset='smoke', n_steps=1))
    say = lambda line: None
    t = time.perf_counter()
    board = run_study(s, out, say=say)
    seconds = time.perf_counter() - t
    if board.failures: raise SystemExit('\n'.join(board.failures))
    rows = [r for r in read_jsonl(Path(out)/'run.jsonl') if r['event'] == 'notebook']
    cells = [r['seconds'] for r in rows if ' ' in r['label']]
    def own(*stages): return sum(r['seconds'] for r in rows if r['label'].lstrip('0123456789_') in stages)  # an older checkout has numbers
    once = sum(r['seconds'] for r in rows if ' ' not in r['label'])
    n, t = len(methods)*seeds, time.perf_counter()
    run_study(None, out, say=say)
    again = time.perf_counter() - t
    peak = max(read_json(p).get('peak_gb') or 0 for p in Path(out).glob('*/*/notebooks/*.done.json'))  # trials, or cells
    return dict(cells=n, notebooks=len(rows), seconds=seconds, cell=(seconds - once)/n, chain=sum(cells)/n, data=own('data', 'phantom'), report=own('study', 'cards', 'report'), again=again, peak_gib=peak)


def main():
    p = parser(__doc__, before=False, rounds=1)
    p.add_argument('--cells', type=numbers, default=[1, 4, 16, 100], help='of one method, one seed each')
    p.add_argument('--slices', type=numbers, default=[100, 1000, 10_000, 100_000], help='of the prepared set')
    p.add_argument('--methods', type=names, default=['none'], help='rows of the grid whose cells grow')
    p.add_argument('--more', type=names, default=['saggan'], help='further methods, one cell each')
    p.add_argument('--size', type=int, default=32)
    p.add_argument('--workers', type=int, default=0)
    a, out = p.parse_args(), []
    from saggan.evaluation.statistics import MEASURES
    assert MEASURES  # everything that this process itself needs is imported before the clock runs
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        def measure(title, slices, methods, seeds):
            if not (tmp/f'set-{slices}').exists(): prepared(tmp/f'set-{slices}', slices, a.size, max(10, slices//100))
            for _ in range(a.rounds):
                out.append(dict(variant=title, slices=slices, **run(tmp/f'set-{slices}', tmp/'study', methods, seeds, a.size, a.workers)))
                shutil.rmtree(tmp/'study')
                table(out[-1:], COLUMNS)
        for n in a.cells: measure('more cells', 1000, tuple(a.methods), n)
        for n in a.slices: measure('more slices', n, tuple(a.methods), 2)
        for m in a.more: measure(m, 1000, (m,), 2)
    table(out, COLUMNS)
    save(a.json, out, COLUMNS, ())


if __name__ == '__main__': sys.exit(main())
