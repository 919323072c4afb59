"""What the benchmarks share: slices with the statistics of real ones, variants that take turns, tables.

A variant lives in a process of its own and waits while another is timed, so that memory is its own and a machine whose
speed drifts is unfair to nobody: rounds go A B C A B C. Ratios inside one run are what counts; seconds are of this
machine on this day."""
import argparse
import importlib
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

# What modules were called in checkouts that `--before` may name.
OLDER = {'saggan.base.core': 'saggan.core', 'saggan.io.dataset': 'saggan.slices',
         'saggan.methods.translators': 'saggan.translators', 'saggan.cli.arguments': 'saggan.options',
         'saggan.experiment.batch': 'saggan.batch', 'saggan.experiment.settings': 'saggan.settings',
         'saggan.evaluation.statistics': 'saggan.statistics'}


def module(name):
    "A module of saggan; in an older checkout the one that had another name."
    try: return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if not (e.name or '').startswith('saggan'): raise
        return importlib.import_module(OLDER[name])


def slices(n, channels=1, size=128, seed=0):
    """Random slices in [-1, 1] (n, C, H, W) and their lesion masks (n, 1, H, W).

    Brain-like: a textured ellipse on background, about 2 % of it brighter."""
    import torch
    from torch.nn import functional as F
    g = torch.Generator().manual_seed(seed)
    line = torch.linspace(-1, 1, size)
    y, x = line[:, None], line[None]
    coarse = F.interpolate(torch.randn(n, channels, 8, 8, generator=g), size=(size, size), mode='bicubic')
    image = .1 + .25 * coarse + .08 * torch.randn(n, channels, size, size, generator=g)
    at = torch.rand(n, 2, generator=g) * .8 - .4
    mask = ((x - at[:, 0, None, None])**2 + (y - at[:, 1, None, None])**2 < .025).float()[:, None]
    head = ((x / .75)**2 + (y / .9)**2 < 1).float()
    return ((image + .6 * mask).clamp(-.95, 1) * head - (1 - head)).contiguous(), mask * head


def split_arguments(parser):
    "Arguments of a script that trains on a prepared set: the set, and how its patients are split."
    parser.add_argument('prepared', help='folder of a prepared set')
    parser.add_argument('--seed', type=int, default=0, help='of the split, the weights and the batches')
    parser.add_argument('--fractions', type=names, default=['.5', '.2', '.3'],
                        help='train,val,test: shares, or patients')


def split_parts(a):
    "The SliceSets train, val and test of what `split_arguments` read; nothing is written into the set."
    from saggan.io.dataset import SliceSet
    shares = [float(f) for f in a.fractions]
    whole = SliceSet.open(a.prepared)
    whole.folder = None
    data = whole.split(tuple(share / sum(shares) for share in shares), a.seed)
    return [data.of(part) for part in ('train', 'val', 'test')]


def memory(field='VmRSS'):
    "Resident memory of this process in GiB; `VmHWM` is the highest since `forget_peak`."
    rows = Path('/proc/self/status').read_text().splitlines()
    return next(int(r.split()[1]) for r in rows if r.startswith(field)) / 2**20


def forget_peak(): Path('/proc/self/clear_refs').write_text('5')


def busy():
    "Processor seconds that the whole machine has spent so far."
    ticks = Path('/proc/stat').read_text().splitlines()[0].split()[1:4]
    return sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK')


def timed(step):
    "Seconds of one step, and the share of the processors that other programs took meanwhile."
    machine, own, start = busy(), time.process_time(), time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    others = busy() - machine - (time.process_time() - own)
    return seconds, max(0., others) / (os.cpu_count() * seconds)


def serve(pipe, where, name, kwargs, threads, paths):
    "A variant's process: build it, then run steps when asked."
    sys.path[:0] = paths
    import torch
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    try:
        work = getattr(importlib.import_module(where), name)(**kwargs)
        def step():
            work()
            if cuda: torch.cuda.synchronize()
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        forget_peak()
        before = torch.cuda.memory_allocated() / 2**30 if cuda else memory()
        first, _ = timed(step)
        pipe.send(dict(first=first))
        while n := pipe.recv():
            turns = [timed(step) for _ in range(n)]
            peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else memory('VmHWM')
            seconds, foreign = zip(*turns)
            pipe.send(dict(seconds=seconds, foreign=foreign, peak=peak - before))
    except Exception as e: pipe.send(dict(error=f'{type(e).__name__}: {e}'))


