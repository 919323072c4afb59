"How a user's hands and eyes are imitated on a panel."


WIDER = """name => { const widget = document.querySelector(name), right = widget.getBoundingClientRect().right;
    const wider = [...widget.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > right + 1);
    return wider.map(e => e.className) }"""


def slider(page, name):
    "The handle of a slider."
    return page.locator('.widget-hslider', has=page.get_by_text(name, exact=True)).locator('.noUi-handle')


def picture(page, k=0): return page.locator('.saggan img').nth(k)


def wider_than(page, name):
    "Classes of the elements that reach over the right edge of the widget with this CSS selector."
    return page.evaluate(WIDER, name)


def changes(page, act, says=None, k=0):
    """Do something; wait until picture `k` of the panel is another one, and, where given, until a text stands in the
    panel."""
    before = picture(page, k).get_attribute('src')
    act()
    page.wait_for_function('([k, was]) => document.querySelectorAll(".saggan img")[k].src !== was', arg=[k, before])
    if says: page.locator('.saggan', has_text=says).first.wait_for()


def press(page, name, key):
    "A key on a slider."
    slider(page, name).focus()
    page.keyboard.press(key)
