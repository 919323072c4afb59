"""Who imports whom: the story from its first chapter to its last, the wings that it stands on, and no circle.

`python tests/test_imports.py PICTURE.png` draws it."""
import ast
import importlib
import importlib.util
import json
import sys
import textwrap
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT/'saggan'
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



def test_there_is_no_circle():
    found = circle(import_graph(PACKAGE))
    assert not found, ' -> '.join(found)


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


def statements(path):
    "The syntax trees of a module, or of each code cell of a notebook, with where they stand."
    if path.suffix == '.py': return [(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding='utf-8')))]
    out = []
    for i, cell in enumerate(json.loads(path.read_text(encoding='utf-8'))['cells']):
        if cell['cell_type'] != 'code': continue
        lines = ''.join(cell['source']).splitlines()
        plain = '\n'.join('' if line.lstrip().startswith(('%', '!')) else line for line in lines)
        out.append((f'{path.relative_to(ROOT)}, cell {i}', ast.parse(plain)))
    return out


def names_imported(tree):
    "(module, name) for each `from saggan... import ...`, at the top or inside a function, not of a `try`."
    tried = [node for block in ast.walk(tree) if isinstance(block, ast.Try) for node in ast.walk(block)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level or node in tried: continue
        if node.module.partition('.')[0] != 'saggan': continue
        for alias in node.names: yield node.module, alias.name


def is_there(module, name):
    "Is it in the module, or a module below it?"
    found = importlib.import_module(module)
    if name == '*' or hasattr(found, name): return True
    return hasattr(found, '__path__') and importlib.util.find_spec(f'{module}.{name}') is not None


@pytest.mark.filterwarnings("ignore:saggan")
def test_what_a_function_or_a_cell_imports_is_there():
    "An import inside a function fails only when that line is reached; so every one of them is looked up here."
    paths = [*ROOT.glob('nbs/**/*.ipynb')]
    for folder in ('tests', 'tools', 'benchmarks'): paths += ROOT.glob(f'{folder}/**/*.py')
    found = [(where, *pair) for path in paths for where, tree in statements(path) for pair in names_imported(tree)]
    assert len(found) > 1000
    lacking = [f'{where}: {name} is not in {module}' for where, module, name in found if not is_there(module, name)]
    assert not lacking, '\n'.join(lacking)


# The picture

GROUND = 'base', 'io'  # nearly every module imports them: drawn as ground, without arrows
COLUMNS = dict(models=0, methods=0, evaluation=0, report=0, inference=1, experiment=1, widgets=1, cli=2)
STORY_WIDTH, WING_WIDTH, HEIGHT, GAP = 2.4, 5.1, .8, .9
PAPER, STONE, INK = '#f6e7c8', '#dfe9f3', '#334455'


def wing_imports(graph):
    "(wing, wing) for each import from one wing above the ground into another one."
    pairs = {(wing_of(module), wing_of(target)) for module, targets in graph.items() for target in targets}
    return {(a, b) for a, b in pairs if a in COLUMNS and b in COLUMNS and a != b}


def without_implied(pairs):
    "The pairs but those that a way over other pairs implies."
    def reached(start, first):
        seen, waiting = set(), [first]
        while waiting:
            here = waiting.pop()
            if here in seen: continue
            seen.add(here)
            waiting += [b for a, b in pairs if a == here and b != start]
        return seen
    kept = set()
    for start, end in pairs:
        detours = [b for a, b in pairs if a == start and b != end]
        if not any(end in reached(start, b) for b in detours): kept.add((start, end))
    return kept


def story_imports(graph):
    "(chapter, wing) for each import of the story from a wing above the ground."
    return {(module, wing_of(t)) for module in STORY for t in graph.get(module, ()) if wing_of(t) in COLUMNS}


def centre(name):
    "Where the middle of a box lies: chapters go down on the left, a wing stands beside its last chapter."
    if name in STORY: return STORY_WIDTH/2, -STORY.index(name)
    left = STORY_WIDTH + GAP + COLUMNS[name]*(WING_WIDTH + GAP)
    return left + WING_WIDTH/2, -STORY.index(WINGS[name])


def width(name): return STORY_WIDTH if name in STORY else WING_WIDTH


def box(ax, left, y, width, name, more='', colour=STONE):
    "A rounded box with a name and, small below it, what is inside."
    from matplotlib.patches import FancyBboxPatch
    shape = FancyBboxPatch((left + .08, y - HEIGHT/2), width - .16, HEIGHT, 'round,pad=0,rounding_size=.12',
                           facecolor=colour, edgecolor=INK, linewidth=.8, zorder=3)
    ax.add_patch(shape)
    middle = left + width/2
    ax.text(middle, y + (.23 if more else 0), name, ha='center', va='center', fontsize=11, weight='bold',
            color=INK, zorder=4)
    ax.text(middle, y - .13, more, ha='center', va='center', fontsize=7.5, color=INK, zorder=4, linespacing=1.05)


def inside(graph, wing, length=64):
    "The modules of a wing, in lines of some length."
    names = sorted(m.partition('.')[2] for m in graph if wing_of(m) == wing and m != wing)
    return '\n'.join(textwrap.wrap(', '.join(names), length))


def edge(name, side, along=0.):
    "A point on the rim of a box; `along` runs from -1 to 1 on that side."
    x, y = centre(name)
    half = width(name)/2 - .08
    if side in ('left', 'right'): return x + (half if side == 'right' else -half), y + along*HEIGHT/2
    return x + along*half, y + (HEIGHT/2 if side == 'top' else -HEIGHT/2)


def ends(start, end):
    "Where an arrow leaves one box and meets another, and how much it bends."
    (x, y), (to_x, to_y) = centre(start), centre(end)
    if start in STORY:
        slope = .5*(to_y > y) - .5*(to_y < y)
        return edge(start, 'right', slope), edge(end, 'left', -slope), 0
    if x == to_x: return edge(start, 'top'), edge(end, 'bottom'), 0
    side, other = ('left', 'right') if to_x < x else ('right', 'left')
    apart = abs(COLUMNS[start] - COLUMNS[end])
    if y == to_y and apart > 1: return edge(start, 'bottom', -.6), edge(end, 'bottom', .6), -.06
    if y == to_y: return edge(start, side), edge(end, other), 0
    return edge(start, 'top', -.5 if side == 'left' else .5), edge(end, other, -.4), 0


def arrow(ax, start, end, colour):
    "An arrow from box to box; it goes round a box that lies between them."
    tail, head, bend = ends(start, end)
    style = dict(arrowstyle='-|>', color=colour, lw=1.4, shrinkA=0, shrinkB=0, connectionstyle=f'arc3,rad={bend}')
    ax.annotate('', head, tail, zorder=5, arrowprops=style)


def explain(ax, graph, left):
    "What the picture says, in words, in the corner that the wings leave free."
    state = 'a circle' if circle(graph) else 'no circle'
    count, packages = sum(map(len, graph.values())), [name for name in graph if name in WINGS]
    lines = (f'{len(graph) - len(packages)} modules, {count} imports, {state}, {len(faults(graph))} that look up',
             '',
             'The story is read from top to bottom: a chapter imports only chapters above it.',
             'A wing stands beside the last chapter of the story that it may import.',
             'An arrow leads to what is imported: grey from a wing, brown from a chapter.',
             'Everything may import base and io, on top; these arrows are left out,',
             'and so is an arrow between two wings that others imply.')
    ax.text(left, -.1, '\n'.join(lines), fontsize=10.5, color=INK, va='top', linespacing=1.6)


def draw(graph, path):
    "Write the picture: the story goes down on the left, wings stand beside it, and both lie under their ground."
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt
    from PIL import Image
    fig, ax = plt.subplots(figsize=(14, 10), layout='constrained')
    right = STORY_WIDTH + (max(COLUMNS.values()) + 1)*(WING_WIDTH + GAP)
    for k, wing in enumerate(GROUND): box(ax, 0, 2.2 - k, right, wing, inside(graph, wing, 200), '#e4e4e4')
    for chapter in STORY: box(ax, 0, -STORY.index(chapter), STORY_WIDTH, chapter, colour=PAPER)
    for last in {WINGS[wing] for wing in COLUMNS}:
        ax.axhspan(-STORY.index(last) - .46, -STORY.index(last) + .46, color='#f3f3f0', zorder=0)
    for wing in COLUMNS:
        x, y = centre(wing)
        box(ax, x - WING_WIDTH/2, y, WING_WIDTH, wing, inside(graph, wing))
    for pair in sorted(story_imports(graph)): arrow(ax, *pair, '#b5651d')
    for start, end in sorted(without_implied(wing_imports(graph))):
        upwards = list(WINGS).index(end) > list(WINGS).index(start)
        arrow(ax, start, end, '#b00020' if upwards else '#778899')
    explain(ax, graph, STORY_WIDTH + GAP)
    ax.set(xlim=(-.1, right + .1), ylim=(-len(STORY) + .1, 2.7))
    ax.axis('off')
    fig.savefig(path, dpi=100)
    picture = Image.open(path).convert('P', palette=Image.Palette.ADAPTIVE, colors=48)
    picture.save(path, optimize=True)


if __name__ == '__main__':
    if len(sys.argv) != 2: sys.exit(__doc__)
    draw(import_graph(PACKAGE), sys.argv[1])
