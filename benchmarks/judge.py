"""What the judge of synthetic slices is worth on patients that it has not seen: a table for a prepared set and a seed.

    python benchmarks/judge.py PREPARED --seed 12 --fractions 28,12,20 --json judge.json

Rows: the judge as it was up to version 0.4 (300 steps, normal slices drawn where lesions lie, fixed rule); the same
network with normal slices drawn evenly, trained to the end, its operating point set on validation; and a U-Net of
MONAI's that is trained alike. Then the filter: which share it accepts of untouched slices offered under the other
label, of healthy tissue pasted in a lesion's shape, of real lesions pasted, and of an untrained painter's blobs.
`--realism` adds the two-sample AUCs of `saggan.evaluation.realism`. Training and validation patients train the judge
and set its point; figures are of test patients."""
import argparse
import sys
import time

import numpy as np
import torch
from common import names, save, split_arguments, split_parts, table

from saggan.base.hardware import find_hardware
from saggan.evaluation.realism import blobs, mean_level, of_like_height, pasted_over, realism
from saggan.io.dataset import SliceSet, concat
from saggan.methods.copy_paste import paste_all
from saggan.methods.method import as_labelled
from saggan.methods.segmenter import OLD_POINT, fit_reference_segmenter, judge_figures, set_point
from saggan.models.attention import fit_attention
from saggan.sampling import UnpairedBatches

KEYS = ('dice', 'dice_pooled', 'sensitivity', 'false_alarms', 'false_alarms_matched', 'sensitivity_at_10')
TITLES = ('Dice', 'pooled', 'sensitivity', 'false alarms', 'by height', 'sens. at 10 %')
COLUMNS = [('judge', 'judge', ''), ('steps', 'steps', 'd'), ('seconds', 'CPU s', '.0f'),
           *[(key, title, '.3f') for key, title in zip(KEYS, TITLES)],
           ('pixels', 'pixels', '.0f'), ('probability', 'p', '.1f')]
FILTER = [('offered', 'offered', ''), ('label', 'as', ''), ('n', 'n', 'd'), ('found', 'found', '.3f'),
          ('accepted', 'accepted', '.3f')]


class UNet(torch.nn.Module):
    "MONAI's BasicUNet with group norm; slices (B, C, H, W) to maps (B, 1, H, W) in [0, 1]."
    def __init__(self, channels, width=16):
        super().__init__()
        from monai.networks.nets import BasicUNet
        widths = width, width, 2 * width, 4 * width, 8 * width, width
        self.net = BasicUNet(2, channels, 1, widths, norm=('group', dict(num_groups=4)), upsample='nontrainable')
        torch.nn.init.constant_(self.net.final_conv.bias, -2.2)
        self.point = OLD_POINT
    def forward(self, x): return self.net(x).sigmoid()


def before(train, val, steps, seed):
    "The judge up to version 0.4: normal slices drawn by position, the old rule."
    from saggan.generator import AttentionNet
    torch.manual_seed(seed + 1000)
    net = AttentionNet(train.images.shape[1], width=16, blocks=2, upsample='resize')
    return fit_attention(net, UnpairedBatches(train, 6, seed + 1000), steps, find_hardware('cpu')).eval()


def unet(train, val, steps, seed):
    "A U-Net that is trained as today's judge is."
    torch.manual_seed(seed + 1000)
    net = UNet(train.images.shape[1])
    batches = UnpairedBatches(train, 6, seed + 1000, match_position=False)
    return set_point(fit_attention(net, batches, steps, find_hardware('cpu')).eval(), val)


def now(train, val, steps, seed):
    "The judge of this checkout."
    return fit_reference_segmenter(train, steps, seed, val=val, device='cpu')


JUDGES = dict(before=before, now=now, unet=unet)


def row_of(name, steps, train, val, test, seed):
    "A judge, and its line of the table."
    begun = time.process_time()
    judge = JUDGES[name](train, val, steps, seed)
    seconds = time.process_time() - begun
    figures = judge_figures(judge, test)
    pixels = figures['area'] * np.prod(test.images.shape[2:])
    return judge, dict(judge=name, steps=steps, seconds=seconds, pixels=pixels) | figures


def offered(images, masks, sources, label):
    "Slices under a label with their sources, as a method would hand them over."
    columns = dict(label=label, source_sha256=sources.table.sha256)
    return SliceSet.from_arrays(images.clamp(-1, 1), masks, sources.table.drop(columns='sha256').assign(**columns))


def cases(test, seed):
    "What is offered to the filter: name -> SliceSet."
    normal, lesion = test.of(label=0), test.of(label=1)
    x, (t, m, _) = normal.tensors()[0], lesion.tensors()
    pasted = paste_all(test, seed)
    places = pasted.tensors()[1]
    rows = {h: i for i, h in enumerate(normal.table.sha256)}
    at = [rows[h] for h in pasted.table.source_sha256]
    into, sources = x[at], normal.take(at)
    healthy = x[np.roll(at, 7)]
    like = of_like_height(lesion.table.position, normal.table.position)
    removed = offered(pasted_over(t, x[like], m), 0 * m, lesion, 0)
    removed.table['pasted_patient'] = normal.table.patient.to_numpy()[like]
    return {'untouched, added': offered(into, places, sources, 1),
            'healthy tissue, added': offered(pasted_over(into, healthy, places), places, sources, 1),
            'real lesion, added': pasted,
            'untrained blob, added': offered(blobs(into, places, mean_level(t, m), seed), places, sources, 1),
            'untouched, removed': offered(t, 0 * m, lesion, 0),
            'healthy tissue, removed': removed}


def filter_rows(judge, test, seed):
    "One line for each kind of slice: the share in which the judge finds a lesion, and the share that is accepted."
    rows = []
    for name, made in cases(test, seed).items():
        maps, agrees, _ = as_labelled(judge, made, test)
        what, label = name.split(', ')
        rows.append(dict(offered=what, label=label, n=len(made), found=judge.point.rate(maps),
                         accepted=float(agrees.float().mean())))
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    split_arguments(p)
    p.add_argument('--judges', type=names, default=['before', 'now', 'unet'], help='of before, now, unet')
    p.add_argument('--steps', type=int, default=1200, help='of now and unet')
    p.add_argument('--realism', action='store_true', help='two-sample AUCs of pasted and removed lesions')
    p.add_argument('--rounds', type=int, default=1, help='not used')
    p.add_argument('--json', metavar='FILE', help='write the figures there')
    a = p.parse_args()
    torch.set_num_threads(1)
    train, val, test = split_parts(a)
    rows, judge = [], None
    for name in a.judges:
        fitted, row = row_of(name, 300 if name == 'before' else a.steps, train, val, test, a.seed)
        rows.append(row)
        if name == 'now' or judge is None: judge = fitted
    patients = [len(part.patients) for part in (train, val, test)]
    print(f'{patients} patients in train, val and test, seed {a.seed}; figures on the test patients')
    table(rows, COLUMNS)
    if not hasattr(judge, 'point'): judge.point = OLD_POINT
    filtered = filter_rows(judge, test, a.seed)
    table(filtered, FILTER)
    figures = {}
    if a.realism:
        begun, some = time.process_time(), cases(test, a.seed)
        made = concat(some['real lesion, added'], some['healthy tissue, removed'])
        figures = realism(made, test, a.seed) | dict(realism_seconds=time.process_time() - begun)
        for name, value in figures.items(): print(f'{name:28}{value:.3f}')
    save(a.json, rows, COLUMNS, filter=filtered, realism=figures)


if __name__ == '__main__': sys.exit(main())
