"The training monitor in JupyterLab, while a real training runs in another process, and on trainings that ended."
import json
import subprocess
import sys

import numpy as np
import pytest
from drive import wider_than

from saggan import SliceSet
from saggan.base.core import append_jsonl, write_png, write_text

TRAINING = '''
import sys, time
import saggan.training as training
from saggan import SliceSet
from saggan.methods.translators import fit_translator
step = training.optimisation_step
def slow(*args):
    time.sleep(.1)
    return step(*args)
training.optimisation_step = slow
fit_translator(SliceSet.open(sys.argv[1]), sys.argv[2], preset='smoke', n_steps=60, log_every=2, picture_every=20,
               checkpoint_every=0, device='cpu')
'''
REACH = '''img => { const c = document.createElement('canvas');
    c.width = img.naturalWidth; c.height = img.naturalHeight;
    const g = c.getContext('2d'); g.drawImage(img, 0, 0);
    const w = Math.floor(c.width*.33), d = g.getImageData(0, 0, w, c.height).data; let most = 0;
    const far = i => COLOUR.reduce((sum, c, k) => sum + Math.abs(d[i + k] - c), 0);
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200 && far(i) < 30) most = Math.max(most, i/4 % w);
    return most/w }'''

VANISHED = dict(step=150, warning='vanished', remedy='attention has gone to zero: use <b>whole</b> slices')


def reach(page, rgb):
    "How far to the right the curve of this colour goes in the first panel that is on the screen, in [0, 1]."
    return page.locator('.sg-curves').evaluate(REACH.replace('COLOUR', json.dumps(rgb)))


def monitor(folder):
    "Source of a cell that shows the monitor of a folder."
    return f'from saggan.widgets.monitor import Monitor\nm = Monitor({str(folder)!r})\nm'


@pytest.fixture
def training(tmp_path):
    "The folder of a training that runs in a process of its own."
    rng = np.random.default_rng(0)
    images = rng.uniform(-.6, .2, (16, 1, 32, 32)).astype('f4')
    masks = np.zeros((16, 1, 32, 32), 'u1')
    masks[:8, :, 10:18, 10:18] = 1
    table = dict(patient=[f'p{k % 4}' for k in range(16)], split='train')
    SliceSet.from_arrays(images, masks, table).save(tmp_path/'data')
    folder = tmp_path/'trials'/'saggan-s0'/'gan'
    folder.mkdir(parents=True)
    command = [sys.executable, '-c', TRAINING, str(tmp_path/'data'), str(folder)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield tmp_path
    child.kill()
    child.wait()


def test_a_running_training_is_watched(lab, page, shot, training):
    lab.open(page, [monitor(training/'trials'/'saggan-s0'), 'print("the kernel is free")'])
    page.get_by_text('the kernel is free', exact=True).wait_for()
    page.locator('.sg-how', has_text='looking every 2 s').wait_for()
    page.locator('.sg-running').wait_for()
    page.wait_for_function("() => document.querySelector('.sg-curves')?.naturalWidth > 500")
    orange = [232, 116, 59]
    seen = []
    while len(seen) < 3:
        now = reach(page, orange)
        if now and (not seen or now > seen[-1] + .05): seen.append(now)
        page.wait_for_timeout(200)
    shot('monitor-running')
    page.locator('.sg-how', has_text='everything is finished').wait_for(timeout=120_000)
    page.locator('.sg-finished').wait_for()
    page.get_by_text('step 60 of 60', exact=True).wait_for()
    assert reach(page, orange) > .9 > seen[0]
    assert page.locator('.sg-pixels').evaluate('i => i.naturalWidth') > 100
    page.get_by_text('step 000060, 3 of 3').wait_for()
    shot('monitor-finished')


@pytest.fixture
def study(tmp_path):
    "Three trainings that ended, one of them badly."
    for k, name in enumerate(('saggan-s0', 'saggan-s1', 'saggan_paper-s0')):
        shrinks = name == 'saggan_paper-s0'
        rng = np.random.default_rng(k)
        folder = tmp_path/'trials'/name/'gan'
        lines = []
        for s in range(10, 210, 10):
            area = .04*np.exp(-s/20*shrinks)
            lines.append(dict(step=s, total=200, generator=3 - s/100 + .2*rng.random(), discriminator=5.,
                              area_normal=area, area_lesion=.03, change=.01, dice=s/300, seconds=.5))
        write_text(folder/'log.jsonl', ''.join(json.dumps(line) + '\n' for line in lines))
        if shrinks: append_jsonl(folder/'log.jsonl', VANISHED)
        for s in (100, 200):
            write_png(folder/'samples'/f'step-{s:06d}.png', rng.integers(0, 255, (60, 200)).astype('u1'))
    return tmp_path


def test_trainings_are_chosen_and_measures_shown(lab, page, shot, study):
    from playwright.sync_api import expect
    expect.set_options(timeout=30_000)
    lab.open(page, ['%matplotlib inline', monitor(study), 'm.static()'])
    page.locator('.jp-OutputArea-output img').nth(2).wait_for()
    page.locator('.sg-monitor select[multiple]').select_option(['✓ saggan-s0', '✓ saggan_paper-s0'])
    expect(page.locator('.sg-table tbody th')).to_have_text(['saggan-s0finished', 'saggan_paper-s0finished'])
    alarm = page.locator('.sg-alarm')
    alarm.wait_for()
    assert 'use <b>whole</b> slices' in alarm.inner_text() and 'still holds' in alarm.inner_text()
    for control in (page.get_by_role('button', name='seconds a step'), page.get_by_text('logarithmic')):
        before = page.locator('.sg-curves').get_attribute('src')
        control.click()
        page.wait_for_function("was => document.querySelector('.sg-curves').src !== was", arg=before)
    page.get_by_text('step 000200, 2 of 2').wait_for()
    page.locator('.sg-grids .noUi-handle').focus()
    page.keyboard.press('ArrowLeft')
    page.get_by_text('step 000100, 1 of 2').wait_for()
    before = page.locator('.sg-pixels').get_attribute('src')
    page.locator('.sg-grids select').select_option('saggan_paper-s0')
    page.wait_for_function("was => document.querySelector('.sg-pixels').src !== was", arg=before)
    page.get_by_text('step 000100, 1 of 2').wait_for()
    shot('monitor-study', page.locator('.sg-monitor'))
    wide = wider_than(page, '.sg-monitor')
    assert not wide, f'wider than the widget: {wide}'
    page.get_by_role('button', name='Stop watching').click()
    page.get_by_role('button', name='Watch', exact=True).wait_for()
