"""Do the 95 % intervals of `saggan.evaluation.intervals` hold 95 % of the time? Real learners on invented cohorts.

A cohort of 60 patients with 12 slices each; patients differ in where the lesion lies, how it looks and everything else.
A logistic regression learns from 7, 14 or 28 of them (nested); an arm is that learner with three features of its own,
noise drawn anew in each fit. Two arms are the same algorithm; in the third the first of its features says something
about the label, so much that it is three points of AUC better; in the fourth the second one says as much, in other
patients. A study is 5 folds x 3 repeats, or 3 random splits; its interval covers, or not, what the mean over many fresh
cohorts is. Beside ours stand variances that lost."""
import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from common import numbers, save, table

PATIENTS, SLICES, FEATURES, TESTED, VALIDATED = 60, 12, 24, 12, 10
WORTH = {7: 1.35, 14: 1.55, 28: 1.8}  # of the third arm's own feature, for three points
DESIGNS = {'5 folds x 3': (5, 3), '3 splits': (0, 3)}
MEASURES = 'auc', 'matched', 'acc'
PLACE = (np.arange(SLICES) + .5)/SLICES


def cohort(rng):
    "Labels (patients, slices), features, and how much the third and fourth arm's feature says in each patient."
    middle, half = rng.uniform(.35, .65, (PATIENTS, 1)), rng.uniform(.1, .25, (PATIENTS, 1))
    label = (abs(PLACE - middle) < half).astype(int)
    mean = np.zeros(FEATURES)
    mean[:6] = 1.6, 1.3, 1.1, .9, .7, .5
    look, shift = (rng.normal(0, sd, (PATIENTS, 1, FEATURES)) for sd in (.5, .6))
    features = label[..., None]*(mean + look) + shift + rng.normal(size=(PATIENTS, SLICES, FEATURES))
    features[..., 6] += 8*(PLACE - .5)**2  # the place of a slice shows
    return label, features, rng.normal(1, .5, (2, PATIENTS, 1))


def splits(rng, folds, repeats):
    "Test, validation and other patients of each fit."
    for _ in range(repeats):
        order = rng.permutation(PATIENTS)
        for test in np.array_split(order, folds) if folds else [order[:TESTED]]:
            rest = rng.permutation(np.setdiff1d(order, test))
            yield test, rest[:VALIDATED], rest[VALIDATED:]


def logistic(x, y):
    """Weights (features + 1,) of scikit-learn's LogisticRegression(C=1), the last one free; by Newton's method, seven
    times faster on so few slices (`--check` compares them)."""
    x = np.c_[x, np.ones(len(x))]
    w, ridge = np.zeros(x.shape[1]), np.eye(x.shape[1])
    ridge[-1, -1] = 1e-8
    for _ in range(20):
        p = 1/(1 + np.exp(-x @ w))
        step = np.linalg.solve((x*(p*(1 - p))[:, None]).T @ x + ridge, x.T @ (p - y) + ridge @ w)
        w -= step
        if abs(step).max() < 1e-4: break
    return w


def trained(label, features, own, train):
    "Scores (patients, slices) of a logistic regression that learnt from some patients."
    seen = np.concatenate([features, own], axis=2)
    w = logistic(seen[train].reshape(-1, seen.shape[2]), label[train].ravel())
    return 1/(1 + np.exp(-seen @ w[:-1] - w[-1]))


def check():
    "The scores of a study's learner beside scikit-learn's, on ten cohorts: the largest difference."
    from sklearn.linear_model import LogisticRegression
    far = []
    for seed in range(10):
        label, features, _ = cohort(np.random.default_rng(seed))
        x, y = features[:14].reshape(-1, FEATURES), label[:14].ravel()
        theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(x, y).predict_proba(x)[:, 1]
        far.append(abs(1/(1 + np.exp(-np.c_[x, np.ones(len(x))] @ logistic(x, y))) - theirs).max())
    return max(far)


