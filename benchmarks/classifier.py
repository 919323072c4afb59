"""Training slices per second of the classifier, beside the loop that torchvision's documentation teaches.

    python benchmarks/classifier.py --json classifier.json

The plain loop: resnet18 with one output, slices repeated to three channels, a DataLoader over tensors in memory, Adam,
float32; with augmentation, torchvision's transforms of the same kinds for every slice in the Dataset. Ours is
`saggan.models.fitting.train_step`, which reads a prepared set. The ratio is of whole steps, data within."""
import sys
import tempfile
from pathlib import Path

from common import Variant, compare, editions, names, numbers, parser, save, table

HERE = str(Path(__file__).resolve().parent)
COLUMNS = [('variant', 'variant', ''), ('median', 's a step', '.3f'), ('min', 'min', '.3f'), ('max', 'max', '.3f'),
           ('n', 'n', ''), ('steps', 'steps/s', '.2f'), ('rate', 'slices/s', '.1f'), ('ratio', 'times faster', '.2f'),
           ('ratio_min', 'from', '.2f'), ('ratio_max', 'to', '.2f'), ('peak_gib', 'peak GiB', '.2f'),
           ('first', 'first step', '.2f'), ('foreign', 'foreign CPU', '.0%')]


def ours(folder, net, size, batch, augment, precision='auto'):
    from preparation import plain_set
    from saggan.classification import ClassifierSettings, Fit, Pool, memory_format, train_step
    from saggan.sampling import ClassicTransform
    try: from saggan.training import find_hardware
    except ImportError: from saggan.training import make_fabric as find_hardware  # with --before
    train, settings = plain_set(folder, 0), ClassifierSettings(name=net, batch_size=batch, precision=precision)
    pool = Pool(train)
    hardware = find_hardware(precision=precision)
    fit = Fit(settings, 1, hardware, '', memory_format(pool[[0]][0].to(hardware.device)))
    move = ClassicTransform() if augment else None
    try: from saggan.classification import Batches
    except ImportError: return lambda: train_step(fit, hardware, pool, settings, move, 100)  # with --before
    batches = Batches([train], batch, total=100)
    return lambda: train_step(fit, hardware, batches, settings, move)


def plain(folder, net, size, batch, augment):
    import torch
    import torchvision
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import v2
    from preparation import plain_set
    images, _, labels = plain_set(folder, 0).tensors()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    bilinear = v2.InterpolationMode.BILINEAR
    affine = v2.RandomAffine(15, (.08, .08), (.9, 1.1), interpolation=bilinear, fill=-1.)
    crop = v2.RandomResizedCrop(size, (.81, 1), (1., 1.), antialias=True)
    move = v2.Compose([v2.RandomHorizontalFlip(), affine, crop])
    class Slices(Dataset):
        def __len__(self): return len(images)
        def __getitem__(self, i):
            image = move(images[i]) if augment else images[i]
            return image.repeat(3, 1, 1), labels[i].float()
    model = getattr(torchvision.models, net)(num_classes=1).to(device).train()
    optimizer, loss = torch.optim.Adam(model.parameters(), 5e-4), torch.nn.BCEWithLogitsLoss()
    loader = DataLoader(Slices(), batch, shuffle=True, drop_last=True)
    def endless():
        while True: yield from loader
    batches = endless()
    def step():
        x, y = next(batches)
        optimizer.zero_grad()
        loss(model(x.to(device))[:, 0], y.to(device)).backward()
        optimizer.step()
    return step


def measure(a, folder, name, size, batch, augment):
    "Rows of the plain loop and of ours, in both precisions."
    common = dict(folder=folder, net=name, size=size, batch=batch, augment=augment)
    variants = [Variant('torchvision, plain loop', 'classifier', 'plain', a.threads, [HERE], **common)]
    for title, path in editions(a, HERE):
        for precision in ('32-true', 'auto'):
            variants.append(Variant(f'{title}, {precision}', 'classifier', 'ours', a.threads, path,
                                    precision=precision, **common))
    rows = compare(variants, a.rounds, a.steps)
    for r in rows:
        r |= dict(size=size, batch=batch, augment=augment)
        if 'median' in r: r |= dict(steps=1 / r['median'], rate=batch / r['median'])
    kind = 'classic' if augment else 'no'
    print(f'{name}, {size} x {size} pixels, batch {batch}, {kind} augmentation, {a.threads} threads')
    table(rows, COLUMNS)
    return rows


def main():
    p = parser(__doc__)
    p.add_argument('--classifiers', type=names, default=['resnet18'])
    p.add_argument('--sizes', type=numbers, default=[64, 240])
    p.add_argument('--batches', type=numbers, default=[16], help='on a GPU also 128')
    p.add_argument('--steps', type=int, default=3, help='in one turn')
    a, out = p.parse_args(), []
    from preparation import plain_set
    with tempfile.TemporaryDirectory() as tmp:
        for size in a.sizes:
            plain_set(f'{tmp}/{size}', 512, size)
            for name in a.classifiers:
                for batch in a.batches:
                    for augment in (False, True): out += measure(a, f'{tmp}/{size}', name, size, batch, augment)
    save(a.json, out, COLUMNS, ('size', 'batch', 'augment'))


if __name__ == '__main__': sys.exit(main())
