"Faster may not mean different: our step against the plain one that the guard times, and the guard itself."
import sys
from pathlib import Path

import pytest
import torch

from saggan.methods.translators import CONFIGURATIONS, gan_settings
from saggan.sampling import ClassicTransform, take_rows
from saggan.training import in_parts, optimisation_step, setup

BENCHMARKS = Path(__file__).resolve().parent.parent/'benchmarks'


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.parametrize('options', [{}, dict(accumulate=2), dict(checkpointing=True)])
def test_losses_of_twenty_steps_are_those_of_the_plain_step(benchmarks, options):
    import reference
    # in float32 rounding grows to a few thousandths within twenty steps
    plain = reference.step(32, 2, width=4, blocks=2, dtype=torch.float64)
    small = dict(width=4, blocks=2, d_width=4, pool_size=0, batch_size=2, precision='32-true', device='cpu')
    kind, networks, training = gan_settings(1, 0, 'paper', 'cyclegan', **small, **options)
    gan = kind(networks).double()
    networks_of = dict(gan.discriminators)
    networks_of['to_lesion'] = gan.generators['content_lesion']
    networks_of['to_normal'] = gan.generators['content_normal']
    for name, theirs in plain.parts.items():
        ours, theirs = list(networks_of[name].parameters()), list(theirs.parameters())
        assert [p.shape for p in ours] == [p.shape for p in theirs]
        for p, q in zip(ours, theirs): p.data.copy_(q.data)
    hardware, optimizers = setup(gan, training)
    batch = hardware.put(dict(plain.batch, mask=torch.zeros(2, 1, 32, 32)))
    for _ in range(20):
        logged = optimisation_step(gan, batch, optimizers, hardware, training.accumulate)
        generator, discriminator = plain()
        for name, loss in (('generator', generator), ('discriminator', discriminator)):
            torch.testing.assert_close(logged[name].double(), loss, rtol=1e-6, atol=0.)
    assert generator < 30 and gan.step == 20


@pytest.mark.parametrize('name', CONFIGURATIONS)
def test_no_step_waits_for_a_figure_of_the_device(name):
    "A tensor on the meta device has no values: whoever asks for one, as a GPU's would be waited for, fails."
    kind, networks, training = gan_settings(1, 0, 'smoke', name)
    gan = kind(networks).to('meta')
    batch = {k: torch.empty(4, 1, 32, 32, device='meta') for k in ('normal', 'lesion', 'mask')}
    i = torch.arange(4)
    normal, lesion, mask = take_rows(i, batch['normal'], batch['lesion'], batch['mask'])
    batch['normal'] = ClassicTransform()(normal)
    batch['lesion'], batch['mask'] = ClassicTransform()(lesion, mask)
    for gan.step in (0, 1000):
        for part in in_parts(batch, 2):
            logged = []
            fakes = {}
            for direction in gan.directions:
                loss, log, generated = gan.generator_loss(part, direction)
                loss.backward()
                logged += [loss, *log.values()]
                fakes |= {k: v.detach() for k, v in generated.items()}
            loss, log = gan.discriminator_loss(part, fakes)
            loss.backward()
        assert all(torch.is_tensor(v) and v.is_meta for v in (loss, *log.values(), *logged))
    with pytest.raises(RuntimeError): loss.detach().item()


def test_the_guard_sees_a_loss_of_a_fifth(benchmarks, monkeypatch, capsys, tmp_path):
    import guard
    from saggan.base.core import write_json
    write_json(tmp_path/'pinned.json', {guard.kind(): dict(step=1.5, preparation=2.)})
    monkeypatch.setattr(guard, 'PINNED', tmp_path/'pinned.json')
    monkeypatch.setattr(sys, 'argv', ['guard.py'])
    for step, preparation, code in ((1.25, 2., 0), (1.19, 2., 1), (1.5, 1.5, 1)):
        measured = dict(step=step, preparation=preparation)
        monkeypatch.setattr(guard, 'measure', lambda rounds, measured=measured: measured)
        assert guard.main() == code and ('SLOWER' in capsys.readouterr().out) == bool(code)
    monkeypatch.setattr(guard, 'kind', lambda: 'abacus')
    assert guard.main() == 3 and 'abacus' in capsys.readouterr().out