class Variant:
    "One thing to be timed: a function (in a module) that is given keywords and returns a step without arguments."
    def __init__(self, title, where, name, threads, paths=(), **kwargs):
        self.title, self.rows = title, []
        context = multiprocessing.get_context('spawn')
        self.pipe, there = context.Pipe()
        args = there, where, name, kwargs, threads, [str(p) for p in paths]
        self.process = context.Process(target=serve, args=args)
        self.process.start()
        there.close()
        self.first = self.answer()
    def answer(self):
        try: return self.pipe.recv()
        except (EOFError, OSError): return dict(error='its process died, most likely for lack of memory')
    def run(self, steps):
        try: self.pipe.send(steps)
        except OSError: pass
        self.rows.append(self.answer())
    def end(self):
        try: self.pipe.send(0)
        except OSError: pass
        self.process.join(20)
        if self.process.is_alive(): self.process.kill()
    def result(self):
        "A dict of figures, or of an error."
        for r in (self.first, *self.rows):
            if 'error' in r: return dict(variant=self.title, error=r['error'])
        s = [x for r in self.rows for x in r['seconds']]
        foreign = [x for r in self.rows for x in r['foreign']]
        return dict(variant=self.title, median=statistics.median(s), min=min(s), max=max(s), n=len(s),
                    first=self.first['first'], foreign=statistics.median(foreign),
                    peak_gib=max(r['peak'] for r in self.rows))


def compare(variants, rounds=3, steps=1):
    """Time variants in turns; the first is what the others are compared with.

    List of dicts with `ratio`, how many times faster (median over rounds)."""
    try:
        for _ in range(rounds):
            for v in variants:
                if 'error' not in (v.rows or [v.first])[-1]: v.run(steps)
    finally:
        for v in variants: v.end()
    out = [v.result() for v in variants]
    for v, r in zip(variants, out):
        if 'error' in r or 'error' in out[0]: continue
        medians = [[statistics.median(row['seconds']) for row in one.rows] for one in (variants[0], v)]
        ratios = [first / other for first, other in zip(*medians)]
        r |= dict(ratio=statistics.median(ratios), ratio_min=min(ratios), ratio_max=max(ratios),
                  memory_ratio=r['peak_gib'] / out[0]['peak_gib'])
    return out


def editions(a, here):
    "Name and search path of what is called ours: this checkout, and an older one where it was given."
    out = [('saggan', [here])]
    if a.before: out.append(('saggan before', [here, a.before]))
    return out


def table(rows, columns):
    "Print rows as a table; a column is (key, title, format)."
    lines = [[title for _, title, _ in columns]]
    for r in rows: lines.append(['-' if r.get(k) is None else format(r[k], f) for k, _, f in columns])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        figures = [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
        print('  '.join([line[0].ljust(widths[0]), *figures]))
    for r in rows:
        if r.get('error'): print(f'  {r.get("variant")}: {r["error"]}')
    print(flush=True)


def parser(doc, peers='', before=True, **more):
    "The options that every benchmark has."
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if peers:
        about = f'a checkout to measure beside ours: {peers}; may be given several times'
        p.add_argument('--peer', action='append', default=[], metavar='PATH', help=about)
    if before:
        about = 'a checkout of an older saggan, measured in the same run'
        p.add_argument('--before', metavar='PATH', help=about)
    rounds, threads = more.get('rounds', 3), os.cpu_count()
    p.add_argument('--rounds', type=int, default=rounds, help='turns of each variant (default: %(default)s)')
    p.add_argument('--threads', type=int, default=threads, help='processor threads of each variant (default: all)')
    p.add_argument('--json', metavar='FILE', help='write the figures there')
    return p


def save(path, rows, columns, by=(), **about):
    """Write figures, how to print them, and what they were measured on.

    `by`: keys; there is one table for each of their values."""
    if not path: return
    core = module('saggan.base.core')
    command = [Path(w).name if '/' in w else w for w in sys.argv]
    core.write_json(path, dict(about=about, by=list(by), columns=[list(c) for c in columns], rows=rows, command=command,
                               time=time.strftime('%Y-%m-%d'), environment=core.environment()))


def numbers(text): return [int(w) for w in text.split(',')]
def names(text): return [w for w in text.split(',') if w]
