"""Slices per second from .nii.gz to a prepared set, beside other people's code; and how fast an epoch is read.

    python benchmarks/preparation.py --peer FOLDER_OF_MONAI --peer FOLDER_OF_TORCHIO --json preparation.json

Volumes are of BraTS's size, brain-like with noise, int16, compressed by a factor of seven. All variants read image and
segmentation, map the 0.5 to 99.5 percentiles of the voxels that are not 0 to one range, and end with axial slices; ours
also verifies checksums, headers, labels and grids, hashes every slice and source, leaves slices out, splits patients
and writes to the disk, as nibabel's does here. "Cold" drops the files from the page cache before each turn."""
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common import Variant, compare, editions, module, names, numbers, parser, save, table

HERE = str(Path(__file__).resolve().parent)
FIRST, LAST = 30, 125
COLUMNS = [('variant', 'variant', ''), ('median', 'seconds', '.2f'), ('min', 'min', '.2f'), ('max', 'max', '.2f'),
           ('n', 'n', ''), ('rate', 'slices/s', ',.0f'), ('ratio', 'times faster', '.2f'), ('ratio_min', 'from', '.2f'),
           ('ratio_max', 'to', '.2f'), ('peak_gib', 'peak GiB', '.2f'), ('first', 'first', '.2f'),
           ('foreign', 'foreign CPU', '.0%')]


def volumes(folder, n, shape=(240, 240, 155)):
    "Write n cases in BraTS's layout: a textured ellipsoid in background zero with a bright ball, and the ball's mask."
    import nibabel as nib
    import numpy as np
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, s, dtype=np.float32) for s in shape), indexing='ij')
    head = (x/.62)**2 + (y/.78)**2 + (z/.85)**2 < 1
    for i in range(n):
        rng = np.random.default_rng(i)
        c = rng.random(3)*.5 - .25
        ball = ((x - c[0])**2 + (y - c[1])**2 + (z - c[2])**2 < .04) & head
        texture = 80*np.sin(6*x + i)*np.cos(5*y)*np.sin(4*z)
        image = (head*(300 + texture + rng.normal(0, 25, shape) + 150*ball)).clip(0).astype(np.int16)
        case = Path(folder)/f'P{i:03d}'
        case.mkdir(parents=True)
        for what, voxels in (('t1ce', image), ('seg', ball.astype(np.uint8))):
            nib.save(nib.Nifti1Image(voxels, np.diag([-1, -1, 1, 1.])), case/f'{case.name}_{what}.nii.gz')


def pairs(source):
    "Image and segmentation of each case."
    cases = sorted(Path(source).iterdir())
    return [(c/f'{c.name}_t1ce.nii.gz', c/f'{c.name}_seg.nii.gz') for c in cases]


def axial(voxels):
    "The slices that every variant ends with, (slices, channels, y, x), out of a tensor (channels, x, y, z)."
    return voxels[..., FIRST:LAST + 1].permute(3, 0, 2, 1).contiguous()


def forget(source):
    "Drop the files from the page cache."
    for p in Path(source).rglob('*.nii.gz'):
        with open(p, 'rb') as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def fresh(step, source, cold):
    "A step into a new folder each time."
    def run():
        if cold: forget(source)
        with tempfile.TemporaryDirectory(dir=Path(source).parent) as out: return step(Path(out))
    return run


def ours(source, workers, cold=False):
    from saggan.data import prepare
    def step(out):
        prepared = prepare(source, 'brats', out/'set', workers=workers)
        assert len(prepared) > .9*len(pairs(source))*(LAST - FIRST + 1)
    return fresh(step, source, cold)


def nibabel_alone(source, cold=False):
    "What is written in an afternoon: nibabel, NumPy, np.save."
    import nibabel as nib
    import numpy as np
    def step(out):
        images, masks = [], []
        for image, seg in pairs(source):
            x = nib.load(image).get_fdata(dtype=np.float32)
            lo, hi = np.percentile(x[x != 0], (.5, 99.5))
            x = np.where(x == 0, np.float32(-1), np.clip((x - lo)/(hi - lo), 0, 1)*2 - 1).astype(np.float32)
            images.append(x[..., FIRST:LAST + 1].transpose(2, 1, 0)[:, None])
            mask = np.asarray(nib.load(seg).dataobj)[..., FIRST:LAST + 1] > 0
            masks.append(mask.astype(np.uint8).transpose(2, 1, 0)[:, None])
        np.save(out/'images.npy', np.concatenate(images))
        np.save(out/'masks.npy', np.concatenate(masks))
    return fresh(step, source, cold)


def monai(path, source, workers, cold=False):
    "MONAI's CacheDataset: everything is read and normalised once and kept in memory; nothing is written."
    from monai.data import CacheDataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityRangePercentilesd
    chain = Compose([LoadImaged(['image', 'seg']), EnsureChannelFirstd(['image', 'seg']),
                     ScaleIntensityRangePercentilesd('image', .5, 99.5, -1, 1, clip=True)])
    def step(out):
        cases = [dict(image=i, seg=s) for i, s in pairs(source)]
        data = CacheDataset(cases, chain, num_workers=workers, progress=False)
        return [(axial(d['image']), axial(d['seg'])) for d in data]
    return fresh(step, source, cold)


def torchio(path, source, cold=False):
    "TorchIO's RescaleIntensity over the voxels above 0; nothing is written."
    import torchio as tio
    scale = tio.RescaleIntensity((-1, 1), percentiles=(.5, 99.5), masking_method=lambda x: x > 0)
    def step(out):
        cases = [tio.Subject(image=tio.ScalarImage(i), seg=tio.LabelMap(s)) for i, s in pairs(source)]
        data = tio.SubjectsDataset(cases, transform=scale)
        return [(axial(d['image'].data), axial(d['seg'].data)) for d in data]
    return fresh(step, source, cold)


