"""The transforms behind loaders with worker processes, which a notebook's names cannot reach:
each worker draws for itself, and a seed repeats it all."""
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from saggan import Augmenter, LesionTransform
from saggan.saggan import SAGGAN, SAGGANSettings


class Slices(Dataset):
    def __init__(self, transform): self.transform = transform
    def __len__(self): return 24
    def __getitem__(self, i): return self.transform(torch.full((1, 16, 16), -.3), 0)


@pytest.fixture(scope='module')
def augmenter():
    "A network of random weights that paints everywhere."
    torch.manual_seed(0)
    model = SAGGAN(SAGGANSettings(width=4, blocks=1, d_width=4, d_layers=2, inside=0.))
    torch.nn.init.constant_(model.ema['attention_normal'].net[-1].bias, 5.)
    return Augmenter(model)


def test_workers_draw_for_themselves_and_a_seed_repeats_them(augmenter):
    def labels(seed):
        slices = Slices(LesionTransform(augmenter, .5))
        generator = torch.Generator().manual_seed(seed)
        loader = DataLoader(slices, batch_size=12, num_workers=2, generator=generator)
        return [y.tolist() for _, y in loader]
    a = labels(0)
    assert a == labels(0) and a != labels(1) and a[0] != a[1] and 0 < sum(map(sum, a)) < 24


def test_monai_workers_differ_and_set_determinism_repeats_them(augmenter):
    from monai.data import DataLoader as MonaiLoader, Dataset as MonaiDataset
    from monai.transforms import Compose
    from monai.utils import set_determinism
    def labels(seed):
        set_determinism(seed)
        sample = dict(image=torch.full((1, 16, 16), -.3), label=0)
        data = MonaiDataset([sample]*24, Compose([augmenter.transform(.5, keys='image')]))
        return [d['label'].tolist() for d in MonaiLoader(data, batch_size=12, num_workers=2)]
    try:
        a = labels(0)
        assert a == labels(0) and a != labels(1) and a[0] != a[1] and 0 < sum(map(sum, a)) < 24
    finally: set_determinism(None)
