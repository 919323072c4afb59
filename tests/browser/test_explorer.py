"The study explorer in JupyterLab: sorted, clicked, and the mistakes stepped through, against the figures of the files."
import numpy as np
import pandas as pd
import pytest
from drive import wider_than
from toys import predictions

from saggan import SliceSet
from saggan.base.core import write_png, write_yaml
from saggan.evaluation.metrics import write_predictions
from saggan.study import load_predictions, make_table
from saggan.widgets.mistakes import mistakes

IMPORT = 'from saggan.widgets.study_explorer import StudyExplorer'


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    "Predictions of three methods and two seeds, the slices they are about, and synthetic slices of one trial."
    folder = tmp_path_factory.mktemp('explorer')/'study'
    for m, noise in (('none', 2.), ('classic', 1.), ('saggan', .7)):
        for s in (0, 1):
            frames = {k: g.drop(columns='split') for k, g in predictions(s, noise).groupby('split')}
            write_predictions(folder/'trials'/f'{m}-s{s}'/'classifier'/'resnet18'/'predictions.csv', frames)
    t = pd.concat(load_predictions(folder).values())[['patient', 'slice', 'position', 'label']]
    t = t.drop_duplicates(ignore_index=True)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    images, masks = np.full((len(t), 1, 64, 64), -1, 'f4'), np.zeros((len(t), 1, 64, 64), 'u1')
    for i, (k, label) in enumerate(zip(t.slice, t.label)):
        images[i, 0][x**2 + 1.3*y**2 < .8 - .01*(k - 6)**2] = -.3
        spot = (x - .05*k + .3)**2 + (y - .1)**2 < .02 + .002*k
        if label: images[i, 0][spot], masks[i, 0][spot] = .7, 1
    SliceSet.from_arrays(images, masks, t.assign(volume=t.patient, patient=t.patient)).save(folder/'data')
    for i in range(8):
        kind = 'lesion' if i % 2 else 'normal'
        grey = ((images[i, 0] + 1)*127).astype('u1')
        write_png(folder/'trials'/'saggan-s0'/'synthetic'/'png'/f'{i}_{kind}.png', grey)
    write_yaml(folder/'config.yaml', dict(name='study', classifiers=['resnet18']))
    return folder


def names(page): return page.locator('.sx-row button').all_inner_texts()


def test_the_table_is_sorted_and_a_row_opened(lab, page, shot, study):
    from playwright.sync_api import expect
    expect.set_options(timeout=30_000)
    lab.open(page, [IMPORT, f'e = StudyExplorer({str(study)!r}, draws=100)\ne'])
    rows = page.locator('.sx-row button')
    expect(rows).to_have_text(['w/o DA', 'SAG-GAN', 'classic'])
    table = make_table(load_predictions(study), 100)
    means = table[table.measure == 'auc'].set_index('method')['mean']
    label = dict(none='w/o DA', saggan='SAG-GAN', classic='classic')
    page.locator('.sx-head').get_by_role('button', name='AUC').click()
    expect(rows).to_have_text([label[m] for m in means.sort_values(ascending=False).index])
    page.locator('.sx-head').get_by_role('button', name='AUC').click()
    expect(rows).to_have_text([label[m] for m in means.sort_values().index])
    shown = page.locator('.sx-row', has_text='SAG-GAN').locator('span').nth(0).inner_text()
    assert shown.splitlines()[0] == f'{means.saggan:.3f}'
    page.locator('img.sx-plain').wait_for()
    before = page.locator('img.sx-plain').get_attribute('src')
    box = page.locator('.sx-row', has_text='w/o DA').bounding_box()
    page.mouse.click(box['x'] + .8*box['width'], box['y'] + box['height']/2)  # on its figures, not on its name
    page.wait_for_function("was => document.querySelector('img.sx-plain').src !== was", arg=before)
    expect(page.locator('.sx-row.sx-on button')).to_have_text(['w/o DA'])
    page.mouse.move(0, 0)
    shot('explorer-curve')
    wide = wider_than(page, '.saggan')
    assert not wide, f'wider than the widget: {wide}'


def test_pictures_and_mistakes(lab, page, shot, study):
    from playwright.sync_api import expect
    expect.set_options(timeout=30_000)
    lab.open(page, ['%matplotlib inline', IMPORT, f'e = StudyExplorer({str(study)!r}, draws=100)\ne', 'e.static()'])
    page.get_by_role('button', name='pictures', exact=True).click()
    expect(page.locator('.sx-pictures .strip img')).to_have_count(8)
    shot('explorer-pictures')
    page.get_by_role('button', name='mistakes', exact=True).click()
    table = mistakes(load_predictions(study), 'resnet18', 'saggan')
    fp = table[table.kind == 'false positive']
    fn = table[table.kind == 'false negative']
    assert len(fp) > 1 and len(fn)
    about = page.locator('.saggan-note')
    expect(about).to_contain_text(f'1 of {len(fp)}')
    expect(about).to_contain_text(f'{fp.iloc[0].score:.3f} (threshold')
    page.get_by_role('button', name='▶').click()
    expect(about).to_contain_text(f'2 of {len(fp)}')
    expect(about).to_contain_text(fp.iloc[1].patient)
    page.get_by_role('button', name=f'false negatives ({len(fn)})').click()
    expect(about).to_contain_text(f'1 of {len(fn)}')
    expect(about).to_contain_text(f'{fn.iloc[0].score:.3f} (threshold')
    main = page.locator('.saggan img:visible').first
    before = main.get_attribute('src')
    page.get_by_role('button', name='mask', exact=True).click()
    page.wait_for_function("was => [...document.querySelectorAll('.saggan img')].every(i => i.src !== was)", arg=before)
    page.get_by_role('button', name='mask', exact=True).click()
    page.get_by_label('seed').select_option('1')
    page.locator('.saggan .saggan-name', has_text='next slice above').wait_for()
    expect(about).to_contain_text(f'of {(fn.seed == 1).sum()}')
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    shot('explorer-mistakes')
