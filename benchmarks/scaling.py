"""What a training step costs against image size, batch and width: time and memory, one of them varied at a time.

    python benchmarks/scaling.py --json scaling.json

A step that scaled with the pixels alone would have the same microseconds a pixel in every line of size and batch."""
import sys
from pathlib import Path

from common import Variant, compare, editions, numbers, parser, save, table

HERE = str(Path(__file__).resolve().parent)
COLUMNS = [('variant', 'variant', ''), ('median', 's a step', '.3f'), ('min', 'min', '.3f'), ('max', 'max', '.3f'),
           ('n', 'n', ''), ('pixel', 'us a pixel', '.2f'), ('peak_gib', 'peak GiB', '.2f'),
           ('pixel_bytes', 'kB a pixel', '.2f'), ('foreign', 'foreign CPU', '.0%')]


def main():
    p = parser(__doc__, rounds=2)
    p.add_argument('--method', default='saggan')
    p.add_argument('--base', type=numbers, default=[128, 1, 32],
                   help='size, batch and width that stay (default: 128,1,32)')
    p.add_argument('--sizes', type=numbers, default=[64, 96, 128, 192, 240])
    p.add_argument('--batches', type=numbers, default=[1, 2, 4, 8])
    p.add_argument('--widths', type=numbers, default=[16, 32, 64])
    a, out = p.parse_args(), []
    base = dict(zip(('size', 'batch', 'width'), a.base))
    for what, values in (('size', a.sizes), ('batch', a.batches), ('width', a.widths)):
        points = [(base | {what: v}, *edition) for v in values for edition in editions(a, HERE)]
        variants = []
        for q, name, path in points:
            asked = dict(method=a.method, size=q['size'], batch=q['batch'], options=dict(width=q['width']))
            variants.append(Variant(f'{name}: {what} {q[what]}', 'training', 'ours', a.threads, path, **asked))
        rows = compare(variants, a.rounds)
        for r, (q, _, _) in zip(rows, points):
            pixels = 2 * q['batch'] * q['size']**2
            r |= q | dict(varied=what)
            if 'median' in r: r |= dict(pixel=r['median'] / pixels * 1e6, pixel_bytes=r['peak_gib'] * 2**20 / pixels)
        fixed = ', '.join(f'{k} {v}' for k, v in base.items() if k != what)
        print(f'{a.method}, {what} varied: {fixed}, {a.threads} threads')
        table(rows, COLUMNS)
        out += rows
    save(a.json, out, COLUMNS, ('varied',))


if __name__ == '__main__': sys.exit(main())
