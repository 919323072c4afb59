"The browser of slices: what a user moves changes what is on the screen, for prepared sets and raw scans."
import pytest
from saggan.data import prepare


@pytest.fixture(scope='session')
def phantom(tmp_path_factory):
    "A small prepared set of two modalities; its raw volumes lie in `set.phantom` beside it."
    folder = tmp_path_factory.mktemp('phantom')/'set'
    prepare(4, 'phantom', folder, image_size=96, modalities=('t1ce', 'flair'))
    return folder


def slider(page, name): return page.locator('.widget-hslider', has=page.get_by_text(name, exact=True)).locator('.noUi-handle')
def shown(page): return page.locator('.saggan img').first.get_attribute('src')


def changes(page, act, says=None):
    "Do something; wait until the picture is another one, and, where given, until a text stands in the panel."
    before = shown(page)
    act()
    page.wait_for_function('(was) => document.querySelector(".saggan img").src !== was', arg=before)
    if says: page.locator('.saggan', has_text=says).first.wait_for()


def test_browser(lab, page, shot, phantom):
    lab.open(page, ['from saggan.explore import Browser', f'Browser({str(phantom)!r})'])
    page.locator('.saggan img').first.wait_for()
    name = page.locator('.saggan-name').first.inner_text()
    shot('browser')
    slider(page, 'slice').focus()
    changes(page, lambda: page.keyboard.press('ArrowRight'))
    assert page.locator('.saggan-name').first.inner_text() != name
    changes(page, lambda: page.get_by_role('button', name='mask').click())
    changes(page, lambda: page.get_by_role('button', name='mask').click())
    changes(page, lambda: page.get_by_role('button', name='flair').click())
    changes(page, lambda: page.get_by_label('window').select_option('bright'))
    slider(page, 'width').focus()
    changes(page, lambda: page.keyboard.press('ArrowLeft'))
    assert page.get_by_label('window').input_value() == 'by hand'
    changes(page, lambda: page.get_by_label('slices').select_option('normal'), 'normal')
    patient = page.get_by_label('patient')
    changes(page, lambda: patient.select_option(index=2))
    page.mouse.move(0, 0)
    shot('browser_by_hand')


def test_raw_scans(lab, page, shot, phantom):
    raw = phantom.with_name('set.phantom')
    cases = sorted(p for p in raw.iterdir() if p.is_dir())
    next(cases[1].glob('*_t2.nii.gz')).write_bytes(b'no scan')
    lab.open(page, ['from saggan.explore import Browser', f'Browser({str(raw)!r})'])
    page.locator('.saggan img').first.wait_for()
    assert [page.get_by_role('button', name=m, exact=True).count() for m in ('t1', 't1ce', 't2', 'flair')] == [1]*4
    shot('browser_raw')
    page.get_by_label('patient').select_option(cases[1].name)
    page.locator('.saggan-wrong', has_text='not a NIfTI file').wait_for()
    shot('browser_broken')
    changes(page, lambda: page.get_by_label('patient').select_option(cases[2].name))
    assert page.locator('.saggan-wrong').count() == 0
