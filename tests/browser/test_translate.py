"The translator: direction, model, blend and place by keys; what is kept says that it is synthetic."
import pytest
from drive import changes, picture, press

READS_ONE = """() => [...document.querySelectorAll('.saggan .widget-readout')].some(e => e.innerText === '1.00')"""


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    "The folder of a study with two networks that nobody has trained."
    import torch
    from saggan.methods.translators import save_translator
    from saggan.saggan import SAGGAN, SAGGANSettings
    folder = tmp_path_factory.mktemp('study')
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = SAGGAN(SAGGANSettings(channels=2, width=4, blocks=1, d_width=4))
        for net in model.ema.values(): net.net[-1].weight.data *= 40   # untrained maps are flat; these have hills
        save_translator(folder/'trials'/f'saggan-s{seed}'/'gan'/'weights.safetensors', model)
    return folder


def test_translator(lab, page, shot, phantom, study, tmp_path):
    paths = ', '.join(repr(str(path)) for path in (phantom, study, tmp_path))
    lab.open(page, ['from saggan.widgets.translate import TranslatorPanel', f'TranslatorPanel({paths})'])
    picture(page, 4).wait_for()
    page.locator('.saggan', has_text='largest change').first.wait_for()
    shot('translator')
    translation = 3
    before = picture(page, translation).get_attribute('src')
    changes(page, lambda: press(page, 'blend', 'Home'), '0.00', translation)         # all source: nothing is changed
    changes(page, lambda: press(page, 'dx', 'PageUp'), k=1)                          # the attention moves
    changes(page, lambda: press(page, 'scale', 'End'), k=1)
    page.get_by_role('button', name='reset').click()
    page.wait_for_function(READS_ONE)
    assert picture(page, translation).get_attribute('src') != before                 # a new address, the same picture
    changes(page, lambda: page.get_by_label('model').select_option('SAG-GAN, seed 1'), k=translation)
    changes(page, lambda: page.get_by_role('button', name='remove').click(), 'Dice', 0)
    press(page, 'dy', 'PageUp')
    page.get_by_role('button', name='keep').click()
    page.locator('.saggan', has_text='kept as').first.wait_for()
    assert [p.suffix for p in sorted(tmp_path.glob('*normal_0*'))] == ['.json', '.png']
    assert '"synthetic": true' in next(tmp_path.glob('*.json')).read_text()
    page.mouse.move(0, 0)
    shot('translator_moved')
