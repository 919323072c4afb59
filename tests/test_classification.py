"The classifier: fair to every arm, blind to the test split, resumable, and its figures are those of scikit-learn."
import json
import numpy as np, pandas as pd, pytest, torch
from saggan.classification import (Classifier, ClassifierSettings, build_classifier, classifier_settings,
                                   classify_trial, fit_classifier, metrics, read_predictions, write_predictions)
from saggan.base.core import DataError, SettingsError, write_text
from saggan.methods.method import Method
from saggan.io.dataset import SliceSet
from sklearn import metrics as sk

torch.set_num_threads(1)


def toy(patients, each=8, start=0, size=32, seed=0):
    rng = np.random.default_rng([seed, start])
    n = patients*each
    yy, xx = np.mgrid[-1:1:size*1j, -1:1:size*1j]
    images = rng.normal(0, .15, (n, 1, size, size))
    masks = np.zeros((n, 1, size, size))
    for i in range(1, n, 2):
        cy, cx = rng.uniform(-.4, .4, 2)
        masks[i, 0] = (xx - cx)**2 + (yy - cy)**2 < .06
    columns = dict(patient=[f'p{start + i//each}' for i in range(n)], slice=np.arange(n) % each)
    return SliceSet.from_arrays(np.clip(images + masks, -1, 1), masks, columns)


@pytest.fixture(scope='module')
def sets():
    return toy(2), toy(2, start=50), toy(2, start=90)


def settings(**kw):
    return ClassifierSettings(**dict(steps=6, batch_size=8, evaluate_every=2, precision='32-true', device='cpu') | kw)


def noisy(x): return x + .05*torch.randn_like(x)


@pytest.mark.parametrize('name, counts', [('resnet18', (11_170_753, 11_180_161)),
                                          ('densenet121', (6_948_609, 6_958_017)),
                                          ('vgg11_bn', (128_774_785, 128_776_513))])
def test_parameter_counts(name, counts):
    with torch.device('meta'): nets = [build_classifier(name, c) for c in (1, 4)]
    assert tuple(sum(p.numel() for p in net.parameters()) for net in nets) == counts
    assert nets[1](torch.empty(2, 4, 64, 64, device='meta')).shape == (2, 1)


def test_learns_a_few_slices_by_heart(sets):
    few = sets[0].take(range(8))
    model = fit_classifier([few], sets[1], settings(steps=30, evaluate_every=30, lr=1e-3))
    assert model.history[-1]['train_loss'] < .5
    assert sk.roc_auc_score(few.table.label, model.scores(few)) == 1


def test_resume_is_the_same(sets, tmp_path):
    train, val, _ = sets
    calls = []
    def killed(x):
        calls.append(len(x))
        if len(calls) == 4: raise KeyboardInterrupt
        return noisy(x)
    whole = fit_classifier([train], val, settings(), noisy)
    with pytest.raises(KeyboardInterrupt): fit_classifier([train], val, settings(), killed, tmp_path, save_seconds=0)
    resumed = fit_classifier([train], val, settings(), noisy, tmp_path)
    assert resumed.history == whole.history and [h['step'] for h in whole.history] == [2, 4, 6]
    again = resumed.net.state_dict()
    for k, weights in whole.net.state_dict().items(): assert torch.equal(weights, again[k]), k
    with pytest.raises(SettingsError, match='other settings'):
        fit_classifier([train], val, settings(lr=2e-3), noisy, tmp_path)
    (tmp_path/'latest.pt').write_bytes(b'broken')
    with pytest.raises(DataError, match='Delete it'): fit_classifier([train], val, settings(), noisy, tmp_path)


def test_equal_steps_in_arms(sets):
    train, val, _ = sets
    steps = []
    for arm in ([train], [train, toy(2, each=24, seed=7)]):
        seen = []
        def count(x, seen=seen):
            seen.append(len(x))
            return x
        model = fit_classifier(arm, val, settings(steps=0, epochs=2, evaluate_every=0), count)
        steps.append((seen, [(h['step'], h['lr']) for h in model.history]))
    assert steps[0][1] == steps[1][1] and steps[0][0] == [8]*4
    assert steps[1][0] == [10]*4, 'as many real slices as without, and a quarter on top'