def plain_set(folder, n, size=240):
    "A prepared set of n slices in a folder, opened."
    import numpy as np
    import pandas as pd
    dataset = module('saggan.io.dataset')
    if not (Path(folder)/'settings.json').exists():
        from common import slices
        images, masks = (np.tile(t.numpy(), (-(-n//64), 1, 1, 1))[:n] for t in slices(64, 1, size))
        label = np.arange(n) % 2
        table = pd.DataFrame(dict(patient=[f'P{i//96}' for i in range(n)], sha256=''))
        dataset.from_arrays(images, masks*label[:, None, None, None], table).save(folder)
    return dataset.SliceSet.open(folder)


def copied(folder):
    "The ceiling: the slices of a set in memory are copied in order, as one array into another."
    import numpy as np
    s = plain_set(folder, 0)
    a = np.array(s.images)
    b = np.empty_like(a)
    return lambda: np.copyto(b, a)


def read(folder, batch):
    "An epoch of the prepared set in random order, a batch at a time, as the classifier reads it."
    import numpy as np
    from saggan.classification import Pool, batch_indices
    pool = Pool(plain_set(folder, 0))
    take = getattr(pool, 'read', pool.__getitem__)  # older ones had no `read`
    epoch = [batch_indices(i, len(pool), batch) for i in range(len(pool)//batch)]
    assert np.isfinite(float(take(epoch[0])[0].sum()))
    def step():
        for rows in epoch: take(rows)
    return step


def monai_epoch(path, folder, batch):
    "The same from MONAI's CacheDataset of slices through its DataLoader."
    import numpy as np
    from monai.data import CacheDataset, DataLoader
    s = plain_set(folder, 0)
    data = CacheDataset([dict(image=np.array(s.images[i])) for i in range(len(s))], transform=[], progress=False)
    loader = DataLoader(data, batch_size=batch, shuffle=True)
    def step():
        for _ in loader: pass
    return step


def here(title, name, threads=1, paths=(), **kw):
    "A variant of this file."
    return Variant(title, 'preparation', name, threads, [HERE, *paths], **kw)


def plural(n, word): return f'{n} {word}{"s" if n > 1 else ""}'


def preparation(a, source, cache):
    "Rows of all variants that prepare the volumes."
    common = dict(source=str(source), cold=cache == 'cold')
    variants = [here('nibabel, NumPy, np.save', 'nibabel_alone', **common)]
    for title, path in editions(a, HERE):
        for n in a.workers:
            variants.append(here(f'{title}, {plural(n, "worker")}', 'ours', 1, path[1:], workers=n, **common))
    for path in a.peer:
        if (Path(path)/'monai').is_dir():
            for n in a.workers:
                variants.append(here(f'monai, {plural(n, "thread")}', 'monai', a.threads, [path], path=path, workers=n,
                                     **common))
        if (Path(path)/'torchio').is_dir():
            variants.append(here('torchio, 1 thread', 'torchio', a.threads, [path], path=path, **common))
    rows = compare(variants, a.rounds)
    for r in rows: r |= dict(cache=cache, rate=a.cases*(LAST - FIRST + 1)/r['median'] if 'median' in r else None)
    print(f'preparation, page cache {cache}')
    table(rows, COLUMNS)
    return rows


def epoch(a, folder):
    "Rows of all variants that read a prepared set."
    plain_set(folder, a.slices)
    common = dict(folder=str(folder), batch=a.batch)
    variants = [here('memory copy', 'copied', a.threads, folder=str(folder))]
    for title, path in editions(a, HERE):
        variants.append(here(f'{title}, batches of {a.batch}', 'read', a.threads, path[1:], **common))
    for path in a.peer:
        if not (Path(path)/'monai').is_dir(): continue
        title = 'monai, CacheDataset of slices'
        variants.append(here(title, 'monai_epoch', a.threads, [path], path=path, **common))
    rows = compare(variants, max(a.rounds, 5))
    for r in rows: r |= dict(cache='epoch', rate=a.slices/r['median'] if 'median' in r else None)
    print(f'an epoch of {a.slices:,} prepared slices of 240 pixels, {a.slices*240*240*4/2**20:,.0f} MiB')
    table(rows, COLUMNS)
    return rows


def main():
    p = parser(__doc__, 'a folder that holds the packages monai or torchio')
    p.add_argument('--cases', type=int, default=32)
    p.add_argument('--workers', type=numbers, default=[1, os.cpu_count()])
    p.add_argument('--caches', type=names, default=['warm', 'cold'])
    p.add_argument('--slices', type=int, default=2048, help='of the set that is read')
    p.add_argument('--batch', type=int, default=32)
    a, out = p.parse_args(), []
    with tempfile.TemporaryDirectory() as tmp:
        t, source = time.perf_counter(), Path(tmp)/'source'
        volumes(source, a.cases)
        packed = sum(f.stat().st_size for f in source.rglob('*.gz'))
        print(f'{a.cases} cases made in {time.perf_counter() - t:.0f} s, {packed/2**20/a.cases:.2f} MiB each\n')
        for cache in a.caches: out += preparation(a, source, cache)
        shutil.rmtree(source)
        out += epoch(a, Path(tmp)/'set')
    save(a.json, out, COLUMNS, ('cache',), cases=a.cases, slices=a.slices)


if __name__ == '__main__': sys.exit(main())
