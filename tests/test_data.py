"Readers, layouts and preparation: what must be refused, what must be equal, what must not leak."
import gzip
import os
import re
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from saggan.base.core import DataError, SettingsError, sha256
from saggan.data import SPLITS, SliceSet, assert_disjoint, export_nifti, prepare, restore, restore_mask
from saggan.io.image_files import read_mask, read_picture
from saggan.io.layouts import find_brats, find_image_mask
from saggan.io.preprocessing import from_stack, load_case
from saggan.io.readers import read_labels, read_nifti, write_nifti

SHAPE = (20, 16, 8)
LPS = np.diag([-1., -1, 2, 1])


def volumes(seed, shape=SHAPE, labels=(1, 2, 4)):
    "Modality -> int16 voxels, and 'seg', of an invented patient."
    rng = np.random.default_rng(seed)
    seg = np.zeros(shape, np.int16)
    for k, label in enumerate(labels): seg[6 + 2*k:9 + 2*k, 5:10, 3:6] = label
    inside = np.zeros(shape)
    inside[2:-2, 2:-2] = 1
    out = {m: (inside*(300 + 60*k + rng.normal(0, 30, shape) + 300*(seg > 0))).astype('i2') for k,
           m in enumerate(('t1', 't1ce', 't2', 'flair'))}
    return out | dict(seg=seg)


def write_case(folder, name, seed, names=None, ext='.nii.gz', **kw):
    for m, v in volumes(seed, **kw).items():
        write_nifti(Path(folder)/name/f'{name}{(names or {}).get(m, "_" + m)}{ext}', v, affine=LPS)


@pytest.fixture
def brats(tmp_path):
    "Four patients, in a folder with a space and letters beyond ASCII."
    folder = tmp_path/'Köpfe und 脑'
    for i in range(4): write_case(folder, f'P{i}', i)
    return folder


def make(source, out, **options):
    return prepare(source, 'brats', out, **dict(image_size=16, min_lesion_px=2, axial=None) | options)


# Bad inputs: each is named with its file and a remedy, before anything is written

def patch(offset, fmt, *values, name='P1_t1ce.nii.gz'):
    "A fault: these values in the header of a file."
    def fault(folder):
        p = folder/'P1'/name
        b = bytearray(gzip.decompress(p.read_bytes()))
        b[offset:offset + struct.calcsize(fmt)] = struct.pack(fmt, *values)
        p.write_bytes(gzip.compress(bytes(b)))
    return fault


def content(change, name='P1_t1ce.nii.gz'):
    "A fault: other bytes in a file."
    def fault(folder): (folder/'P1'/name).write_bytes(change((folder/'P1'/name).read_bytes()))
    return fault


def voxels(change, name='P1_t1ce.nii.gz', affine=LPS):
    "A fault: other voxels, or another affine."
    def fault(folder):
        p = folder/'P1'/name
        v = change(np.asarray(nib.load(p).dataobj))
        p.unlink()
        nib.save(nib.Nifti1Image(v, affine), p)
    return fault


def hole(value):
    def f(v):
        v = v.astype('f4')
        v[3, 4, 5] = value
        return v
    return f


