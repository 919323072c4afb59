"Whole studies that are judged elsewhere: on another set, and on a site that was left out."
import numpy as np
import pytest

from saggan.base.core import read_json
from saggan.cli.main import main
from saggan.data import prepare
from saggan.io.run_folder import predictions_file, trial_folders
from saggan.evaluation.metrics import read_predictions

SMALL = ['--preset', 'smoke', '--track', 'brats', '--image-size', '32', '--methods', 'none,classic',
         '--classifiers', 'resnet18', '--modalities', 'flair', '--set', 'extras=[]', '--workers', '2']


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    "Two prepared sets of phantoms without a patient in common; the first has three sites."
    folder = tmp_path_factory.mktemp('sets')
    whole = prepare(18, 'phantom', folder/'whole', 32, ('flair',), seed=3)
    names = whole.patients
    rank = whole.table.patient.map({name: k for k, name in enumerate(names)})
    whole.table['site'] = 'site' + (rank % 3).astype(str)
    parts = dict(here=rank < 12, there=rank >= 12)
    return {name: whole.take(np.flatnonzero(rows)).save(folder/name) for name, rows in parts.items()}


def test_a_study_is_judged_on_a_set_that_no_training_saw(sets, tmp_path):
    out = tmp_path/'run'
    assert main(['study', *SMALL, '--data', str(sets['here'].folder), '--external', str(sets['there'].folder),
                 '--out', str(out), '--seeds', '0']) == 0
    for trial in trial_folders(out):
        table = read_predictions(predictions_file(trial, 'resnet18'))
        external = table[table.split == 'external']
        assert set(external.patient) == set(sets['there'].patients) and len(external) == len(sets['there'])
        assert not set(external.patient) & set(table[table.split != 'external'].patient)
    rows = read_json(out/'metrics.json')['external']
    assert {(row['method'], row['measure']) for row in rows} >= {('none', 'auc'), ('classic', 'auc')}
    assert str(sets['there'].folder.name) in (out/'report.html').read_text()


def test_a_set_that_shares_patients_is_refused_before_anything_is_trained(sets, tmp_path, capsys):
    out = tmp_path/'run'
    assert main(['study', *SMALL, '--data', str(sets['here'].folder), '--external', str(sets['here'].folder),
                 '--out', str(out)]) != 0
    assert 'shares patients' in capsys.readouterr().err and not (out/'trials').exists()


def test_each_site_is_tested_once_by_networks_that_never_saw_it(sets, tmp_path):
    out = tmp_path/'run'
    assert main(['study', *SMALL, '--data', str(sets['here'].folder), '--leave-out', 'site', '--out', str(out),
                 '--seeds', '0']) == 0
    site = dict(zip(sets['here'].table.patient, sets['here'].table.site))
    tested = {}
    for trial in trial_folders(out):
        table = read_predictions(predictions_file(trial, 'resnet18'))
        here = {site[p] for p in table[table.split == 'test'].patient}
        assert len(here) == 1 and here.isdisjoint(site[p] for p in table[table.split == 'val'].patient)
        tested.setdefault(trial.name.split('-')[0], []).extend(here)
    assert {method: sorted(sites) for method, sites in tested.items()} == dict.fromkeys(
        ('none', 'classic'), ['site0', 'site1', 'site2'])
