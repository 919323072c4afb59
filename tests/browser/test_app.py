"`explore` in a process of its own: opened with its token and not without, clicked through, ended with Ctrl-C."
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from saggan.base.core import append_jsonl, write_text, write_yaml
from saggan.data import prepare
from saggan.evaluation.metrics import write_predictions
from saggan.io.dataset import SliceSet

START = '''import sys
from saggan.widgets.app import explore
explore(sys.argv[1], open_browser=False, reader_study=len(sys.argv) > 2)'''


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    "A study of two methods on a phantom; one has a training and synthetic slices."
    root = tmp_path_factory.mktemp('app')
    data = prepare(5, 'phantom', root/'study'/'data', image_size=64)
    write_yaml(root/'study'/'config.yaml', dict(name='study', classifiers=['resnet18']))
    t = data.table
    for method, right in (('classic', .25), ('saggan', .35)):
        score = (.5 + (2*t.label - 1)*right*(t['slice'] % 5 - 1)/4).round(3)
        frame = t[['patient', 'slice', 'position', 'label']].assign(score=score)
        file = root/'study'/'trials'/f'{method}-s0'/'classifier'/'resnet18'/'predictions.csv'
        write_predictions(file, dict(val=frame[::2], test=frame[1::2]))
    trial = root/'study'/'trials'/'saggan-s0'
    for s in range(10, 110, 10):
        append_jsonl(trial/'gan'/'log.jsonl', dict(step=s, total=100, generator=2/s, change=.02, seconds=.1))
    write_text(trial/'gan'/'weights.safetensors', '')
    data.take(range(0, len(data), 2)).save(trial/'synthetic')
    return root/'study'


def heed_interrupts():
    "A run in the background would pass on that Ctrl-C is ignored."
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def app(tmp_path):
    "Starts the app on a folder; (process, address). Ends it after the test if the test did not."
    started = []
    def start(*args):
        env = os.environ | dict(HOME=str(tmp_path), JUPYTER_RUNTIME_DIR=str(tmp_path/'runtime'))
        env.pop('MPLBACKEND', None)
        p = subprocess.Popen([sys.executable, '-c', START, *map(str, args)], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)
        started.append(p)
        line = p.stdout.readline() or p.stderr.read()
        return p, re.search(r'http://127\.0\.0\.1:\d+/\?token=\S+', line)[0]
    yield start
    for p in started:
        if p.poll() is None: p.terminate()
        p.wait(30)


def listening(pid):
    "Addresses on which a process and its children listen, as /proc says; hexadecimal."
    tree = {pid}
    for _ in range(3): tree |= {child for child, parent in _children() if parent in tree}
    inodes = {os.readlink(f'/proc/{p}/fd/{f}') for p in tree for f in _fds(p)}
    addresses = set()
    for line in open('/proc/net/tcp').readlines()[1:] + open('/proc/net/tcp6').readlines()[1:]:
        fields = line.split()
        if fields[3] == '0A' and f'socket:[{fields[9]}]' in inodes: addresses.add(fields[1].split(':')[0])
    return addresses


def _children():
    "(process, its parent) for each process."
    for p in filter(str.isdigit, os.listdir('/proc')):
        try: stat = open(f'/proc/{p}/stat').read()
        except OSError: continue
        yield int(p), int(stat.rsplit(')', 1)[1].split()[1])


def _fds(pid):
    try: return [f for f in os.listdir(f'/proc/{pid}/fd') if os.path.islink(f'/proc/{pid}/fd/{f}')]
    except OSError: return []


def test_a_study_is_explored(app, page, shot, study):
    from playwright.sync_api import expect
    expect.set_options(timeout=60_000)
    process, url = app(study)
    for bad in (url.partition('?')[0], url[:-4] + 'xxxx'):
        try: text = urllib.request.urlopen(bad).read().decode()
        except urllib.error.HTTPError as e: text = str(e)
        assert 'jupyter-config-data' not in text and 'Explorer' not in text, 'the page opens without its token'
    page.goto(url, timeout=90_000)
    expect(page.locator('.sx-row button')).to_have_text(['SAG-GAN', 'classic'])
    if sys.platform == 'linux': assert listening(process.pid) == {'0100007F'}, 'it listens elsewhere than on 127.0.0.1'
    page.locator('.sx-row button').nth(1).click()
    page.get_by_role('button', name='mistakes', exact=True).click()
    page.get_by_text('methods that err').wait_for()
    shot('app-study')
    def tab(name): return page.locator('.lm-TabBar-tab', has_text=name)
    tab('training').click()
    expect(page.locator('.sg-table tbody th')).to_have_text(['saggan-s0finished'])
    shot('app-training')
    tab('translator').click()
    page.get_by_text('no trained translator').wait_for()
    tab('slices').click()
    page.get_by_label('patient').wait_for()
    page.locator('.saggan-strip, .saggan img:visible').first.wait_for()
    shot('app-slices')
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0 and process.stderr.read() == ''


def test_a_reading_and_a_prepared_set(app, page, shot, study):
    process, url = app(study, 'reader-study')
    page.goto(url, timeout=90_000)
    page.get_by_text('Real, or made by a network?').wait_for()
    shot('app-reading')
    assert (study/'reader_study'/'plan.json').exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    _, url = app(study/'data')
    page.goto(url, timeout=90_000)
    page.get_by_label('patient').wait_for()
    assert page.get_by_label('patient').locator('option').count() == len(SliceSet.open(study/'data').patients)
    assert page.locator('.lm-TabBar-tab').count() == 0