def flip(raw):
    b = bytearray(raw)
    b[len(b)//2] ^= 8
    return bytes(b)


def rename(new, old='P1_seg.nii.gz'):
    def fault(folder): (folder/'P1'/old).rename(folder/'P1'/new)
    return fault


def twin(folder):
    "The scan of P2 again as Q9, compressed otherwise."
    for p in (folder/'P2').iterdir():
        (folder/'Q9').mkdir(exist_ok=True)
        (folder/'Q9'/p.name.replace('P2', 'Q9')).write_bytes(gzip.compress(gzip.decompress(p.read_bytes()), 1))


RGB = np.dtype([('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
SEG, HALF = 'P1_seg.nii.gz', LPS*[[1, 1, .5, 1]]
FAULTS = {
    '1 truncated': (content(lambda b: b[:-200]), 'damaged'),
    '1 truncated trailer': (content(lambda b: b[:-4]), 'damaged'),
    '2 truncated plain': (lambda f: (content(lambda b: gzip.decompress(b)[:-900])(f),
                                     rename('P1_t1ce.nii', 'P1_t1ce.nii.gz')(f)), 'decoded'),
    '3 bit flip': (content(flip), 'damaged|Copy or download'),
    '4 empty': (content(lambda b: b''), 'empty'),
    '5 not compressed': (content(gzip.decompress), 'Rename it to P1_t1ce.nii'),
    '6 web page': (content(lambda b: gzip.compress(b'<!DOCTYPE html>' + bytes(900))), 'web page'),
    '6 picture': (content(lambda b: gzip.compress(b'\x89PNG\r\n' + bytes(900))), 'PNG picture'),
    '7 huge dims': (patch(40, '<4h', 3, 32767, 32767, 32767), 'cap is'),
    '8 bomb': (content(lambda b: gzip.compress(gzip.decompress(b) + bytes(40 << 20))),
               'more data than its header promises'),
    '9 zero dim': (patch(42, '<h', 0), 'zero or negative'),
    '10 negative dim': (patch(44, '<h', -5), 'zero or negative'),
    '11 unknown type': (patch(70, '<h', 777), 'decoded'),
    '12 vox_offset': (patch(108, '<f', 1e12), 'at byte'),
    '14 NaN pixdim': (patch(80, '<f', float('nan')), 'voxel size'),
    '15 NaN affine': (patch(284, '<f', float('nan')), 'affine'),
    '16 zero sform': (lambda f: (patch(280, '<12f', *[0]*12)(f), patch(252, '<2h', 0, 1)(f)), 'affine'),
    '19 NaN': (voxels(hole(np.nan)), '1 voxels are NaN'),
    '20 Inf': (voxels(hole(np.inf)), 'infinite'),
    '23 four dims': (voxels(lambda v: np.stack([v, v], -1)), 'channel='),
    '27 RGB': (voxels(lambda v: np.zeros(v.shape, RGB)), 'RGB'),
    '28 complex': (voxels(lambda v: v.astype('c8')), 'complex'),
    '31 shape': (voxels(lambda v: v[:-1], SEG), 'shape'),
    '32 affine': (voxels(lambda v: v, SEG, HALF), 'affine differs'),
    '34 label fractions': (voxels(lambda v: v*.9, SEG), 'whole numbers'),
    '34 labels 255': (voxels(lambda v: (v > 0)*np.int16(255), SEG), 'labels [255]'),
    '37 missing modality': (rename('other.nii.gz', 'P1_t1ce.nii.gz'), 'P1 lacks its modality t1ce'),
    '38 misnamed': (rename('W39_1998.09.19_Segm.nii.gz'), "Did you mean 'W39_1998.09.19_Segm.nii.gz'? Rename it"),
    '39 twice': (twin, 'Q9: is the same scan as P2'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_bad_case_is_named_and_nothing_is_written(name, brats, tmp_path):
    fault, words = FAULTS[name]
    fault(brats)
    with pytest.raises(DataError) as e: make(brats, tmp_path/'out')
    text = str(e.value)
    assert any(w in text for w in words.split('|')), text
    assert ('Q9' if 'twice' in name else 'P1') in text and 'cases cannot be used; nothing was written' in text
    assert sorted(p.name for p in tmp_path.iterdir()) == [brats.name], 'neither a set nor a part of one'
    left = make(brats, tmp_path/'out', skip_bad=True)
    assert left.patients == (['P0', 'P1', 'P2', 'P3'] if 'twice' in name else ['P0', 'P2', 'P3'])
    assert any(w in left.settings['cases_left_out'][0] for w in words.split('|'))


def test_all_bad_cases_are_listed_at_once(brats, tmp_path):
    for n in ('P0', 'P2'): (brats/n/f'{n}_t1ce.nii.gz').write_bytes(b'')
    with pytest.raises(DataError, match='2 of 4 cases') as e: make(brats, tmp_path/'out')
    assert 'P0_t1ce' in str(e.value) and 'P2_t1ce' in str(e.value) and '--skip-bad' in str(e.value)


def test_every_bit_flip_is_found(tmp_path):
    p = write_nifti(tmp_path/'a.nii.gz', volumes(0)['t1'])
    raw = p.read_bytes()
    for bit in np.random.default_rng(0).integers(8*10, 8*len(raw), 120):
        b = bytearray(raw)
        b[bit//8] ^= 1 << bit % 8
        p.write_bytes(b)
        with pytest.raises(DataError): read_nifti(p)


def test_odd_but_harmless_files_are_read(tmp_path):
    v = volumes(0)['t1']
    nib.save(nib.Nifti1Image(v, LPS, nib.Nifti1Header(endianness='>')), tmp_path/'big.nii.gz')
    nib.save(nib.Nifti1Image(v[..., None], LPS), tmp_path/'four.nii.gz')
    nib.save(nib.Nifti2Image(v, LPS), tmp_path/'two.nii.gz')
    nib.save(nib.Nifti1Image(v, LPS), tmp_path/'plain.nii')
    for p in sorted(tmp_path.iterdir()):
        got = read_nifti(p)
        np.testing.assert_array_equal(got.data, v[::-1, ::-1], err_msg=p.name)
        assert got.data.dtype == np.dtype('=f4') and got.data.flags.c_contiguous
    assert read_nifti(write_nifti(tmp_path/'flat.nii.gz', v[:, :, 0])).data.shape == (20, 16, 1)
    seg = write_nifti(tmp_path/'seg.nii.gz', volumes(0)['seg'] + np.float32(.0005))
    assert set(np.unique(read_labels(seg).data)) == {0, 1, 2, 4}


def test_orientation_does_not_matter(tmp_path):
    "The same brain in eight orientations gives the same slices, and each file's own voxels come back."
    v = volumes(1)['t2']
    image = nib.Nifti1Image(v, LPS)
    reference = read_nifti(write_nifti(tmp_path/'ref.nii.gz', v, affine=LPS))
    for codes in ('RAS', 'LPS', 'LAS', 'PIR', 'SRA', 'ASL', 'IPL', 'RSP'):
        o = nib.orientations
        turned = image.as_reoriented(o.ornt_transform(o.io_orientation(LPS), o.axcodes2ornt(codes)))
        nib.save(turned, tmp_path/'x.nii.gz')
        got = read_nifti(tmp_path/'x.nii.gz')
        np.testing.assert_array_equal(got.data, reference.data, err_msg=codes)
        np.testing.assert_array_equal(got.to_source(got.data), np.asarray(turned.dataobj), err_msg=codes)


@pytest.mark.parametrize('ext', ['png', 'tif', 'jpg'])
def test_pictures_and_masks(ext, tmp_path):
    m = np.zeros((24, 30), np.uint8)
    m[6:14, 8:22] = 255
    Image.fromarray(m).save(tmp_path/f'm.{ext}')
    np.testing.assert_array_equal(read_mask(tmp_path/f'm.{ext}'), m > 0)
    raw = (tmp_path/f'm.{ext}').read_bytes()
    for bad in (b'', raw[:len(raw)//3], b'<html></html>' + bytes(50)):
        (tmp_path/f'bad.{ext}').write_bytes(bad)
        with pytest.raises(DataError, match=f'bad.{ext}'): read_picture(tmp_path/f'bad.{ext}')


# Namings

LATER = dict(t1='-t1n', t1ce='-t1c', t2='-t2w', flair='-t2f', seg='-seg')
CASED = dict(t1='_T1', t1ce='_T1CE', t2='_t2W', flair='_Flair', seg='_seg')


@pytest.mark.parametrize('folder,name,names,ext,labels,patient,site', [
    ('HGG', 'BraTS19_CBICA_AAB_1', None, '.nii.gz', (1, 2, 4), 'BraTS19_CBICA_AAB_1', 'HGG/CBICA'),
    ('a/b/LGG', 'BraTS19_TCIA10_103_1', None, '.nii.gz', (2, 4), 'BraTS19_TCIA10_103_1', 'LGG/TCIA10'),
    ('', 'BraTS20_Training_001', None, '.nii', (1, 2, 4), 'BraTS20_Training_001', ''),
    ('', 'BraTS2021_00002', CASED, '.nii.gz', (1, 2, 4), 'BraTS2021_00002', ''),
    ('', 'BraTS-GLI-00000-000', LATER, '.nii.gz', (1, 2, 3), 'BraTS-GLI-00000', ''),
    ('', 'BraTS-GLI-00009-101', LATER, '.nii.gz', (1, 2, 3, 4), 'BraTS-GLI-00009', ''),
])
def test_every_years_naming(folder, name, names, ext, labels, patient, site, tmp_path):
    write_case(tmp_path/folder, name, 5, names, ext, labels=labels)
    (tmp_path/folder/name/f'._{name}_t1.nii.gz').write_bytes(b'junk of another system')
    case, = find_brats(tmp_path, ('t1', 't1ce', 't2', 'flair'))
    assert (case.problem, case.patient, case.site) == ('', patient, site)
    images, masks, *_ = load_case(case)
    for image, m in zip(images, ('t1', 't1ce', 't2', 'flair')):
        np.testing.assert_array_equal(image, volumes(5, labels=labels)[m].transpose(2, 1, 0))
    np.testing.assert_array_equal(masks, volumes(5, labels=labels)['seg'].transpose(2, 1, 0) > 0)
    np.testing.assert_array_equal(from_stack(masks)[::-1, ::-1], volumes(5, labels=labels)['seg'] > 0)


def picture_set(folder, names, size=(28, 40), colour=False, ext='tif', masks=None):
    for i, n in enumerate(names):
        rng = np.random.default_rng(i)
        (folder/n).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(40, 220, (*size, 3) if colour else size).astype('u1')).save(folder/f'{n}.{ext}')
        m = np.zeros(size, 'u1')
        if i % 2: m[8:20, 10:24] = 255
        to = folder/masks(n) if masks else folder/f'{n}_mask'
        to.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(m).save(f'{to}.{ext}')


@pytest.mark.parametrize('names,people,masks', [
    ([f'TCGA_{s}_{p}_19/TCGA_{s}_{p}_19_{i}' for s, p in (('CS', 1), ('DU', 2), ('HT', 3)) for i in (1, 2, 10)],
     ['TCGA_CS_1_19', 'TCGA_DU_2_19', 'TCGA_HT_3_19'], None),
    ([f'train/{p}_{i}' for p in (1, 2, 13) for i in (1, 2, 10)], ['1', '13', '2'], None),
    ([f'{p}_{i}' for p in (1, 2, 13) for i in (1, 2, 10)], ['1', '13', '2'], None),
    ([f'train/images/{p}_{i}' for p in (1, 2, 13) for i in (1, 2, 10)], ['1', '13', '2'],
     lambda n: n.replace('images', 'masks')),
])
def test_image_mask_layouts(names, people, masks, tmp_path):
    picture_set(tmp_path/'in', names, masks=masks)
    s = prepare(tmp_path/'in', 'image-mask', tmp_path/'out', image_size=40, seed=1)
    assert s.patients == people and len(s) == 9 and s.table.label.tolist() == [int(m.any()) for m in s.masks]
    assert s.table[s.table.patient == people[0]].source.str.contains(r'_1\.tif|_2\.tif|_10\.tif').all()
    assert [int(re.search(r'_(\d+)\.tif', f)[1]) for f in s.table.source[:3]] == [1, 2, 10], 'numbers in their order'
    images = np.asarray(s.images)
    assert (images[:, :, :6] == -1).all() and (images[:, :, -6:] == -1).all(), 'padded to a square'


def test_one_channel_or_all_of_a_coloured_picture(tmp_path):
    picture_set(tmp_path/'in', [f'p{p}/p{p}_{i}' for p in range(3) for i in range(3)], (32, 32), colour=True, ext='png')
    one = prepare(tmp_path/'in', 'image-mask', tmp_path/'one', image_size=32)
    three = prepare(tmp_path/'in', 'image-mask', tmp_path/'three', image_size=32, modalities=('pre', 'flair', 'post'))
    assert one.images.shape[1:] == (1, 32, 32) and three.images.shape[1:] == (3, 32, 32)
    assert one.settings['modalities'] == ['flair']
    np.testing.assert_array_equal(one.images[:, 0], three.images[:, 1])
    with pytest.raises(DataError, match='no channel'):
        prepare(tmp_path/'in', 'image-mask', tmp_path/'four', image_size=32, modalities=('t9',))


def test_pictures_without_partner(tmp_path):
    picture_set(tmp_path/'in', ['1_1', '1_2', '2_1'])
    (tmp_path/'in/1_2_mask.tif').rename(tmp_path/'in/1_2_maks_mask.tif')
    with pytest.raises(DataError, match="1_2.tif: has no mask 1_2_mask.tif. Did you mean '1_2_maks_mask.tif'"):
        prepare(tmp_path/'in', 'image-mask', tmp_path/'out')
    (tmp_path/'in/1_2.tif').unlink()
    with pytest.raises(DataError, match='without its picture'): find_image_mask(tmp_path/'in')


def test_masks_of_one_image_are_united(tmp_path):
    (tmp_path/'in').mkdir()
    Image.fromarray(np.full((16, 16), 90, 'u1')).save(tmp_path/'in/a (1).png')
    for k, ext in enumerate(('_mask', '_mask_1', '_mask2')):
        Image.fromarray((np.arange(256).reshape(16, 16)//64 == k).astype('u1')).save(tmp_path/f'in/a (1){ext}.png')
    _, masks, *_ = load_case(find_image_mask(tmp_path/'in')[0])
    assert masks.sum() == 192


# The prepared set

def bytes_of(folder): return {p.name: sha256(p) for p in Path(folder).iterdir() if p.is_file()}


def test_same_bytes_whatever_the_workers(brats, tmp_path):
    one = make(brats, tmp_path/'one', modalities=('t1ce', 'flair'))
    make(brats, tmp_path/'two', modalities=('t1ce', 'flair'), workers=2)
    assert len(bytes_of(tmp_path/'one')) == 5 and bytes_of(tmp_path/'one') == bytes_of(tmp_path/'two')
    assert SliceSet.open(tmp_path/'two', verify=True).hash == one.hash
    assert str(tmp_path) not in (tmp_path/'one/settings.json').read_text(), 'nothing of this machine inside'


def test_again_costs_nothing_and_otherwise_is_refused(brats, tmp_path):
    make(brats, tmp_path/'out')
    stamp = (tmp_path/'out/images.npy').stat().st_mtime_ns
    make(brats, tmp_path/'out')
    assert (tmp_path/'out/images.npy').stat().st_mtime_ns == stamp
    with pytest.raises(SettingsError, match='min_lesion_px: 2 there, 3 now'):
        make(brats, tmp_path/'out', min_lesion_px=3)
    write_case(brats, 'P0', 77)
    with pytest.raises(SettingsError, match='source files have changed'): make(brats, tmp_path/'out')
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine/thesis.txt').write_text('years of work')
    with pytest.raises(SettingsError, match='not a prepared set'): make(brats, tmp_path/'mine')
    assert (tmp_path/'mine/thesis.txt').exists()


def test_an_abandoned_part_is_taken_over(brats, tmp_path):
    (tmp_path/'out.partial').mkdir()
    (tmp_path/'out.partial/process.json').write_text('999999999')
    (tmp_path/'out.partial/images.npy').write_bytes(b'half')
    assert len(make(brats, tmp_path/'out')) and not (tmp_path/'out.partial').exists()


@pytest.mark.skipif(os.name != 'posix', reason='folder permissions')
def test_the_source_is_only_read(brats, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in brats.rglob('*')}
    for p in [*brats.rglob('*'), brats]: p.chmod(0o555 if p.is_dir() else 0o444)
    try: assert len(make(brats, tmp_path/'out'))
    finally:
        for p in [brats, *brats.rglob('*')]: p.chmod(0o755 if p.is_dir() else 0o644)
    assert before == {p: p.stat().st_mtime_ns for p in brats.rglob('*')}


def test_range_labels_and_counts(brats, tmp_path):
    write_nifti(brats/'P3/P3_seg.nii.gz', np.zeros(SHAPE, 'i2'), affine=LPS)
    s = make(brats, tmp_path/'out', image_size=20, modalities=('t1', 't1ce', 't2', 'flair'))
    x, m, y = s.tensors()
    assert x.shape == (32, 4, 20, 20) and x.min() == -1 and x.max() == 1 and set(m.unique().tolist()) == {0, 1}
    assert (y == (m.sum((1, 2, 3)) > 0)).all() and y.sum() == 9
    outside = np.asarray(s.images)[0, 0, :2]
    assert (outside == -1).all() and any('1 patients have no lesion slice: P3' in n for n in s.settings['notes'])
    with pytest.raises(DataError, match='no slice is left'):
        make(brats, tmp_path/'none', image_size=20, min_lesion_px=1000, min_foreground=1.)


def test_black_and_constant_slices_are_left_out(tmp_path):
    for i in range(3):
        v = volumes(i)
        v['t1ce'][:, :, 0], v['t1ce'][:, :, 1] = 0, 500
        for m in ('t1ce', 'seg'): write_nifti(tmp_path/f'in/P{i}/P{i}_{m}.nii.gz', v[m], affine=LPS)
    s = make(tmp_path/'in', tmp_path/'out')
    assert s.settings['slices_left_out']['constant'] == 6 and s.table.slice.min() == 2


def test_intensities_geometry_and_masks_come_back(brats, tmp_path):
    s = make(brats, tmp_path/'out', image_size=20, modalities=('t1ce', 'flair'), percentiles=(0, 100))
    rows = s.table[s.table.patient == 'P2']
    record = s.volumes['P2']
    planes = np.stack([restore(s.images[i], record)[1] for i in rows.index])
    export_nifti(tmp_path/'x.nii.gz', planes, rows.slice, record)
    masks = np.stack([restore_mask(s.masks[i], record) for i in rows.index])
    export_nifti(tmp_path/'m.nii.gz', masks, rows.slice, record)
    got, mask = nib.load(tmp_path/'x.nii.gz'), nib.load(tmp_path/'m.nii.gz')
    np.testing.assert_allclose(got.affine, LPS)
    np.testing.assert_allclose(got.get_fdata(), volumes(2)['flair'], atol=.05)
    np.testing.assert_array_equal(mask.get_fdata() > 0, volumes(2)['seg'] > 0)


def test_smaller_slices_keep_lesion_and_background(brats, tmp_path):
    s = make(brats, tmp_path/'out', image_size=8)
    assert s.images.shape[1:] == (1, 8, 8) and s.table.label.sum() == 12
    assert (np.asarray(s.images) >= -1).all() and (np.asarray(s.images)[:, :, 0, 0] == -1).all()


def test_splits_never_share_a_patient_or_a_scan(tmp_path):
    rng = np.random.default_rng(0)
    n = 120
    x = rng.uniform(-1, 1, (n, 1, 8, 8)).astype('f4')
    table = dict(patient=[f'p{i % 20}' for i in range(n)], site=[f's{i % 2}' for i in range(n)])
    s = SliceSet.from_arrays(x, x > .9, table)
    seen = set()
    for seed in range(4):
        parts = s.split((.7, .1, .2), seed)
        assert [len(parts.of(k).patients) for k in SPLITS] == [14, 2, 4]
        assert parts.of('test').table.site.nunique() == 2
        seen.add(tuple(parts.of('test').patients))
    assert len(seen) > 1
    train, test = parts.of('train'), parts.of('test')
    assert_disjoint(train, test)
    with pytest.raises(DataError, match='leakage'): assert_disjoint(train, train.take([0]))
    stolen = SliceSet.from_arrays(np.asarray(train.images)[:1], np.asarray(train.masks)[:1],
                                  dict(patient=['renamed'], sha256=train.table.sha256[:1]))
    with pytest.raises(DataError, match='by its voxels'): assert_disjoint(train, stolen)
    with pytest.raises(DataError, match='2 patients cannot fill 3 splits'):
        s.of().take(np.flatnonzero(s.table.patient.isin(['p0', 'p1']))).split()
    with pytest.raises(SettingsError, match='add up to 1'): s.split((.5, .1, .1))


def test_wrong_settings_are_refused_before_work(brats, tmp_path):
    for kw, words in ((dict(image_size=30), 'multiple of 4'), (dict(modalities=('t1c3',)), 'Did you mean'),
                      (dict(patient='('), 'regular expression')):
        with pytest.raises(SettingsError, match=words): make(brats, tmp_path/'out', **kw)
    with pytest.raises(SettingsError, match="Did you mean 'image-mask'"): prepare(brats, 'images-mask', tmp_path/'out')
    for where in (tmp_path/'absent', tmp_path/'hollow'):
        if where.name == 'hollow': where.mkdir()
        with pytest.raises(DataError, match='no such folder|no NIfTI cases'): make(where, tmp_path/'out')


def test_a_limit_takes_whole_patients(brats, tmp_path):
    assert make(brats, tmp_path/'out', limit=3).patients == ['P0', 'P2', 'P3']


def test_two_time_points_are_one_patient(tmp_path):
    for i in range(4): write_case(tmp_path/'in', f'BraTS-GLI-0000{i//2}-00{i % 2}', i, LATER, labels=(1, 2, 3))
    s = make(tmp_path/'in', tmp_path/'out', fractions=(.5, 0, .5))
    assert s.patients == ['BraTS-GLI-00000', 'BraTS-GLI-00001'] and s.table.volume.nunique() == 4
    assert (s.table.groupby('patient').split.nunique() == 1).all()


def test_the_same_patient_may_lie_there_twice_if_told_so(brats, tmp_path):
    shutil.copytree(brats/'P2', brats/'X2')
    for p in (brats/'X2').iterdir(): p.rename(p.with_name(p.name.replace('P2', 'X2')))
    s = make(brats, tmp_path/'out', patient=r'[PX](\d)$')
    assert s.patients == ['0', '1', '2', '3'] and (s.table.groupby('patient').split.nunique() == 1).all()


@pytest.mark.skipif(os.name != 'posix', reason='file size limits')
@pytest.mark.parametrize('cap', [5_000, 150_000])  # too little for one case, and for the joined array only
def test_a_full_disk_leaves_nothing(brats, tmp_path, cap):
    import resource
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (cap, old[1]))
    try:
        with pytest.raises(OSError, match='File too large'): make(brats, tmp_path/'out', image_size=64)
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert not (tmp_path/'out').exists() and not (tmp_path/'out.partial').exists()


def test_gzip_in_several_members_and_with_padding(tmp_path):
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    whole = gzip.decompress(write_nifti(tmp_path/'x.nii.gz', voxels, affine=LPS).read_bytes())
    expected = read_nifti(tmp_path/'x.nii.gz').data
    (tmp_path/'x.nii.gz').write_bytes(gzip.compress(whole[:200]) + gzip.compress(whole[200:]) + b'\0'*99)
    np.testing.assert_array_equal(read_nifti(tmp_path/'x.nii.gz').data, expected)
    (tmp_path/'x.nii.gz').write_bytes(gzip.compress(whole) + b'tail')
    with pytest.raises(DataError, match='damaged'): read_nifti(tmp_path/'x.nii.gz')


def test_a_view_in_the_files_order_holds_the_same_voxels(tmp_path):
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for axes in ([0, 1, 2, 3], [2, 0, 1, 3], [1, 2, 0, 3]):
        p = write_nifti(tmp_path/'x.nii.gz', voxels, affine=LPS[:, axes])
        np.testing.assert_array_equal(read_nifti(p, contiguous=False).data, read_nifti(p).data)
        assert read_nifti(p).data.flags.c_contiguous


def test_gzip_in_blocks_as_bgzip_writes_it(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 900, (40, 40, 30)).astype(np.int16)
    whole = gzip.decompress(write_nifti(tmp_path/'x.nii.gz', voxels, affine=LPS).read_bytes())
    expected = read_nifti(tmp_path/'x.nii.gz').data
    for first in (100, 4096):  # a first block that ends within the header, too
        blocks = [whole[:first], *(whole[i:i + 4096] for i in range(first, len(whole), 4096)), b'']
        (tmp_path/'x.nii.gz').write_bytes(b''.join(map(gzip.compress, blocks)))
        np.testing.assert_array_equal(read_nifti(tmp_path/'x.nii.gz').data, expected)
        broken = bytearray((tmp_path/'x.nii.gz').read_bytes())
        broken[len(broken)//2] ^= 8
        (tmp_path/'x.nii.gz').write_bytes(broken)
        with pytest.raises(DataError, match='damaged'): read_nifti(tmp_path/'x.nii.gz')
