"The phantom as a user meets it: files on disk, the same bytes for a seed, read by the ordinary reader."
import nibabel as nib, numpy as np, pytest
from saggan.io.preprocessing import load_case
from saggan.base.core import SettingsError, read_json
from saggan.data import prepare
from saggan.io.layouts import find_brats
from saggan.io.phantom import MODALITIES, make_case, phantom_cases, phantom_shape, write_phantom

SHAPE = (48, 48, 31)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp('phantom')/'a', 6, SHAPE, seed=3, lesion_free=.17)


def volumes(folder, name):
    return {k: np.asarray(nib.load(folder/name/f'{name}_{k}.nii.gz').dataobj) for k in (*MODALITIES, 'seg')}


def test_same_seed_same_bytes(folder, tmp_path):
    again = write_phantom(tmp_path/'b', 6, SHAPE, seed=3, lesion_free=.17)
    files = sorted(p.relative_to(folder) for p in folder.rglob('*') if p.is_file())
    assert len(files) == 6*5 + 1
    assert all((folder/f).read_bytes() == (again/f).read_bytes() for f in files)


def test_other_seed_other_patients(folder):
    a, b, c = (make_case(i, SHAPE, seed=seed)[0]['flair'] for i, seed in ((0, 3), (0, 4), (1, 3)))
    assert (a != b).mean() > .1 and (a != c).mean() > .1
    healthy = read_json(folder/'phantom.json')['patients']['BraTS20_PH1_003_1']['lesions'] == 0
    flair = make_case(2, SHAPE, seed=3, healthy=healthy)[0]['flair']
    assert (flair == volumes(folder, 'BraTS20_PH1_003_1')['flair']).all()


def test_labels_and_files(folder):
    seen = set()
    for name, drawn in read_json(folder/'phantom.json')['patients'].items():
        v = volumes(folder, name)
        labels = set(np.unique(v['seg']).tolist())
        assert labels <= {0, 1, 2, 4} and (labels == {0}) == (drawn['lesions'] == 0)
        brain = v['t1'] > 0
        assert .1 < brain.mean() < .5 and all(x.dtype == np.int16 and x.shape == SHAPE for x in v.values())
        assert not (v['seg'] > 0)[~brain].any() and all(((v[m] > 0) == brain).all() for m in MODALITIES)
        assert not any(brain.take([0, -1], axis).any() for axis in range(3)), 'the head touches the border'
        seen |= labels
    assert seen == {0, 1, 2, 4}


def test_contrast_differs_by_modality():
    rows = []
    for i in range(8):
        images, seg, _ = make_case(i, (64, 64, 41), contrast=(1.2, 1.2))
        oedema, rest = seg == 2, (seg == 0) & (images['t1'] > 0)
        rows.append([images[m][oedema].mean()/np.median(images[m][rest]) for m in MODALITIES])
    t1, t1ce, t2, flair = np.median(rows, 0)
    assert flair > 1.2 and t2 > 1.2 and t1 < 1 and t1ce < 1


def test_read_by_the_ordinary_reader(folder):
    for case in find_brats(folder, ('t1ce', 'flair')):
        images, mask, geometry, notes = load_case(case)
        v = volumes(folder, case.name)
        assert case.problem == '' and notes == [] and images.shape == (2, 31, 48, 48)
        assert mask.sum() == (v['seg'] > 0).sum() and images[1].max() == v['flair'].max()


def test_prepared_and_cached(tmp_path):
    cases = phantom_cases('4', cache=tmp_path/'cache', shape=phantom_shape(32), modalities=('flair',))
    stamps = [p.stat().st_mtime_ns for p in sorted((tmp_path/'cache').rglob('*.nii.gz'))]
    s = prepare(tmp_path/'cache', 'phantom', tmp_path/'set', 32, ('flair',))
    assert len(cases) == 4 and len(s.patients) == 4 and 0 < s.table.label.mean() < 1
    assert stamps == [p.stat().st_mtime_ns for p in sorted((tmp_path/'cache').rglob('*.nii.gz'))]


def test_folders_are_not_mixed(folder):
    before = (folder/'phantom.json').read_bytes()
    with pytest.raises(SettingsError, match='another phantom'): write_phantom(folder, 6, SHAPE, seed=4)
    assert (folder/'phantom.json').read_bytes() == before
