"""Slices per second of `Augmenter`, beside the peer's own generator in a loop.

    python benchmarks/translation.py --peer PATH/pytorch-CycleGAN-and-pix2pix --json translation.json

The peer's network is called as its `test.py` does, a slice at a time in float32 without gradients, and a batch at a time. Ours is
CycleGAN with the same network, and SAG-GAN, which calls two. Memory is what the process grows by from before its first translation."""
import sys
from pathlib import Path

from common import Variant, compare, editions, names, numbers, parser, save, slices, table

HERE = str(Path(__file__).resolve().parent)
COLUMNS = [('variant', 'variant', ''), ('median', 'seconds', '.3f'), ('min', 'min', '.3f'), ('max', 'max', '.3f'), ('n', 'n', ''), ('rate', 'slices/s', '.2f'), ('ratio', 'times faster', '.2f'),
           ('ratio_min', 'from', '.2f'), ('ratio_max', 'to', '.2f'), ('peak_gib', 'peak GiB', '.2f'), ('foreign', 'foreign CPU', '.0%')]


def ours(method, size, n, batch, precision):
    "n slices through an Augmenter with the networks of the published protocol, untrained."
    import torch
    from saggan.augmentation import Augmenter
    from saggan.methods.translators import gan_settings
    torch.manual_seed(0)
    kind, networks, _ = gan_settings(1, 0, 'paper', method)
    augmenter = Augmenter(kind(networks), 'cuda' if torch.cuda.is_available() else 'cpu', batch, **({} if precision == '32-true' else dict(precision=precision)))  # with --before there may be no other
    x = slices(n, 1, size)[0]
    return lambda: augmenter.add_lesion(x)


def theirs(path, size, n, batch):
    "The same through the peer's generator, `networks.define_G`."
    import torch
    from models import networks
    torch.manual_seed(0)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    net, x = networks.define_G(1, 1, 64, 'resnet_9blocks', 'instance', False, 'normal', .02, []).to(device), slices(n, 1, size)[0]
    def step():
        with torch.no_grad(): return [net(part.to(device)).cpu() for part in x.split(batch)]
    return step


def main():
    p = parser(__doc__, 'pytorch-CycleGAN-and-pix2pix')
    p.add_argument('--methods', type=names, default=['cyclegan', 'saggan'])
    p.add_argument('--sizes', type=numbers, default=[240])
    p.add_argument('--batches', type=numbers, default=[1, 16], help='slices at a time (default: 1,16)')
    p.add_argument('--slices', type=int, default=16, help='in one turn; on a GPU take 512 (default: %(default)s)')
    a, out = p.parse_args(), []
    for size in a.sizes:
        common = dict(size=size, n=a.slices)
        variants = [Variant(f'{Path(path).name}, batch {b}', 'translation', 'theirs', a.threads, [HERE, path], path=path, batch=b, **common) for path in a.peer for b in a.batches]
        variants += [Variant(f'{name}: {m}, batch {b}, {precision}', 'translation', 'ours', a.threads, path, method=m, batch=b, precision=precision, **common)
                     for m in a.methods for name, path in editions(a, HERE) for precision in (('32-true', 'bf16-mixed') if name == 'saggan' else ('32-true',)) for b in a.batches]
        rows = compare(variants, a.rounds)
        for r in rows: r |= dict(size=size, rate=a.slices / r['median'] if 'median' in r else None)
        print(f'{size} x {size} pixels, {a.slices} slices, {a.threads} threads')
        table(rows, COLUMNS)
        out += rows
    save(a.json, out, COLUMNS, ('size',))


if __name__ == '__main__': sys.exit(main())
