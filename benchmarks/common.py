"""What the benchmarks share: slices with the statistics of real ones, variants that take turns, tables.

A variant lives in a process of its own and waits while another is timed, so that memory is its own and a machine whose speed
drifts is unfair to nobody: rounds go A B C A B C. Ratios inside one run are what counts; seconds are of this machine on this day."""
import argparse
import importlib
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path


def slices(n, channels=1, size=128, seed=0):
    "Random slices in [-1, 1] (n, C, H, W), brain-like: a textured ellipse on background; lesion masks (n, 1, H, W) of about 2 %, brighter there."
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


def memory(field='VmRSS'):
    "Resident memory of this process in GiB; `VmHWM` is the highest since `forget_peak`."
    rows = Path('/proc/self/status').read_text().splitlines()
    return next(int(r.split()[1]) for r in rows if r.startswith(field)) / 2**20


def forget_peak(): Path('/proc/self/clear_refs').write_text('5')


def busy():
    "Processor seconds that the whole machine has spent so far."
    return sum(int(v) for v in Path('/proc/stat').read_text().split('\n')[0].split()[1:4]) / os.sysconf('SC_CLK_TCK')


def serve(pipe, where, name, kwargs, threads, paths):
    "A variant's process: build it, then run steps when asked."
    sys.path[:0] = paths
    import torch
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    wait = torch.cuda.synchronize if cuda else lambda: None
    try:
        step = getattr(importlib.import_module(where), name)(**kwargs)
        wait()
        if cuda: torch.cuda.reset_peak_memory_stats()
        forget_peak()
        before, t = (torch.cuda.memory_allocated() / 2**30 if cuda else memory()), time.perf_counter()
        step()
        wait()
        pipe.send(dict(first=time.perf_counter() - t))
        while k := pipe.recv():
            out, foreign = [], []
            for _ in range(k):
                b, c, t = busy(), time.process_time(), time.perf_counter()
                step()
                wait()
                out.append(time.perf_counter() - t)
                foreign.append(max(0., busy() - b - (time.process_time() - c)) / (os.cpu_count() * out[-1]))
            peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else memory('VmHWM')
            pipe.send(dict(seconds=out, foreign=foreign, peak=peak - before))
    except Exception as e: pipe.send(dict(error=f'{type(e).__name__}: {e}'))


class Variant:
    "One thing to be timed: a function (in a module) that is given keywords and returns a step without arguments."
    def __init__(self, title, where, name, threads, paths=(), **kwargs):
        self.title, self.rows = title, []
        self.pipe, there = multiprocessing.get_context('spawn').Pipe()
        self.process = multiprocessing.get_context('spawn').Process(target=serve, args=(there, where, name, kwargs, threads, list(map(str, paths))))
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
        return dict(variant=self.title, median=statistics.median(s), min=min(s), max=max(s), n=len(s), first=self.first['first'],
                    foreign=statistics.median(x for r in self.rows for x in r['foreign']), peak_gib=max(r['peak'] for r in self.rows))


def compare(variants, rounds=3, steps=1):
    "Time variants in turns; the first is what the others are compared with. List of dicts with `ratio`, how many times faster (median over rounds)."
    try:
        for _ in range(rounds):
            for v in variants:
                if 'error' not in (v.rows or [v.first])[-1]: v.run(steps)
    finally:
        for v in variants: v.end()
    out = [v.result() for v in variants]
    for v, r in zip(variants, out):
        if 'error' in r or 'error' in out[0]: continue
        pairs = [statistics.median(a['seconds']) / statistics.median(b['seconds']) for a, b in zip(variants[0].rows, v.rows)]
        r |= dict(ratio=statistics.median(pairs), ratio_min=min(pairs), ratio_max=max(pairs), memory_ratio=r['peak_gib'] / out[0]['peak_gib'])
    return out


def editions(a, here):
    "Name and search path of what is called ours: this checkout, and an older one where it was given."
    return [('saggan', [here]), *([('saggan before', [here, a.before])] if a.before else [])]


def table(rows, columns):
    "Print rows as a table; a column is (key, title, format)."
    lines = [[title for _, title, _ in columns]]
    for r in rows: lines.append([('-' if r.get(k) is None else format(r[k], f)) for k, _, f in columns])
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines: print('  '.join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))))
    for r in rows:
        if r.get('error'): print(f'  {r.get("variant")}: {r["error"]}')
    print(flush=True)


def parser(doc, peers='', before=True, **more):
    "The options that every benchmark has."
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if peers: p.add_argument('--peer', action='append', default=[], metavar='PATH', help=f'a checkout to measure beside ours: {peers}; may be given several times')
    if before: p.add_argument('--before', metavar='PATH', help='a checkout of an older saggan, measured in the same run')
    p.add_argument('--rounds', type=int, default=more.get('rounds', 3), help='turns of each variant (default: %(default)s)')
    p.add_argument('--threads', type=int, default=os.cpu_count(), help='processor threads of each variant (default: all)')
    p.add_argument('--json', metavar='FILE', help='write the figures there')
    return p


def save(path, rows, columns, by=(), **about):
    "Write figures, with how to print them (one table for each value of the keys `by`) and what they were measured on."
    if not path: return
    from saggan.base.core import environment, write_json
    told = [Path(w).name if '/' in w else w for w in sys.argv]
    write_json(path, dict(about=about, by=list(by), columns=[list(c) for c in columns], rows=rows, command=told, time=time.strftime('%Y-%m-%d'), environment=environment()))


def numbers(text): return [int(w) for w in text.split(',')]
def names(text): return [w for w in text.split(',') if w]
