"The statistics of the table, against slow and plain versions of themselves."
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score
from toys import predictions

from saggan.classification import metrics, write_predictions
from saggan.report.cards import write_cards
from saggan.base.core import DataError, append_jsonl, read_json, write_json, write_png, write_yaml
from saggan.report.html import write_report
from saggan.io.run_folder import predictions_file, trial_dir
from saggan.experiment.settings import save_settings, study_settings
from saggan.evaluation.matching import overlap_weights
from saggan.evaluation.statistics import draws
from saggan.study import (MEASURES, ROWS, interval, load_predictions, make_table, over_seeds, published,
                          relative_improvement, replicate, two_sided, verdict, write_study)

NOISES = dict(none=2., classic=1.2, saggan=1.)
GRID = {('resnet18', m, s): predictions(s, noise) for m, noise in NOISES.items() for s in range(3)}


def write_trials(folder, grid=GRID):
    for (c, m, s), f in grid.items():
        splits = {k: g.drop(columns='split') for k, g in f.groupby('split')}
        write_predictions(predictions_file(trial_dir(folder, m, s), c), splits)
    return folder


def test_relative_improvement_is_the_papers_last_row():
    without = [.9337, .8334, .6837, .9612, .9306, .7940]  # Table I, w/o DA: accuracy on the three sets, then AUC
    ours = [.9503, .8759, .7650, .9697, .9530, .8297]
    paper = [25.04, 25.51, 25.70, 21.91, 32.28, 17.33]
    np.testing.assert_allclose(100*relative_improvement(ours, without), paper, atol=.02)
    assert isinstance(relative_improvement(.9, .8), float) and relative_improvement(.7, .8) == pytest.approx(-.5)


def test_table_one_has_the_papers_nine_rows():
    rows = ROWS['As in Table I of the paper']
    assert rows == ['none', 'oversample', 'undersample', 'pggan', 'msggan', 'cyclegan', 'uaggan', 'aggan', 'saggan']
    assert rows == list(published('brats').method)
    assert {'cyclegan_sn', 'uaggan_sn', 'attentiongan', 'saggan_paper', 'classic'} <= set(ROWS['Not in Table I'])


@pytest.mark.parametrize('ours, base', [(.9, 1.), (95., 93.), (.9, -.1), (float('nan'), .5)])
def test_relative_improvement_refuses(ours, base):
    with pytest.raises(DataError): relative_improvement(ours, base)


def brute_force(grid, replicates, seed):
    "The bootstrap with lists of slices and scikit-learn, one draw after the other: (method, measure) -> figures."
    rng = np.random.default_rng(seed)
    people = sorted({p for f in grid.values() for p in f.patient[f.split == 'test']})
    seeds = sorted({s for _, s in grid})
    patient_draws, seed_draws = draws(len(people), replicates, rng), draws(len(seeds), replicates, rng)
    out = {}
    for counts, seed_counts in zip(patient_draws, seed_draws):
        for method in dict.fromkeys(m for m, _ in grid):
            found = {k: [] for k in MEASURES}
            for s, times in zip(seeds, seed_counts):
                f = grid[method, s]
                part = f[f.split == 'test']
                part = part.assign(weight=overlap_weights(part))
                t = pd.concat([part[part.patient == p] for p, n in zip(people, counts) for _ in range(n)] or [part[:0]])
                if not len(t): continue
                y, called = t.label, t.score >= metrics(f)['threshold']
                got = dict(acc=accuracy_score(y, called))
                if y.nunique() > 1: got['auc'] = roc_auc_score(y, t.score)
                if t.weight[y == 0].any() and t.weight[y == 1].any():
                    got['matched'] = roc_auc_score(y, t.score, sample_weight=t.weight)
                if y.any(): got |= dict(tpr=recall_score(y, called), f1=f1_score(y, called))
                if not y.all(): got['tnr'] = recall_score(y, called, pos_label=0)
                for k, v in got.items(): found[k] += [v]*times
            for k, v in found.items(): out.setdefault((method, k), []).append(np.mean(v) if v else np.nan)
    return {k: np.array(v) for k, v in out.items()}


def test_bootstrap_is_the_brute_force_one():
    grid = {k[1:]: f for k, f in GRID.items() if k[1] != 'none'}
    slow = brute_force(grid, 60, 7)
    reps, seed_weights = replicate(grid, 60, 7)
    for (method, measure), figures in slow.items():
        fast = over_seeds({s: v[measure] for (m, s), v in reps.items() if m == method}, seed_weights)
        np.testing.assert_allclose(fast[1:], figures, atol=1e-12, err_msg=f'{method} {measure}')
        assert interval(fast[1:]) == pytest.approx(tuple(np.quantile(figures, [.025, .975])), abs=1e-12)


