"""How well a segmentation outlines lesions of patients that it has not seen, and how often it fires elsewhere.

    python benchmarks/segmentation.py PREPARED --seed 12 --fractions 28,12,20 --json segmentation.json

Rows: the U-Net as it was in version 0.1.0 (instance norm, three levels, a rate of 1e-3 that falls linearly, steps of
8 slices: 120 of them, as in the quickstart, and as many as now); instance norm, trained as now; and the U-Net of this
checkout. All with classic augmentation and a width of 8. Training patients train it, validation patients choose the
weights and set the operating point, figures are of test patients. `--train 14` takes so many of the training patients.
"""
import argparse
import sys
import time
from dataclasses import replace

import torch
from common import names, save, split_arguments, split_parts, table
from torch import nn

from saggan.base.hardware import find_hardware
from saggan.evaluation.segmentation import MaskedBatches, SegmentationFit, outline_figures, outline_table
from saggan.evaluation.segmentation import segmentation_settings, still_rising
from saggan.io.splits import nested_part
from saggan.methods.segmenter import set_point
from saggan.sampling import ClassicTransform
from saggan.training import TrainingSettings, rate

COLUMNS = [('row', 'U-Net', ''), ('steps', 'steps', 'd'), ('seconds', 'CPU s', '.0f'), ('dice', 'Dice', '.3f'),
           ('dice_of_patients', 'of patients', '.3f'), ('found', 'found', '.3f'),
           ('false_alarms', 'false alarms', '.3f'), ('false_alarms_matched', 'by height', '.3f'),
           ('false_alarms_any', 'any pixel', '.3f'), ('rising', 'rising', '')]
ROWS = dict(before=('instance', 120, True), before_longer=('instance', 0, True), instance=('instance', 0, False),
            now=('batch', 0, False))


def instance_norm(module):
    "Every batch norm in a network replaced by instance norm."
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d): setattr(module, name, nn.InstanceNorm2d(child.num_features))
        else: instance_norm(child)


class Before(SegmentationFit):
    "As in version 0.1.0: Adam at 1e-3, flat for half of the steps, then linearly to 0."
    def rate(self, total): return 1e-3 * rate(self.step, total, TrainingSettings(n_steps=total))


def row_of(name, settings, train, val, test):
    "One line of the table."
    norm, steps, old = ROWS[name]
    s, hardware = replace(settings, steps=steps or settings.steps), find_hardware('cpu', '32-true')
    if old: s = replace(s, batch_size=8, levels=3)
    begun = time.process_time()
    fit = (Before if old else SegmentationFit)(s, train.images.shape[1], 'cpu')
    if norm == 'instance':
        instance_norm(fit.net)
        fit.norms = []
    fit.run(MaskedBatches([train], s.batch_size, s.seed, total=s.steps), val, hardware, ClassicTransform())
    fit.net.load_state_dict(fit.best)
    figures = outline_figures(outline_table(set_point(fit.net.eval(), val), test))
    seconds = time.process_time() - begun
    return dict(row=name, steps=s.steps, seconds=seconds, rising=str(still_rising(fit.course))) | figures


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    split_arguments(p)
    p.add_argument('--train', type=int, default=0, help='training patients; 0: all')
    p.add_argument('--rows', type=names, default=list(ROWS), help=f'of {", ".join(ROWS)}')
    p.add_argument('--steps', type=int, default=1600, help='of all but `before`')
    p.add_argument('--rounds', type=int, default=1, help='not used')
    p.add_argument('--json', metavar='FILE', help='write the figures there')
    a = p.parse_args()
    torch.set_num_threads(1)
    train, val, test = split_parts(a)
    if a.train: train = nested_part(train, a.train, a.seed)
    settings = segmentation_settings(steps=a.steps, width=8, seed=a.seed, device='cpu')
    rows = [row_of(name, settings, train, val, test) for name in a.rows]
    patients = [len(part.patients) for part in (train, val, test)]
    print(f'{patients} patients in train, val and test, seed {a.seed}; figures on the test patients')
    table(rows, COLUMNS)
    save(a.json, rows, COLUMNS)


if __name__ == '__main__': sys.exit(main())
