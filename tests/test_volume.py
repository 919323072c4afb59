"""A translated volume read by others: a parser of the NIfTI-1 header written here from the standard, and SimpleITK
where it is installed."""
import gzip
import json
import struct
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from saggan import Augmenter
from saggan.inference.volume import translate_volume


def disc(x, to):
    "Paints a disc in the middle of each slice."
    r = (torch.arange(x.shape[-1]) - x.shape[-1]/2 + .5)**2
    spot = ((r + r[:, None]) < 40).float().expand(len(x), 1, -1, -1)
    return spot*.9 + (1 - spot)*x, spot, torch.full_like(x, .9)


class Painter:
    settings = SimpleNamespace(channels=1)
    has_attention = True
    translate = staticmethod(disc)
    def to(self, device): return self
    def eval(self): return self


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    "A turned int16 volume and the files of its translation."
    folder = tmp_path_factory.mktemp('volume')
    rng = np.random.default_rng(0)
    voxels = np.zeros((30, 26, 14), 'i2')
    voxels[3:-3, 3:-3, 1:-1] = rng.integers(100, 400, (24, 20, 12))
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(.1, .05, .2) @ np.diag([-1.5, 1.2, 4.]), [20, -31, 7.5])
    image = nib.Nifti1Image(voxels, turn)
    image.set_qform(turn, 1)
    image.set_sform(turn, 1)
    image.header.set_xyzt_units('mm', 'sec')
    nib.save(image, folder/'P1_flair.nii.gz')
    augmenter = Augmenter(Painter(), prepared=dict(image_size=32))
    translated = translate_volume(folder/'P1_flair.nii.gz', augmenter, 'lesion', folder/'out')
    assert translated.table.translated.all() and len(translated.files) == 4
    return folder/'P1_flair.nii.gz', translated.files


def header(path):
    "Fields of a little-endian NIfTI-1 file by their offsets, its extensions, and its voxels as stored."
    raw = gzip.decompress(path.read_bytes())
    def at(form, offset): return struct.unpack_from('<' + form, raw, offset)
    assert at('i', 0) == (348,) and raw[344:348] == b'n+1\0'
    dim = at('8h', 40)
    offset = int(at('f', 108)[0])
    extensions = []
    here = 352
    while raw[348] and here < offset:
        size, code = at('2i', here)
        extensions.append((code, raw[here + 8:here + size].rstrip(b'\0')))
        here += size
    kind = {4: '<i2', 2: 'u1', 16: '<f4'}[at('h', 70)[0]]
    voxels = np.frombuffer(raw, kind, int(np.prod(dim[1:4])), offset).reshape(dim[1:4], order='F')
    assert len(raw) == offset + voxels.nbytes and offset % 16 == 0
    geometry = dict(dim=dim, pixdim=at('8f', 76), units=raw[123], codes=at('2h', 252),
                    qform=at('6f', 256), sform=at('12f', 280))
    return geometry, dict(kind=at('2h', 70), slope=at('2f', 112)), raw[148:228].rstrip(b'\0'), extensions, voxels


def test_geometry_is_the_sources_and_the_header_says_synthetic(files):
    source, translated = files
    geometry, stored, _, none, before = header(source)
    for path in translated[:3]:
        g, kind, description, extensions, after = header(path)
        assert g == geometry and description.startswith(b'SYNTHETIC') and none == []
        (code, text), = extensions
        assert code == 6 and json.loads(text)['translated_to'] == 'lesion'
    assert header(translated[0])[1]['kind'] == stored['kind'] and header(translated[2])[1]['kind'] == (2, 8)
    attention = header(translated[1])[4]
    after = header(translated[0])[4]
    assert 0 < (attention > 0).mean() < .3 and np.array_equal(before[attention == 0], after[attention == 0])
    assert (before[attention > 0] != after[attention > 0]).mean() > .95
    assert json.loads(translated[3].read_text())['synthetic'] is True


def test_simpleitk_sees_the_same_grid(files):
    sitk = pytest.importorskip('SimpleITK')
    source, *translated = (sitk.ReadImage(str(p)) for p in (files[0], *files[1][:3]))
    for image in translated:
        for get in ('GetSize', 'GetOrigin', 'GetSpacing', 'GetDirection'):
            expected = getattr(source, get)()
            np.testing.assert_allclose(getattr(image, get)(), expected, rtol=1e-6, atol=1e-6)
        assert image.GetMetaData('descrip').startswith('SYNTHETIC')
    a, b, where = (sitk.GetArrayFromImage(i) for i in (source, *translated[:2]))
    np.testing.assert_array_equal(a[where == 0], b[where == 0])