def test_the_figure_itself_is_the_mean_over_seeds():
    t = make_table(GRID, 50).set_index(['method', 'measure'])
    for m in ('none', 'classic', 'saggan'):
        each = [metrics(GRID['resnet18', m, s]) for s in range(3)]
        for k in MEASURES: assert t.loc[(m, k), 'mean'] == pytest.approx(np.mean([e[k] for e in each]), abs=1e-12)


def test_patients_are_drawn_not_slices():
    "Repeating every slice adds no patients, so the interval must stay as it is."
    once = {k: f for k, f in GRID.items() if k[2] == 0}
    often = {k: pd.concat([f]*5, ignore_index=True) for k, f in once.items()}
    a, b = (make_table(g, 300).set_index(['method', 'measure']) for g in (once, often))
    bounds = ['lo', 'hi', 'diff_lo', 'diff_hi']
    pd.testing.assert_frame_equal(a[bounds].astype(float), b[bounds].astype(float))


def test_the_same_patients_in_every_seed_do_not_count_as_more_patients():
    one = {('a', 'none', 0): GRID['resnet18', 'none', 0]}
    five = {('a', 'none', s): GRID['resnet18', 'none', 0] for s in range(5)}
    a, b = (make_table(g, 2000).set_index('measure') for g in (one, five))
    assert b.loc['acc', 'hi'] - b.loc['acc', 'lo'] == pytest.approx(a.loc['acc', 'hi'] - a.loc['acc', 'lo'], rel=.1)


def test_equal_methods_have_no_difference():
    same = {('a', m, s): GRID['resnet18', 'none', s] for m in ('classic', 'saggan') for s in range(2)}
    r = make_table(same, 200).set_index(['method', 'measure']).loc[('saggan', 'acc')]
    assert r['diff'] == r.diff_lo == r.diff_hi == 0 and r.p == 1 and r.better == 0
    assert 'no evidence' in verdict(make_table(same, 200))[0]


def test_p_values_are_about_uniform_when_there_is_nothing():
    r = np.random.default_rng(0)
    p = [two_sided(r.normal(x, 1, 500)) for x in r.normal(size=400)]
    assert .01 < np.mean(np.array(p) < .05) < .1


def test_a_missing_trial_and_one_class_leave_gaps_not_nan():
    grid = {k: f for k, f in GRID.items() if k != ('resnet18', 'saggan', 1)}
    grid['resnet18', 'none', 0] = (f := GRID['resnet18', 'none', 0])[(f.split == 'val') | (f.label == 0)]
    t = make_table(grid, 200)
    r = t.set_index(['method', 'measure'])
    assert r.loc[('saggan', 'acc'), 'seeds'] == 2 and r.loc[('saggan', 'acc'), 'pairs'] == 2
    assert np.isfinite(r.loc[('none', 'auc'), 'mean'])
    json.dumps([{k: None if pd.isna(v) else v for k, v in d.items()} for d in t.to_dict('records')], allow_nan=False)


def test_two_patients_give_no_interval_rather_than_a_wrong_one():
    noises = dict(classic=1., saggan=.5)
    grid = {('a', m, 0): predictions(0, noise, patients=4, slices=6, val=2) for m, noise in noises.items()}
    t = make_table(grid, 400)
    assert t['mean'].notna().all() and t[['lo', 'hi', 'diff_lo', 'p']].isna().all(axis=None)
    assert 'too few patients' in verdict(t)[0]


def test_a_study_is_read_back_from_its_files(tmp_path):
    table = write_study(write_trials(tmp_path), 100)
    assert set(load_predictions(tmp_path)) == set(GRID)
    again = make_table(load_predictions(tmp_path), 100)
    pd.testing.assert_frame_equal(table, again)
    saved = read_json(tmp_path/'metrics.json')
    assert {(c['method'], c['seed']) for c in saved['cells']} == {k[1:] for k in GRID}
    assert len(pd.read_csv(tmp_path/'table.csv')) == 18


def test_a_broken_prediction_file_is_named(tmp_path):
    write_trials(tmp_path)
    (predictions_file(trial_dir(tmp_path, 'none', 1), 'resnet18')).write_text('patient,score\np,1\n')
    with pytest.raises(DataError, match='none-s1'): write_study(tmp_path, 10)


