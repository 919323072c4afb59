"""What a trial of a study costs beside its trainings, and how that grows with trials and with slices.

    python benchmarks/study.py --json study.json

Trainings are one step of tiny networks, so that what is left is imports, kernels, papermill, reading, writing and the
report. Sets are made of random slices of 32 pixels. Seconds a trial are wall seconds of all trials together divided by
their number; the report and the check of the data come once a study. A finished study is then asked for again: what it
costs to find everything done. With PYTHONPATH=CHECKOUT in front it measures an older saggan."""
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common import module, names, numbers, parser, save, table

COLUMNS = [('variant', 'variant', ''), ('cells', 'trials', ''), ('slices', 'slices', ',d'),
           ('notebooks', 'notebooks', ''),
           ('seconds', 'all s', '.1f'), ('cell', 's a trial', '.2f'), ('chain', 's in its notebooks', '.2f'),
           ('data', 'data s', '.1f'), ('report', 'report s', '.1f'), ('again', 'again s', '.2f'),
           ('peak_gib', 'peak GiB', '.2f')]


def prepared(folder, n, size, patients):
    "A set of n random slices, half of them with a lesion, saved in a folder."
    import numpy as np
    import pandas as pd
    from common import slices
    images, masks = (np.tile(t.numpy(), (-(-n//64), 1, 1, 1))[:n] for t in slices(64, 1, size))
    i = np.arange(n)
    label = i//patients % 2
    patient = [f'P{k % patients:05d}' for k in i]
    table = pd.DataFrame(dict(patient=patient, volume=patient, slice=i//patients, sha256=[f'{k:064d}' for k in i],
                              position=(i//patients + .5)/(n//patients + 1)))
    counts = dict(patients=patients, volumes=patients, slices=n, lesion=int(label.sum()))
    settings = dict(modalities=['flair'], counts=counts, image_size=size)
    from_arrays = module('saggan.io.dataset').from_arrays
    slice_set = from_arrays(images, masks*label[:, None, None, None], table, settings)
    slice_set.split((.7, .1, .2), 0).save(folder)


def say_nothing(line): pass


def seconds_of(rows, *stages):
    "Of the notebooks of some stages; in an older checkout the names begin with numbers."
    return sum(r['seconds'] for r in rows if r['label'].lstrip('0123456789_') in stages)


def run(data, out, methods, seeds, size, workers):
    "A study over a prepared set: figures of its cost."
    run_study = module('saggan.experiment.batch').run_study
    core = module('saggan.base.core')
    settings = module('saggan.experiment.settings').StudySettings(
        name='cost', preset='smoke', data=str(data), image_size=size, modalities=('flair',), methods=methods,
        seeds=tuple(range(seeds)), workers=workers, judge=dict(steps=1), gan=dict(preset='smoke', n_steps=1),
        classify=dict(preset='smoke', steps=1, batch_size=2, evaluate_every=1))
    start = time.perf_counter()
    result = run_study(settings, out, say=say_nothing)
    seconds = time.perf_counter() - start
    if result.failures: raise SystemExit('\n'.join(result.failures))
    rows = [r for r in core.read_jsonl(Path(out)/'run.jsonl') if r['event'] == 'notebook']
    chain = sum(r['seconds'] for r in rows if ' ' in r['label'])
    once = sum(r['seconds'] for r in rows if ' ' not in r['label'])
    start = time.perf_counter()
    run_study(None, out, say=say_nothing)
    again = time.perf_counter() - start
    done = Path(out).glob('*/*/notebooks/*.done.json')  # of trials, or of cells in an older checkout
    peak = max(core.read_json(p).get('peak_gb') or 0 for p in done)
    n = len(methods)*seeds
    return dict(cells=n, notebooks=len(rows), seconds=seconds, cell=(seconds - once)/n, chain=chain/n,
                data=seconds_of(rows, 'data', 'phantom'), report=seconds_of(rows, 'study', 'cards', 'report'),
                again=again, peak_gib=peak)


def main():
    p = parser(__doc__, before=False, rounds=1)
    p.add_argument('--cells', type=numbers, default=[1, 4, 16, 100], help='of one method, one seed each')
    p.add_argument('--slices', type=numbers, default=[100, 1000, 10_000, 100_000],
                   help='of the prepared set')
    p.add_argument('--methods', type=names, default=['none'], help='whose trials grow in number')
    p.add_argument('--more', type=names, default=['saggan'], help='further methods, two trials each')
    p.add_argument('--size', type=int, default=32)
    p.add_argument('--workers', type=int, default=0)
    a, out = p.parse_args(), []
    assert module('saggan.evaluation.statistics').MEASURES  # imported before the clock runs
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        def measure(title, slices, methods, seeds):
            data = tmp/f'set-{slices}'
            if not data.exists(): prepared(data, slices, a.size, max(10, slices//100))
            for _ in range(a.rounds):
                figures = run(data, tmp/'study', methods, seeds, a.size, a.workers)
                out.append(dict(variant=title, slices=slices, **figures))
                shutil.rmtree(tmp/'study')
                table(out[-1:], COLUMNS)
        for n in a.cells: measure('more trials', 1000, tuple(a.methods), n)
        for n in a.slices: measure('more slices', n, tuple(a.methods), 2)
        for m in a.more: measure(m, 1000, (m,), 2)
    table(out, COLUMNS)
    save(a.json, out, COLUMNS, ())


if __name__ == '__main__': sys.exit(main())
