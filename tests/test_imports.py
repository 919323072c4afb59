"""Who imports whom: the story from its first chapter to its last, the wings that it stands on, and no circle.

`python tests/test_imports.py PICTURE.png` draws it."""
import ast
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent/'saggan'
# The story: a chapter may import those before it, and any wing.
STORY = ('data', 'amse', 'generator', 'discriminator', 'losses', 'sampling', 'training', 'cyclegan', 'saggan',
         'augmentation', 'classification', 'study')
# The wings, from the ground up, each with the last chapter that it may import. A wing may import those before it.
WINGS = dict(base=None, io=None, models='cyclegan', methods='saggan', evaluation='classification',
             inference='augmentation', experiment='classification', report='study', widgets='study', cli='study')
# Old names of modules, kept for those who import them from outside.
SHIMS = ('translators', 'slices', 'scores')


def modules(package):
    "Dotted name below the package -> its file; a folder stands for its `__init__`, the package itself is left out."
    found = {}
    for path in sorted(package.rglob('*.py')):
        parts = path.relative_to(package).with_suffix('').parts
        if parts[-1] == '__init__': parts = parts[:-1]
        name = '.'.join(parts)
        if name and name != '_modidx': found[name] = path
    return found


def absolute(node, name, path, package):
    "The module that a `from` statement names, with the name of the package in front."
    if not node.level: return node.module
    here = [package.name, *name.split('.')]
    if path.name != '__init__.py': here = here[:-1]
    here = here[:len(here) - node.level + 1]
    return '.'.join(here + ([node.module] if node.module else []))


def mentioned(name, path, package):
    "Everything that a module imports, at its top or inside a function: dotted names from the package's name on."
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            for alias in node.names: yield alias.name
        if isinstance(node, ast.ImportFrom):
            origin = absolute(node, name, path, package)
            for alias in node.names: yield f'{origin}.{alias.name}'


def import_graph(package):
    "Module -> the modules of the same package that it imports, by their names below the package."
    known, graph = modules(package), {}
    for name, path in known.items():
        graph[name] = set()
        for dotted in mentioned(name, path, package):
            first, _, rest = dotted.partition('.')
            if first != package.name: continue
            while rest and rest not in known: rest = rest.rpartition('.')[0]  # a function: its module
            if rest and rest != name: graph[name].add(rest)
    return graph


def circle(graph):
    "The modules of a circle, the first one again at the end; [] when there is none."
    try: TopologicalSorter(graph).prepare()
    except CycleError as e: return e.args[1][::-1]
    return []


def wing_of(module):
    "The folder that a module lies in, '' for one that lies in none."
    return module.partition('.')[0] if '.' in module or module in WINGS else ''


def fault(module, target):
    "What is wrong with one import, or ''."
    wing, other, wings = wing_of(module), wing_of(target), list(WINGS)
    if target in SHIMS: return 'an old name'
    if module in SHIMS: return ''
    for name, room in ((module, wing), (target, other)):
        if room and room not in WINGS: return f'{room} is no wing'
        if not room and name not in STORY: return f'{name} is neither in the story nor in a wing'
    if wing and other: return f'{other} lies above {wing}' if wings.index(other) > wings.index(wing) else ''
    if other: return ''
    if not wing: return 'a later chapter' if STORY.index(target) > STORY.index(module) else ''
    last = WINGS[wing]
    if last is None: return f'{wing} may import no chapter'
    return f'{wing} may import chapters up to {last}' if STORY.index(target) > STORY.index(last) else ''


def faults(graph):
    "One line for each import that looks up."
    out = []
    for module in sorted(graph):
        for target in sorted(graph[module]):
            if why := fault(module, target): out.append(f'{module} imports {target}: {why}')
    return out


folded = pytest.mark.skipif(not any((PACKAGE/wing).is_dir() for wing in WINGS), reason='the modules lie in one folder')


@folded
def test_there_is_no_circle():
    found = circle(import_graph(PACKAGE))
    assert not found, ' -> '.join(found)


@folded
def test_no_wing_looks_up():
    found = faults(import_graph(PACKAGE))
    assert not found, '\n'.join(found)


def toy(folder, **sources):
    "A package of small modules; two underscores in a name stand for a dot."
    package = folder/'saggan'
    for name, source in sources.items():
        path = package/f'{name.replace("__", "/")}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        for parent in (path.parent, package): (parent/'__init__.py').touch()
    return import_graph(package)


SOUND = dict(base__core='import os', io__readers='from ..base.core import read', data='from .io import readers',
             losses='from saggan.base import core', training='def train():\n    import saggan.losses',
             models__aggan='from ..training import train\nfrom saggan.models import attention', models__attention='')