class Page(HTMLParser):
    "Collects what a page refers to and whether its tags close."
    def __init__(self):
        super().__init__()
        self.refers, self.open, self.bad = [], [], []
    def handle_starttag(self, tag, attrs):
        self.refers += [v for k, v in attrs if k in ('src', 'href')]
        if tag not in ('meta', 'img', 'br'): self.open.append(tag)
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag: self.bad.append(tag)


def test_the_report_stands_alone(tmp_path):
    save_settings(write_trials(tmp_path)/'config.yaml', study_settings(name='<b>&', seeds=(0, 1, 2)))
    failed = dict(label='saggan-s9 translators', error='<script>boom', notebook='translators.failed.ipynb',
                  traceback='')
    write_json(trial_dir(tmp_path, 'saggan', 9)/'notebooks'/'translators.failed.json', failed)
    text = write_report(tmp_path, 100).read_text()
    page = Page()
    page.feed(text)
    assert not page.bad and not page.open
    for r in page.refers:
        assert r.startswith('data:image/png;base64,') or re.fullmatch(r'#?[\w.-]+', r)
    assert '<script' not in text
    assert '&lt;b&gt;&amp;' in text and '&lt;script&gt;boom' in text and 'against classic augmentation' in text


SECTIONS = ['does-it-help-a-classifier', 'were-they-trained-to-the-end', 'roc-curves', 'by-slice-position',
            'every-seed', 'does-it-help-a-segmentation', 'synthetic-slices', 'do-the-pictures-hold-up',
            'what-the-networks-do', 'what-it-costs', 'data', 'what-it-was-made-with']


def write_hostile_study(folder, bad):
    "A study with every section of the report, in which all names and texts that come from outside hold `bad`."
    grid = {(f'net{bad}', method, seed): frame for (_, method, seed), frame in GRID.items()}
    grid |= {(f'net{bad}', f'mine{bad}', seed): GRID['resnet18', 'none', seed] for seed in range(3)}
    trial = write_trials(folder, grid)/'trials'/f'mine{bad}-s0'
    data = folder/f'data{bad}'
    write_yaml(folder/'config.yaml', dict(name=bad, track='lgg', preset=bad, image_size=32, limit=bad, seeds=[0, 1, 2],
                                          classifiers=[bad], data=str(data)))
    write_json(folder/'environment.json', dict(gpu=bad, versions={bad: bad}, env={bad: [bad]}))
    write_json(data/'settings.json', dict(made_by=bad))
    write_json(trial/'notebooks'/f'9{bad}.done.json', dict(seconds=3, peak_gb=1))
    write_json(trial/'notebooks'/f'50{bad}.failed.json',
               dict(label=bad, error=bad, notebook=f'{bad}.ipynb', traceback=bad))
    for name in ('segmentation', 'fidelity', 'gan'):
        write_json(trial/name/'metrics.json', {'dice': .5, 'hd95': 2., bad: 1., 'inside': {bad: 2}})
    write_json(trial/'synthetic'/'provenance.json', {'added': 4, bad: .5})
    for path in (f'fidelity/{bad}.png', f'synthetic/png/{bad}_lesion.png', f'gan/{bad}/samples/{bad}.png'):
        write_png(trial/path, np.zeros((8, 8), 'u1'))
    for step in range(3): append_jsonl(trial/'gan'/bad/'log.jsonl', {'step': step, 'generator': 1., bad: 2.})
    return folder


@pytest.mark.skipif(os.name == 'nt', reason='no file can have such a name')
def test_nothing_from_outside_becomes_html(tmp_path):
    text = write_report(write_hostile_study(tmp_path, '<i onclick=x>&"\''), 50).read_text()
    page = Page()
    page.feed(text)
    assert not page.bad and not page.open
    assert re.findall(r'<section id="([\w-]+)"', text) == SECTIONS and 'could not be made' not in text
    assert '<i onclick' not in text and '&"' not in text, 'something was not escaped'
    assert '&amp;lt;' not in text and '&amp;amp;' not in text, 'something was escaped twice'
    parts = text.split('<section id="')[1:]
    assert not [part.split('"')[0] for part in parts if '&lt;i onclick=x&gt;&amp;&#34;&#39;' not in part]


@pytest.mark.skipif(os.name == 'nt', reason='no file can have such a name')
def test_cards_are_text_and_escape_nothing(tmp_path):
    bad = 'a < b & "c"'
    folder = write_hostile_study(tmp_path, bad)
    write_study(folder, 50)
    texts = [path.read_text() for path in write_cards(folder)]
    assert len(texts) == 2 and all(bad in text and '&lt;' not in text and '&amp;' not in text for text in texts)
