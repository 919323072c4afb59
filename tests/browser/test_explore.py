"The browser of slices: what a user moves changes what is on the screen, for prepared sets and raw scans."
from drive import changes, slider


def test_browser(lab, page, shot, phantom):
    lab.open(page, ['from saggan.widgets.browser import Browser', f'Browser({str(phantom)!r})'])
    page.locator('.saggan img').first.wait_for()
    name = page.locator('.saggan-name').first.inner_text().strip()
    shot('browser')
    slider(page, 'slice').focus()
    changes(page, lambda: page.keyboard.press('ArrowRight'))
    page.locator('.saggan-name', has_text=name).wait_for(state='detached')
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
    lab.open(page, ['from saggan.widgets.browser import Browser', f'Browser({str(raw)!r})'])
    page.locator('.saggan img').first.wait_for()
    assert [page.get_by_role('button', name=m, exact=True).count() for m in ('t1', 't1ce', 't2', 'flair')] == [1]*4
    shot('browser_raw')
    page.get_by_label('patient').select_option(cases[1].name)
    page.locator('.saggan-wrong', has_text='not a NIfTI file').wait_for()
    shot('browser_broken')
    changes(page, lambda: page.get_by_label('patient').select_option(cases[2].name))
    page.locator('.saggan-wrong').wait_for(state='detached')
