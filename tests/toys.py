"Small stand-ins that several tests use: notebooks of two lines, predictions of a classifier that does not exist."
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook

from saggan.base.registry import STAGES


def notebook(path, *cells):
    "Write a notebook whose first cell is the parameters cell; a source that starts with '!' is a stage cell."
    nb = new_notebook()
    for c in cells:
        tags = ['stage'] if c[0] == '!' else []
        nb.cells.append(new_code_cell(c.lstrip('!'), metadata=dict(tags=tags)))
    nb.cells[0].metadata['tags'] = ['parameters']
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return Path(path)


def stage(folder, name, *cells):
    "The notebook of a stage, where the registry looks for it."
    return notebook(folder/STAGES[name].notebook, *cells)


PREDICTS = ('!import pathlib', "!p = pathlib.Path(run, 'classifier', classifier, 'predictions.csv')",
            "!p.parent.mkdir(parents=True, exist_ok=True); p.write_text('patient')")


def toy_study(folder, translator='!run', report='!1'):
    "The notebooks of a study in miniature."
    folder.mkdir(parents=True, exist_ok=True)
    for name in ('data', 'quality', 'augmentation', 'segmentation', 'fidelity'): stage(folder, name, "run = ''", '!run')
    stage(folder, 'translators', "run = ''", translator)
    stage(folder, 'classification', "run = ''\nclassifier = ''", *PREDICTS)
    stage(folder, 'study', "run = ''", report)
    return folder


def predictions(seed, noise, patients=10, slices=12, val=3):
    "A frame of predictions; the noise decides how good they are."
    r, rows = np.random.default_rng(seed), []
    order = r.permutation(patients)
    for rank, p in enumerate(order):
        hard = r.normal()*.5
        for k in range(slices):
            label = int(r.random() < .45)
            score = 1/(1 + np.exp(-(2*label - 1 + hard + noise*r.normal())))
            rows.append((f'p{p:02}', k, k/slices, 'val' if rank < val else 'test', label, round(float(score), 2)))
    return pd.DataFrame(rows, columns=['patient', 'slice', 'position', 'split', 'label', 'score'])
