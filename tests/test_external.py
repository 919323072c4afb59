"Patients from elsewhere and sites left out, end to end: the real notebooks on a phantom, through the command line."
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from saggan.base.core import read_json
from saggan.cli.main import main
from saggan.data import prepare
from saggan.classification import classify_trial
from saggan.experiment.batch import open_study, run_study
from saggan.experiment.plan import make_plan
from saggan.experiment.settings import load_settings, study_settings

CLASSIFY = dict(steps=4, lr=1e-3, evaluate_every=2)
SMALL = ['--preset', 'smoke', '--methods', 'none', '--extras', '', '--workers', '1',
         *(word for name, value in CLASSIFY.items() for word in ('--set', f'classify.{name}={value}'))]


@pytest.fixture(scope='module')
def elsewhere(tmp_path_factory):
    "Prepared phantoms of a hospital that the study does not know."
    folder = tmp_path_factory.mktemp('elsewhere')
    data = prepare(4, 'phantom', folder/'made', image_size=32, modalities=('flair',), seed=9)
    data.table['patient'] = 'elsewhere ' + data.table.patient
    data.save(folder/'set')
    return folder/'set'


def test_a_begun_study_is_judged_elsewhere_without_training_again(tmp_path, elsewhere, capsys):
    out = tmp_path/'study'
    trial = out/'trials'/'none-s0'/'classifier'/'resnet18'
    def files(): return [(p.name, p.stat().st_mtime_ns) for p in sorted(trial.glob('l*'))]
    def splits(): return set(pd.read_csv(trial/'predictions.csv').split)
    small = study_settings(preset='smoke', methods=('none',), extras=(), workers=1, classify=CLASSIFY)
    run_study(small, out, say=str, upto='classification')
    trained, weights = files(), load_file(trial/'weights.safetensors')
    assert splits() == {'val', 'test'} and [name for name, _ in trained] == ['latest.pt', 'log.jsonl']
    before = pd.read_csv(trial/'predictions.csv')
    done = trial.parents[1]/'notebooks'/'classification-resnet18.done.json'
    seconds = read_json(done)['seconds']
    assert main(['study', '--external', str(elsewhere), '--out', str(out)]) == 0
    assert files() == trained, 'not a step was made'
    again = load_file(trial/'weights.safetensors')
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    after = pd.read_csv(trial/'predictions.csv')
    pd.testing.assert_frame_equal(after[after.split != 'external'], before)
    assert (after.split == 'external').any() and load_settings(out).external == str(elsewhere)
    assert read_json(done)['seconds'] > seconds, 'what the training took is not forgotten'
    saved = read_json(out/'metrics.json')
    row = saved['external'][0]
    assert saved['traps']['box'][0]['fits'] == 1
    assert (row['method'], row['measure'], row['patients']) == ('none', 'auc', 4)
    assert 'Does it hold elsewhere?' in (out/'report.html').read_text()
    capsys.readouterr()
    assert main(['study', '--external', str(elsewhere), '--out', str(out)]) == 0
    assert 'nothing left to run' in capsys.readouterr().out
    plan = make_plan(study_settings(**vars(load_settings(out)) | dict(external='none')), out)
    assert [task.name for chain in plan.chains for task in chain if not task.finished()] == ['classification-resnet18']
    open_study(plan)
    classify_trial(out/'trials'/'none-s0')
    assert files() == trained and splits() == {'val', 'test'} and load_settings(out).external == ''


def test_the_studys_own_patients_are_not_elsewhere(tmp_path, capsys):
    out = tmp_path/'study'
    own = prepare(10, 'phantom', tmp_path/'own', image_size=32, modalities=('flair',))
    asked = ['study', *SMALL, '--data', str(tmp_path/'own'), '--external', str(own.folder), '--out', str(out)]
    assert main(asked) == 2 and 'shares patients or slices' in capsys.readouterr().err and not out.exists()


def test_each_site_is_tested_by_networks_of_the_other(tmp_path, capsys):
    out = tmp_path/'study'
    asked = ['study', *SMALL, '--leave-out', 'site', '--out', str(out)]
    assert main(asked) == 2 and '--data FOLDER' in capsys.readouterr().err and not out.exists()
    data = prepare(10, 'phantom', out/'data', image_size=32, modalities=('flair',))
    assert main(asked) == 0 and load_settings(out).folds == 2 and load_settings(out).data == ''
    site = data.table.groupby('patient').site.first()
    for fold, name in enumerate(('PH1', 'PH2')):
        found = pd.read_csv(out/'trials'/f'none-s0-f{fold}'/'classifier'/'resnet18'/'predictions.csv')
        tested, chosen_on = (set(found.patient[found.split == split]) for split in ('test', 'val'))
        assert tested == set(site.index[site == name]) and chosen_on and not tested & chosen_on
        assert set(site[list(chosen_on)]) == {('PH2', 'PH1')[fold]}
    assert 'Site by site' in (out/'report.html').read_text()
