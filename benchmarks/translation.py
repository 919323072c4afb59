"""Slices per second of `Augmenter`, beside the peer's own generator in a loop.

    python benchmarks/translation.py --peer PATH/pytorch-CycleGAN-and-pix2pix --json translation.json

The peer's network is called as its `test.py` does, a slice at a time in float32 without gradients, and a batch at a
time. Ours is CycleGAN with the same network, and SAG-GAN, which calls two. Memory is what the process grows by from
before its first translation."""
import sys
from pathlib import Path

from common import Variant, compare, editions, module, names, numbers, parser, save, slices, table

HERE = str(Path(__file__).resolve().parent)
COLUMNS = [('variant', 'variant', ''), ('median', 'seconds', '.3f'), ('min', 'min', '.3f'), ('max', 'max', '.3f'),
           ('n', 'n', ''), ('rate', 'slices/s', '.2f'), ('ratio', 'times faster', '.2f'), ('ratio_min', 'from', '.2f'),
           ('ratio_max', 'to', '.2f'), ('peak_gib', 'peak GiB', '.2f'), ('foreign', 'foreign CPU', '.0%')]


def ours(method, size, n, batch, precision):
    "n slices through an Augmenter with the networks of the published protocol, untrained."
    import torch
    from saggan.augmentation import Augmenter
    torch.manual_seed(0)
    kind, networks, _ = module('saggan.methods.translators').gan_settings(1, 0, 'paper', method)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    more = {} if precision == '32-true' else dict(precision=precision)  # with --before there may be no other
    augmenter = Augmenter(kind(networks), device, batch, **more)
    x = slices(n, 1, size)[0]
    return lambda: augmenter.add_lesion(x)


def theirs(path, size, n, batch):
    "The same through the peer's generator, `networks.define_G`."
    import torch
    from models import networks
    torch.manual_seed(0)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    net = networks.define_G(1, 1, 64, 'resnet_9blocks', 'instance', False, 'normal', .02, []).to(device)
    x, _ = slices(n, 1, size)
    def step():
        with torch.no_grad(): return [net(part.to(device)).cpu() for part in x.split(batch)]
    return step


def variants_of(a, size):
    "The peers at each number of slices, then each method in each edition and precision."
    common, out = dict(size=size, n=a.slices), []
    for path in a.peer:
        for b in a.batches:
            title = f'{Path(path).name}, batch {b}'
            out.append(Variant(title, 'translation', 'theirs', a.threads, [HERE, path], path=path, batch=b, **common))
    for method in a.methods:
        for name, path in editions(a, HERE):
            for precision in ('32-true', 'bf16-mixed') if name == 'saggan' else ('32-true',):
                for b in a.batches:
                    title = f'{name}: {method}, batch {b}, {precision}'
                    out.append(Variant(title, 'translation', 'ours', a.threads, path, method=method, batch=b,
                                       precision=precision, **common))
    return out


def main():
    p = parser(__doc__, 'pytorch-CycleGAN-and-pix2pix')
    p.add_argument('--methods', type=names, default=['cyclegan', 'saggan'])
    p.add_argument('--sizes', type=numbers, default=[240])
    p.add_argument('--batches', type=numbers, default=[1, 16], help='slices at a time (default: 1,16)')
    p.add_argument('--slices', type=int, default=16, help='in one turn; on a GPU take 512 (default: %(default)s)')
    a, out = p.parse_args(), []
    for size in a.sizes:
        rows = compare(variants_of(a, size), a.rounds)
        for r in rows: r |= dict(size=size, rate=a.slices / r['median'] if 'median' in r else None)
        print(f'{size} x {size} pixels, {a.slices} slices, {a.threads} threads')
        table(rows, COLUMNS)
        out += rows
    save(a.json, out, COLUMNS, ('size',))


if __name__ == '__main__': sys.exit(main())