def judged(label, score, test, val, weights):
    "Dict measure -> (figure, influence of each of the 60 patients)."
    from saggan.evaluation.intervals import influences
    from saggan.evaluation.metrics import choose_threshold
    from saggan.evaluation.statistics import tallies
    threshold = choose_threshold(label[val].ravel(), score[val].ravel())
    who = np.repeat(test, SLICES)
    plain = influences(tallies(label[test].ravel(), score[test].ravel(), threshold, who, PATIENTS))
    even = influences(tallies(label[test].ravel(), score[test].ravel(), threshold, who, PATIENTS, weights))
    return dict(auc=plain['auc'], acc=plain['acc'], matched=even['auc'])


def study(seed, folds, repeats, sizes):
    "Dict (size, arm, measure) -> Fits of one simulated study."
    from saggan.evaluation.intervals import Fits
    from saggan.evaluation.matching import overlap_weights
    rng = np.random.default_rng(seed)
    label, features, says = cohort(rng)
    found, tested = {}, []
    for test, val, pool in splits(rng, folds, repeats):
        tested.append(np.isin(np.arange(PATIENTS), test))
        slices = pd.DataFrame(dict(position=np.tile(PLACE, len(test)), label=label[test].ravel()))
        weights = overlap_weights(slices)
        for size in sizes:
            for arm in ('one', 'same', 'better', 'rival'):
                own = rng.normal(0, .5, (PATIENTS, 1, 3)) + rng.normal(size=(PATIENTS, SLICES, 3))
                if arm == 'better': own[..., 0] += WORTH[size]*label*says[0]
                if arm == 'rival': own[..., 1] += WORTH[size]*label*says[1]
                score = trained(label, features, own, pool[:size])
                for measure, pair in judged(label, score, test, val, weights).items():
                    found.setdefault((size, arm, measure), []).append(pair)
    names = [(k, 0 if folds else None) for k in range(len(tested))]
    tested = np.array(tested)
    fits = {}
    for key, pairs in found.items():
        values, influence = zip(*pairs)
        fits[key] = Fits(names, list(range(PATIENTS)), np.array(values), np.array(influence), tested)
    return fits


def questions(fits, sizes):
    "Dict (patients, what, measure) -> Fits: the differences that a study asks about, and single figures."
    from saggan.evaluation.intervals import minus
    asked = {}
    for measure in MEASURES:
        for size in sizes:
            one, same, better, rival = (fits[size, arm, measure] for arm in ('one', 'same', 'better', 'rival'))
            asked[size, 'the same twice', measure] = minus(same, one)
            asked[size, 'two as good', measure] = minus(better, rival)
            asked[size, 'one is better', measure] = minus(better, one)
            asked[size, 'one method', measure] = one
        for few, many in zip(sizes, sizes[1:]):
            curve = minus(fits[many, 'one', measure], fits[few, 'one', measure])
            asked[many, f'against {few} patients', measure] = curve
    return asked


def two_way(fits):
    "Cameron, Gelbach and Miller as written: by patients plus by fits minus by both, t with one less than the fewer."
    from saggan.evaluation.intervals import adjusted
    pull, count = adjusted(fits)/len(fits.values), len(fits.values)
    variance = (pull.sum(0)**2).sum() + fits.values.var(ddof=1)/count - (pull**2).sum()
    return max(variance, 0), min(count, PATIENTS) - 1


def unbiased(fits):
    "By patients, plus what fits scatter beyond their patients where that is positive; Satterthwaite."
    from saggan.evaluation.intervals import adjusted, between_fits
    count, of_networks, seen = len(fits.values), between_fits(fits), fits.tested.any(0).sum()
    of_patients = ((adjusted(fits).sum(0)/count)**2).sum()
    if of_networks <= 0: return of_patients, seen - 1
    variance, scatter = of_patients + of_networks/count, fits.values.var(ddof=1)/count
    return variance, variance**2/((variance - scatter)**2/(seen - 1) + scatter**2/(count - 1))


def patients_only(fits):
    "As if the networks were given."
    from saggan.evaluation.intervals import adjusted
    return ((adjusted(fits).sum(0)/len(fits.values))**2).sum(), fits.tested.any(0).sum() - 1


def fits_only(fits):
    "As if fits were independent experiments."
    return fits.values.var(ddof=1)/len(fits.values), len(fits.values) - 1


