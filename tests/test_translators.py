"SAG-GAN from outside: killed, it ends where an undisturbed training ends; exported, it is the same."
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from saggan import Augmenter, SliceSet
from saggan.base.core import DataError
from saggan.methods.translators import fit_translator
from saggan.training import read_checkpoint

OPTIONS = dict(preset='smoke', n_steps=12, batch_size=2, pool_size=3, warmup=2, log_every=3, checkpoint_every=2,
               picture_every=0, device='cpu', precision='32-true')
CHILD = '''
import sys
import saggan.training as training
from saggan import SliceSet
from saggan.methods.translators import fit_translator
step = training.optimisation_step
def slow(*args):
    import time
    time.sleep(.3)
    return step(*args)
training.optimisation_step = slow
fit_translator(SliceSet.open(sys.argv[1]), sys.argv[2], seed=1, **eval(sys.argv[3]))
'''


@pytest.fixture(scope='module')
def slices(tmp_path_factory):
    rng = np.random.default_rng(0)
    images, masks = rng.uniform(-.6, .2, (16, 1, 32, 32)).astype('f4'), np.zeros((16, 1, 32, 32), 'u1')
    for k in range(8):
        masks[k, 0, 10:18, 8 + k:16 + k] = 1
        images[k][masks[k] > 0] += .7
    train = SliceSet.from_arrays(images, masks, dict(patient=[f'p{k % 4}' for k in range(16)], split='train'))
    return train.save(tmp_path_factory.mktemp('set')/'data')


@pytest.fixture(scope='module')
def undisturbed(slices, tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    return folder, fit_translator(slices, folder, seed=1, **OPTIONS)


def test_kill_9_and_go_on_is_bit_equal(slices, undisturbed, tmp_path):
    child = subprocess.Popen([sys.executable, '-c', CHILD, str(slices.folder), str(tmp_path), repr(OPTIONS)])
    limit = time.time() + 120
    while not (tmp_path/'latest.pt').exists() and child.poll() is None and time.time() < limit: time.sleep(.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = read_checkpoint(tmp_path)['step']
    assert 0 < done < OPTIONS['n_steps']
    resumed = fit_translator(slices, tmp_path, seed=1, **OPTIONS)
    for (name, a), b in zip(undisturbed[1].state_dict().items(), resumed.state_dict().values()):
        if torch.is_tensor(a): assert torch.equal(a, b), name


def test_weights_translate_like_the_trained_model(slices, undisturbed):
    folder, model = undisturbed
    x = np.array(slices.images[:3])
    out = Augmenter.load(folder, device='cpu').add_lesion(x)
    image, attention, _ = model.translate(torch.from_numpy(x), 'lesion')
    np.testing.assert_allclose(out.image, image, atol=1e-6)
    outside = np.broadcast_to(out.attention == 0, x.shape)
    np.testing.assert_array_equal(out.image[outside], x[outside])


def test_a_foreign_file_is_not_loaded(tmp_path):
    torch.save(dict(a=torch.zeros(2)), tmp_path/'weights.safetensors')
    with pytest.raises(DataError, match='weights.safetensors'): Augmenter.load(tmp_path)
