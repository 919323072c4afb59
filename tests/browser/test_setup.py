"What the other tests stand on: a slider moved by a key changes a label, in JupyterLab and in voila."
CELLS = ['import ipywidgets as w\ns, label = w.IntSlider(), w.HTML("<b class=label>at 0</b>")\n'
         's.observe(lambda c: setattr(label, "value", f"<b class=label>at {c.new}</b>"), "value")\nw.VBox([s, label])']


def drive(page):
    page.locator('.label', has_text='at 0').wait_for()
    page.locator('.noUi-handle').first.focus()
    for _ in range(3): page.keyboard.press('ArrowRight')
    page.locator('.label', has_text='at 3').wait_for()


def test_lab(lab, page): drive(lab.open(page, CELLS))
def test_voila(voila, page): drive(voila.open(page, CELLS))
