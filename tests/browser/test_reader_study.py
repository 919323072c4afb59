"The reader study: read by keys and by mouse, in JupyterLab and in voila; stopped, and gone on with."
import numpy as np
import pytest
from drive import picture
from saggan.base.core import read_jsonl
from saggan.io.dataset import from_arrays


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    "Real and synthetic slices, saved."
    folder = tmp_path_factory.mktemp('sets')
    yy, xx = np.mgrid[:64, :64] - 31.5
    for k, name in enumerate(('real', 'synthetic')):
        r = np.random.default_rng(k)
        x = np.where(yy**2 + xx**2 < 700, r.normal(-.2, .15, (48, 1, 64, 64)), -1).clip(-1, 1)
        m = ((yy - 8)**2 + (xx + 8)**2 < 60)*(np.arange(48)[:, None, None, None] % 2)
        table = dict(patient=[f'p{i // 8}' for i in range(48)], slice=np.arange(48) % 8,
                     position=np.arange(48) % 8/8, split='train')
        from_arrays((x + .6*m).clip(-1, 1), m, table).save(folder/name)
    return folder


def cells(folder, sets):
    paths = ', '.join(repr(str(path)) for path in (folder, sets/'real', sets/'synthetic'))
    return ['from saggan.widgets.reader_study import ReaderStudy', f'ReaderStudy({paths}, n=6)']


def says(page, text): page.locator('.saggan-name', has_text=text).first.wait_for()


def begin(page, name, by_key=True):
    page.get_by_placeholder('your name').fill(name)
    if by_key: page.keyboard.press('Enter')
    else: page.get_by_role('button', name='begin').click()
    # the keyboard is ready without a click
    page.wait_for_function("() => document.activeElement?.placeholder?.startsWith('keys')")


def answers(folder):
    "(level, choice) of every answer."
    events = [event for path in folder.glob('answers/*') for event in read_jsonl(path)]
    return [(event['level'], event['choice']) for event in events if event['event'] == 'answer']


def read(page, keys, first, n=6):
    "Press keys as a reader would: the next one when the next slice has been looked at for a moment."
    for k, key in enumerate(keys):
        says(page, f'{first + k} of {n}')
        page.wait_for_timeout(450)
        if len(key) == 1: page.keyboard.press(key)
        else: page.get_by_role('button', name=key).click()


def drive(site, page, shot, folder, sets, name):
    "Three slices, away, a new page, and the rest."
    site.open(page, cells(folder, sets), name)
    page.get_by_placeholder('your name').wait_for()
    shot(f'{name}_start')
    begin(page, 'Anna')
    before = picture(page).get_attribute('src')
    read(page, '1s', 1)
    says(page, '3 of 6')
    assert picture(page).get_attribute('src') != before
    page.wait_for_timeout(450)
    page.keyboard.press('3')
    page.locator('.saggan-ask', has_text='had to guess').wait_for()
    shot(f'{name}_guess')
    page.keyboard.press('r')
    says(page, '4 of 6')
    assert answers(folder) == [(1, 'real'), (4, 'synthetic'), (3, 'real')]


def test_reading_in_lab(lab, page, shot, sets, tmp_path):
    folder = tmp_path/'reading'
    drive(lab, page, shot, folder, sets, 'reader_lab')
    page.keyboard.press('5')                                   # in the same moment: meant for the slice before
    page.keyboard.press('z')                                   # no key of ours
    page.wait_for_timeout(500)
    assert len(answers(folder)) == 3
    assert page.locator('.jp-Cell').count() == 2, 'Lab took a key as a command'
    assert page.locator('.jp-MarkdownCell').count() == 0, 'Lab took a key as a command'
    lab.restart(page)
    page.get_by_placeholder('your name').wait_for()
    begin(page, ' anna ', by_key=False)
    read(page, ['5  surely', 'r', '2'], 4)  # the mouse, and the keyboard again without a click into the field
    page.locator('.saggan-ask', has_text='Done').wait_for()
    shot('reader_lab_done')
    assert answers(folder)[3:] == [(5, 'synthetic'), (2, 'real'), (2, 'real')]
    assert len(list(folder.glob('answers/*'))) == 1


def test_reading_in_voila(voila, page, shot, sets, tmp_path):
    folder = tmp_path/'reading'
    drive(voila, page, shot, folder, sets, 'reader_voila')
    voila.open(page, cells(folder, sets), 'reader_voila')
    page.get_by_placeholder('your name').wait_for()
    begin(page, 'Anna')
    read(page, 'r45', 4)
    page.locator('.saggan-ask', has_text='Done').wait_for()
    assert len(answers(folder)) == 6