def test_all_ways_to_import_are_seen(tmp_path):
    graph = {k: v for k, v in toy(tmp_path, **SOUND).items() if k not in WINGS}
    assert graph == {'base.core': set(), 'io.readers': {'base.core'}, 'data': {'io.readers'}, 'losses': {'base.core'},
                     'training': {'losses'}, 'models.aggan': {'training', 'models.attention'},
                     'models.attention': set()}
    assert circle(graph) == [] and faults(graph) == []


def test_a_circle_is_found_even_through_a_function(tmp_path):
    graph = toy(tmp_path, **SOUND | dict(losses='def late():\n    from saggan.training import train'))
    found = circle(graph)
    assert found[0] == found[-1] and set(found) == {'losses', 'training'}


@pytest.mark.parametrize('module, source, why', [
    ('base__core', 'from ..io.readers import read', 'io lies above base'),
    ('io__readers', 'from saggan.data import prepare', 'io may import no chapter'),
    ('models__attention', 'from ..study import table', 'models may import chapters up to cyclegan'),
    ('losses', 'from .training import train', 'a later chapter'),
    ('base__core', 'from ..translators import SAGGAN', 'an old name'),
    ('stray', 'from .data import prepare', 'stray is neither in the story nor in a wing')])
def test_what_looks_up_is_named(tmp_path, module, source, why):
    more = {module: source, 'study': '', 'translators': 'from .losses import loss'}
    found = faults(toy(tmp_path, **SOUND | more))
    assert len(found) == 1 and found[0].startswith(module.replace('__', '.')) and found[0].endswith(why)


# The picture

def counts(graph):
    "How many imports lead from one room to another; the story is one room."
    out = Counter()
    for module, targets in graph.items():
        for target in targets:
            pair = wing_of(module) or 'story', wing_of(target) or 'story'
            if pair[0] != pair[1]: out[pair] += 1
    return out


def places():
    "Middle of each wing's box: a staircase, each as high as the last chapter that the wing may import."
    out = {}
    for k, (wing, last) in enumerate(WINGS.items()):
        floor = STORY.index(last) + 1 if last else 0
        out[wing] = 3.4 + 2.7*k, 1.2*floor
    return out


def box(ax, x, y, text, width=2.3, colour='#dfe9f3'):
    from matplotlib.patches import FancyBboxPatch
    ax.add_patch(FancyBboxPatch((x - width/2, y - .35), width, .7, 'round,pad=.05', fc=colour, ec='#456', zorder=3))
    ax.text(x, y, text, ha='center', va='center', fontsize=10, zorder=4)


def arrow(ax, start, end, number, colour):
    ax.annotate('', end, start, zorder=2, arrowprops=dict(
        arrowstyle='-|>', color=colour, lw=.5 + number**.5/2, alpha=.6, shrinkA=0, shrinkB=0))


def draw(graph, path):
    "Write the picture: the story is a tower on the left, the wings are a staircase beside it."
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots(figsize=(16, 9), layout='constrained')
    middle, wings = places(), list(WINGS)
    for k, chapter in enumerate(STORY): box(ax, 0, 1.2*(k + 1), chapter, colour='#f6e7c8')
    for wing, (x, y) in middle.items():
        number = sum(wing_of(m) == wing and m != wing for m in graph)
        box(ax, x, y, f'{wing}  ({number})')
    for (start, end), number in counts(graph).items():
        if end == 'story':
            x, y = middle[start]
            arrow(ax, (x - 1.2, y + .15), (1.25, y + .15), number, '#2a6f97')
        elif start == 'story':
            x, y = middle[end]
            arrow(ax, (1.25, y - .15), (x - 1.25, y - .15), number, '#b5651d')
        else:  # from the bottom of the higher box to the top of the lower one, or from side to side
            (x, y), (to_x, to_y) = middle[start], middle[end]
            colour = '#667' if wings.index(start) > wings.index(end) else '#b00020'
            if y > to_y: arrow(ax, (x, y - .4), (to_x + .3, to_y + .42), number, colour)
            elif y < to_y: arrow(ax, (x, y + .4), (to_x - .3, to_y - .42), number, colour)
            else: arrow(ax, (x - 1.2, y), (to_x + 1.25, to_y), number, colour)
    ax.set(xlim=(-1.6, 3.4 + 2.7*len(WINGS)), ylim=(-.8, 1.2*len(STORY) + .8))
    verdict = f'{"A circle" if circle(graph) else "No circle"}, {len(faults(graph))} look up.'
    ax.set_title(f'{len(graph)} modules. Blue: a wing imports the story, brown: the story imports a wing, grey: a wing '
                 f'imports another (red: one above it); width: how often. {verdict}')
    ax.axis('off')
    fig.savefig(path, dpi=110)


if __name__ == '__main__':
    if len(sys.argv) != 2: sys.exit(__doc__)
    draw(import_graph(PACKAGE), sys.argv[1])
