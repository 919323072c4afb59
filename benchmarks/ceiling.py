"""How far is a training step from what the hardware can do, and does it wait for its data or its host?

    python benchmarks/ceiling.py --batches 1,16 --json ceiling.json

Convolutions are counted in floating point operations, timed by PyTorch's profiler, and their rate is compared with that
of a large matrix product in the same precision. The rest of the profile says where the time goes. On a GPU every
synchronisation of the host within a step, its data and its running average is counted (PyTorch warns of each); a
processor has none to count. The last figure is the time of steps that draw and augment their slices, divided by that of
steps on the same tensors again and again, in turns."""
import contextlib
import statistics
import sys
import time
import warnings

from common import names, numbers, parser, save, slices, table

COLUMNS = [('variant', 'variant', ''), ('batch', 'batch', ''), ('median', 's a step', '.3f'), ('min', 'min', '.3f'),
           ('max', 'max', '.3f'), ('tflop', 'TFLOP in convolutions', '.2f'), ('rate', 'TFLOP/s there', '.2f'),
           ('matrix', 'TFLOP/s in a product', '.2f'), ('share', 'of it', '.0%'), ('back', 'convolutions back', '.0%'),
           ('forward', 'forward', '.0%'), ('copies', 'copies, casts', '.0%'), ('norms', 'norms, padding', '.0%'),
           ('upsampling', 'upsampling', '.0%'), ('rest', 'rest', '.0%'), ('waits', 'host waits', ''),
           ('data', 'with data, times', '.3f')]
GROUPS = dict(back=('convolution_backward',), forward=('convolution',), copies=('copy', 'clone', 'contiguous'),
              norms=('norm', 'pad', 'Reflect'), upsampling=('upsample', 'pixel_shuffle'))


def wait(hardware):
    import torch
    if hardware.device.type == 'cuda': torch.cuda.synchronize()


def seconds(f, hardware, n=1):
    wait(hardware)
    t = time.perf_counter()
    for _ in range(n): f()
    wait(hardware)
    return (time.perf_counter() - t)/n


def matrix_rate(hardware):
    "TFLOP/s of a square matrix product in the precision of the convolutions, the best of ten."
    import torch
    n = 8192 if hardware.device.type == 'cuda' else 2048
    dtype = torch.bfloat16 if hardware.precision == 'bf16-mixed' else torch.float32
    a, b = (torch.randn(n, n, device=hardware.device, dtype=dtype) for _ in range(2))
    def product(): return a @ b
    return 2e-12*n**3/min(seconds(product, hardware) for _ in range(10))


def group_of(operator):
    "The first of GROUPS that has a word of the operator's name."
    for group, words in GROUPS.items():
        if any(w in operator for w in words): return group
    return 'rest'


def profile_of(step, hardware):
    "Seconds of one step in each of GROUPS and in the rest, by where the kernels ran."
    from torch.profiler import ProfilerActivity, profile
    cuda = hardware.device.type == 'cuda'
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA]*cuda) as p:
        step()
        wait(hardware)
    out = dict.fromkeys((*GROUPS, 'rest'), 0.)
    for e in p.key_averages():
        # kernels by their own names are counted with the operator that started them
        if cuda and not e.key.startswith(('aten::', 'Reflect')): continue
        out[group_of(e.key)] += 1e-6*(e.self_device_time_total if cuda else e.self_cpu_time_total)
    return out


@contextlib.contextmanager
def waits_counted(hardware):
    "Context that gives a list; on a GPU each wait of the host adds to it."
    import torch
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        if hardware.device.type == 'cuda': torch.cuda.set_sync_debug_mode('warn')
        try: yield found
        finally:
            if hardware.device.type == 'cuda': torch.cuda.set_sync_debug_mode('default')
    found[:] = [w for w in found if 'synchroniz' in str(w.message)]


def toy_set(n, size):
    "n random slices in memory, every other one with a lesion, and their masks."
    import numpy as np
    from saggan.io.dataset import SliceSet
    images, masks = slices(n, 1, size)
    label = np.arange(n) % 2
    masks = (masks.numpy()*label[:, None, None, None]).astype('u1')
    table = dict(patient=[f'p{i}' for i in range(n)], split='train', position=np.linspace(0, 1, n))
    return SliceSet.from_arrays(images.numpy(), masks, table)


def tflop_of(step):
    "10^12 floating point operations in the convolutions of one step."
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter: step()
    operations = counter.get_flop_counts()['Global']
    return 1e-12*sum(v for k, v in operations.items() if 'convolution' in str(k))


def measure(method, size, batch, options, rounds, steps):
    "A dict of figures of one translator."
    import torch
    from saggan.methods.translators import gan_settings
    from saggan.sampling import ClassicTransform, UnpairedBatches
    from saggan.training import optimisation_step, setup, update_average
    torch.manual_seed(0)
    kind, networks, training = gan_settings(1, 0, 'paper', method, batch_size=batch, **options)
    gan = kind(networks)
    hardware, optimizers = setup(gan, training)
    batches = UnpairedBatches(toy_set(8*batch, size), batch, 0, ClassicTransform(), device=hardware.device)
    fixed = next(batches)

    def step(data):
        optimisation_step(gan, hardware.put(data), optimizers, hardware, training.accumulate)
        update_average(gan.ema, gan.generators, gan.step, training.ema)
    def fresh(): step(next(batches))
    def same(): step(fixed)
    fresh()
    same()
    tflop = tflop_of(same)
    with waits_counted(hardware) as waits: fresh()
    times, data = [], []
    for _ in range(rounds):
        times.append(seconds(fresh, hardware, steps))
        data.append(times[-1]/seconds(same, hardware, steps))
    parts, matrix = profile_of(fresh, hardware), matrix_rate(hardware)
    whole, convolutions = sum(parts.values()), parts['back'] + parts['forward']
    shares = {k: v/whole for k, v in parts.items()}
    return dict(variant=method, size=size, batch=batch, median=statistics.median(times), min=min(times), max=max(times),
                tflop=tflop, rate=tflop/convolutions, matrix=matrix, share=tflop/convolutions/matrix, **shares,
                waits=len(waits) if hardware.device.type == 'cuda' else None, data=statistics.median(data))


def main():
    p = parser(__doc__, before=False, rounds=5)
    p.add_argument('--methods', type=names, default=['cyclegan', 'saggan'])
    p.add_argument('--sizes', type=numbers, default=[240])
    p.add_argument('--batches', type=numbers, default=[1], help='on a GPU 1,16,64')
    p.add_argument('--steps', type=int, default=1, help='in one turn (default: 1; on a GPU take 10)')
    p.add_argument('--set', action='append', default=[], metavar='KEY=VALUE',
                   help='option of the training, such as width=32')
    a, out = p.parse_args(), []
    import torch
    from saggan.cli.arguments import parse_set
    torch.set_num_threads(a.threads)
    for size in a.sizes:
        rows = [measure(m, size, b, parse_set(a.set), a.rounds, a.steps) for m in a.methods for b in a.batches]
        print(f'{size} x {size} pixels, {a.threads} threads')
        table(rows, COLUMNS)
        out += rows
    save(a.json, out, COLUMNS, ('size',))


if __name__ == '__main__': sys.exit(main())
