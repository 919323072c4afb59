"""Has the training step or the preparation become slower? A minute; `python tools/check.py speed` runs it.

Both are timed in turns with plain code that never changes (`reference.py`, and nibabel with NumPy), and the ratios are
compared with those in `pinned.json`, one set for each kind of processor: seconds differ between machines and days,
ratios on one kind hardly do. More than 20 % lost fails. `--pin` writes the ratios measured now, for this kind of
processor: do that when a change made things faster."""
import argparse
import sys
import tempfile
from pathlib import Path

from common import Variant, compare

HERE = Path(__file__).resolve().parent
PINNED, LOSS = HERE/'pinned.json', .2


def kind():
    "What the processor computes with; ratios are pinned for each."
    import platform
    import torch
    half = ' bf16' if torch.cpu._is_avx512_bf16_supported() else ''
    return f'{platform.machine()} {torch.backends.cpu.get_cpu_capability()}{half}'


def measure(rounds):
    """Name -> how many times faster than the plain code.

    By the fastest of all turns, which other work on the machine disturbs least."""
    out, here = {}, dict(threads=1, paths=[HERE])
    variants = [Variant('plain', 'reference', 'step', size=64, batch=1, **here)]
    for precision in ('32-true', 'auto'):
        options = dict(width=32, d_width=32, precision=precision)
        variants.append(Variant(f'training step, {precision}', 'training', 'ours', method='cyclegan', size=64, batch=1,
                                options=options, **here))
    rows = compare(variants, rounds, 3)
    with tempfile.TemporaryDirectory() as tmp:
        from preparation import volumes
        source = f'{tmp}/source'
        volumes(source, 6)
        plain = Variant('plain', 'preparation', 'nibabel_alone', source=source, **here)
        ours = Variant('preparation', 'preparation', 'ours', source=source, workers=1, **here)
        prepared = compare([plain, ours], rounds)
    for first, *others in (rows, prepared):
        for r in others:
            if error := first.get('error') or r.get('error'): sys.exit(f'{r["variant"]}: {error}')
            out[r['variant']] = first['min']/r['min']
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--pin', action='store_true', help='write what is measured now')
    a = p.parse_args()
    from saggan.base.core import read_json, write_json
    pinned, name = read_json(PINNED) if PINNED.exists() else {}, kind()
    if name not in pinned and not a.pin:
        print(f'no ratios are pinned for {name}: python benchmarks/guard.py --pin')
        return 3
    found = measure(a.rounds)
    if a.pin:
        write_json(PINNED, pinned | {name: {k: round(v, 2) for k, v in found.items()}})
        print(f'pinned for {name}: ' + ', '.join(f'{k} {v:.2f}' for k, v in found.items()))
        return 0
    def lost(): return [k for k, v in pinned[name].items() if found[k] < (1 - LOSS)*v]
    if lost():
        print('looks slower, measured once more with twice the rounds')
        found = {k: max(v, found[k]) for k, v in measure(2*a.rounds).items()}
    for k, v in pinned[name].items():
        print(f'{k:28} {found[k]:.2f} times the plain code, pinned {v:.2f}{"  SLOWER" if k in lost() else ""}')
    return int(bool(lost()))


if __name__ == '__main__': sys.exit(main())