def test_leakage_is_refused(sets):
    train, val, _ = sets
    with pytest.raises(DataError, match='p50'): fit_classifier([train, toy(1, start=50, seed=3)], val, settings())
    with pytest.raises(DataError, match='leakage'): fit_classifier([val], val, settings())


def test_global_random_state_is_left_alone(sets):
    state = torch.get_rng_state()
    fit_classifier([sets[0]], sets[1], settings(steps=1), noisy)
    assert torch.equal(state, torch.get_rng_state())


def frames(seed=0):
    rng = np.random.default_rng(seed)
    def one(n, who):
        y = rng.integers(0, 2, n)
        patients = [f'{who}{i//10}' for i in range(n)]
        scores = (.4*y + .6*rng.random(n)).astype('f4')
        return pd.DataFrame(dict(patient=patients, slice=range(n), position=.5, label=y, score=scores))
    return dict(val=one(80, 'v'), test=one(200, 't'))


def test_metrics_against_scikit_learn(tmp_path):
    f = frames()
    write_predictions(tmp_path/'predictions.csv', f)
    m, t = metrics(tmp_path/'predictions.csv'), f['test']
    cuts = np.unique(np.r_[f['val'].score, 0, 2])
    assert np.isclose(sk.balanced_accuracy_score(f['val'].label, f['val'].score >= m['threshold']),
                      max(sk.balanced_accuracy_score(f['val'].label, f['val'].score >= c) for c in cuts))
    called = t.score >= m['threshold']
    expected = dict(acc=sk.accuracy_score(t.label, called),
                    auc=sk.roc_auc_score(t.label, t.score),
                    f1=sk.f1_score(t.label, called),
                    tpr=sk.recall_score(t.label, called),
                    tnr=sk.recall_score(t.label, called, pos_label=0),
                    prevalence=t.label.mean())
    for k, v in expected.items(): assert np.isclose(m[k], v), k


def test_threshold_does_not_see_the_test_split():
    f = frames()
    table = pd.concat([x.assign(split=k) for k, x in f.items()])
    turned_test = f['test'].assign(split='test', label=1 - f['test'].label, score=1 - f['test'].score)
    turned = pd.concat([f['val'].assign(split='val'), turned_test])
    assert metrics(table)['threshold'] == metrics(turned)['threshold']


def test_broken_predictions_are_named(tmp_path):
    label_2 = 'patient,slice,position,split,label,score\np,0,.5,test,2,.5\n'
    for text, words in (('a,b\n1,2\n', 'no column'), (label_2, 'labels must be 0 or 1')):
        (tmp_path/'p.csv').write_text(text)
        with pytest.raises(DataError, match=words): read_predictions(tmp_path/'p.csv')
    with pytest.raises(DataError, match='cannot be read'): read_predictions(tmp_path/'none.csv')


def test_trial(tmp_path):
    data = toy(8).save(tmp_path/'data')
    trial = tmp_path/'trials'/'classic-s3'
    classify = dict(preset='smoke', steps=2, evaluate_every=1)
    write_text(tmp_path/'config.yaml', json.dumps(dict(classify=classify, precision='32-true', device='cpu')))
    class Noisy(Method):
        def transform(self): return noisy
    m = classify_trial(trial, method=Noisy())
    table = read_predictions(trial/'classifier/resnet18/predictions.csv')
    test = data.split(seed=3).of('test')
    assert table[table.split == 'test'].slice.tolist() == test.table.slice.tolist() and m['train_synthetic'] == 0
    model = Classifier.load(trial/'classifier/resnet18/weights.safetensors', 'cpu')
    np.testing.assert_allclose(model.scores(test), table[table.split == 'test'].score, atol=1e-6)
    assert json.loads((trial/'classifier/resnet18/metrics.json').read_text())['auc'] == metrics(table)['auc']


def test_unknown_names():
    with pytest.raises(SettingsError, match='resnet18'): build_classifier('resnet')
    with pytest.raises(SettingsError, match='batch_size'): classifier_settings(batchsize=4)
