"""Unpaired pairs per second and memory of one whole optimisation step: every translator, beside other people's code.

    python benchmarks/training.py --peer PATH/pytorch-CycleGAN-and-pix2pix --peer PATH/AttentionGAN --json training.json

The peers run their own `optimize_parameters()` with their own networks and options (one channel; AttentionGAN works in
three only). Peak memory is what the process grows by from before its first step, networks left out, gradients and
Adam's state within."""
import sys
from pathlib import Path

from common import Variant, compare, editions, module, names, numbers, parser, save, slices, table

HERE = str(Path(__file__).resolve().parent)
COLUMNS = [('variant', 'variant', ''), ('median', 's a step', '.3f'), ('min', 'min', '.3f'), ('max', 'max', '.3f'),
           ('n', 'n', ''), ('pairs', 'pairs/s', '.3f'), ('ratio', 'times faster', '.2f'), ('ratio_min', 'from', '.2f'),
           ('ratio_max', 'to', '.2f'), ('peak_gib', 'peak GiB', '.2f'), ('memory_ratio', 'of its memory', '.2f'),
           ('first', 'first step', '.1f'), ('foreign', 'foreign CPU', '.0%')]
SET = ('option of our training, such as precision=32-true; "LABEL:KEY=VALUE,..." measures a further variant, '
       '"LABEL@METHOD:KEY=VALUE,..." of one method only')


def ours(method, size, batch, options):
    "A step of one of our translators with the networks of the published protocol, or others given in `options`."
    import torch
    from saggan.training import optimisation_step, setup
    gan_settings = module('saggan.methods.translators').gan_settings
    torch.manual_seed(0)
    kind, networks, training = gan_settings(1, 0, 'paper', method, batch_size=batch, **options)
    gan = kind(networks)
    prepared = setup(gan, training)
    device = next(gan.parameters()).device
    normal, _ = slices(batch, 1, size)
    lesion, mask = slices(batch, 1, size, seed=1)
    data = dict(normal=normal.to(device), lesion=lesion.to(device), mask=mask.to(device))
    if len(prepared) == 3:  # with --before, until Fabric went
        _, fabric, optimizers = prepared
        return lambda: optimisation_step(gan, fabric, data, optimizers)
    hardware, optimizers = prepared
    return lambda: optimisation_step(gan, data, optimizers, hardware)


def theirs(path, size, batch, norm='instance'):
    "A step of a peer, `optimize_parameters()`, with its own defaults; its folder is first on the path."
    from argparse import Namespace
    import torch
    attention = (Path(path)/'models'/'attention_gan_model.py').exists()
    if attention: from models.attention_gan_model import AttentionGANModel as Model
    else: from models.cycle_gan_model import CycleGANModel as Model
    channels = 3 if attention else 1
    gpus = [0] if torch.cuda.is_available() else []
    options = Namespace(
        isTrain=True, gpu_ids=gpus, checkpoints_dir='.', name='x', preprocess='none', direction='AtoB', saveDisk=False,
        input_nc=channels, output_nc=channels, ngf=64, ndf=64, netG='resnet_9blocks', netD='basic', n_layers_D=3,
        norm=norm, no_dropout=True, init_type='normal', init_gain=.02, lambda_A=10., lambda_B=10., lambda_identity=.5,
        pool_size=50, gan_mode='lsgan', lr=2e-4, beta1=.5)
    torch.manual_seed(0)
    model = Model(options)
    a, _ = slices(batch, channels, size)
    b, _ = slices(batch, channels, size, seed=1)
    model.set_input(dict(A=a, B=b, A_paths=[], B_paths=[]))
    return model.optimize_parameters


def our_variants(a, size, batch, common, further):
    "Each method in each edition, and the further variants of this checkout's that were asked for."
    out = []
    for method in a.methods:
        for name, path in editions(a, HERE):
            for label, options in {'': {}, **further}.items():
                words, _, only = label.partition('@')
                if label and (name != 'saggan' or only not in ('', method)): continue
                title = f'{name}: {method}, {words}' if label else f'{name}: {method}'
                out.append(Variant(title, 'training', 'ours', a.threads, path, method=method, size=size, batch=batch,
                                   options=common | options))
    return out


def main():
    p = parser(__doc__, 'pytorch-CycleGAN-and-pix2pix, AttentionGAN')
    p.add_argument('--methods', type=names, default=['cyclegan', 'saggan', 'uaggan', 'aggan', 'attentiongan'])
    p.add_argument('--sizes', type=numbers, default=[128, 240])
    p.add_argument('--batches', type=numbers, default=[1, 4], help='on a GPU also 16,64')
    p.add_argument('--steps', type=int, default=1, help='in one turn (default: 1; on a GPU take 10)')
    p.add_argument('--set', action='append', default=[], metavar='KEY=VALUE', help=SET)
    a, out = p.parse_args(), []
    from saggan.cli.arguments import parse_set
    common, further = parse_set([s for s in a.set if ':' not in s]), {}
    for s in a.set:
        label, colon, options = s.partition(':')
        if colon: further[label] = parse_set(options.split(','))
    for size in a.sizes:
        for batch in a.batches:
            peers = [Variant(Path(path).name, 'training', 'theirs', a.threads, [HERE, path], path=path, size=size,
                             batch=batch) for path in a.peer]
            rows = compare(peers + our_variants(a, size, batch, common, further), a.rounds, a.steps)
            for r in rows: r |= dict(size=size, batch=batch, pairs=batch / r['median'] if 'median' in r else None)
            print(f'{size} x {size} pixels, batch {batch}, {a.threads} threads')
            table(rows, COLUMNS)
            out += rows
    save(a.json, out, COLUMNS, ('size', 'batch'))


if __name__ == '__main__': sys.exit(main())