def nadeau_bengio(fits):
    "Their corrected resampled t-test."
    count = len(fits.values)
    return fits.values.var(ddof=1)*(1/count + TESTED/(PATIENTS - TESTED)), count - 1


OTHERS = dict(alone=patients_only, fits=fits_only, two_way=two_way, unbiased=unbiased, nadeau=nadeau_bengio)


def one_study(seed, design, sizes):
    "Rows of key, the mean, and for each variant half of the 95 % interval."
    from saggan.evaluation.intervals import inference
    from scipy import stats
    rows = []
    for key, fits in questions(study(seed, *DESIGNS[design], sizes), sizes).items():
        estimate = inference(fits, alone=key[1] == 'one method')
        row = dict(patients=key[0], what=key[1], measure=key[2], mean=estimate.value, ours=estimate.hi - estimate.value)
        for name, variance_of in OTHERS.items():
            variance, df = variance_of(fits)
            row[name] = stats.t.ppf(.975, df)*np.sqrt(variance)
        rows.append(row)
    return rows


def means(seed, sizes):
    "Means of a cohort by itself, for the truth: one repeat of five folds."
    asked = questions(study(seed, 5, 1, sizes), sizes)
    return {key: fits.values.mean() for key, fits in asked.items()}


def summary(rows, truth, design):
    "A row for each question: coverage and how often zero is left out, of ours and of the others."
    out = []
    for key, part in pd.DataFrame(rows).groupby(['measure', 'what', 'patients'], sort=False):
        measure, what, patients = key
        true = 0 if what in ('the same twice', 'two as good') else truth[patients, what, measure]
        row = dict(design=design, measure=measure, what=what, patients=patients, studies=len(part), truth=100*true,
                   sd=100*part['mean'].std(), half=100*part.ours.median())
        row['rejects'] = 100*(abs(part['mean']) > part.ours).mean() if what != 'one method' else None
        for name in ('ours', *OTHERS): row[name] = 100*(abs(part['mean'] - true) <= part[name]).mean()
        out.append(row)
    return out


COLUMNS = [('what', 'what', ''), ('patients', 'patients', 'd'), ('truth', 'truth', '.1f'), ('sd', 'SD', '.2f'),
           ('half', 'half interval', '.2f'), ('ours', 'covers, %', '.1f'), ('rejects', 'leaves 0 out, %', '.1f'),
           ('alone', 'patients only', '.1f'), ('fits', 'fits only', '.1f'), ('two_way', 'two-way', '.1f'),
           ('unbiased', 'unbiased', '.1f'), ('nadeau', 'Nadeau-Bengio', '.1f')]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--studies', type=int, default=500, help='of each design (default: %(default)s)')
    p.add_argument('--truth', type=int, default=500, help='cohorts for the truth (default: %(default)s)')
    p.add_argument('--sizes', type=numbers, default=list(WORTH), help='training patients (default: 7,14,28)')
    p.add_argument('--jobs', type=int, default=1, help='processes')
    p.add_argument('--check', action='store_true', help='compare the learner with that of scikit-learn, no more')
    p.add_argument('--json', metavar='FILE', help='write the figures there')
    a = p.parse_args()
    if a.check: return print(f'{check():.1e}')
    rows = []
    with ProcessPoolExecutor(a.jobs) as pool:
        cohorts = list(pool.map(partial(means, sizes=a.sizes), range(10**6, 10**6 + a.truth), chunksize=5))
        truth = {key: np.mean([c[key] for c in cohorts]) for key in cohorts[0]}
        for k, design in enumerate(DESIGNS):
            seeds = range(10**5*k, 10**5*k + a.studies)
            found = pool.map(partial(one_study, design=design, sizes=a.sizes), seeds, chunksize=5)
            rows += summary([row for some in found for row in some], truth, design)
    for design in DESIGNS:
        for measure in MEASURES:
            print(f'{design}, {measure}')
            table([r for r in rows if (r['design'], r['measure']) == (design, measure)], COLUMNS)
    save(a.json, rows, COLUMNS, ('design', 'measure'), studies=a.studies, truth=a.truth)


if __name__ == '__main__': sys.exit(main())
