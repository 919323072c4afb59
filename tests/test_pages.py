"""The hand-written pages: links lead somewhere, names exist, code runs, and figures are those of the CSV file.

And the reference shows what the code says."""
import ast
import importlib
import inspect
import json
import re
import shlex
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))
import docs  # noqa: E402
import tables  # noqa: E402
from tree import all_notebooks, notebooks  # noqa: E402

PAGES = sorted((ROOT/'docs').glob('*.md'))
READ = [*PAGES, ROOT/'README.md', ROOT/'data'/'README.md', *all_notebooks()]
FENCE = re.compile(r'^```(\w+)\n(.*?)^```', re.M | re.S)
INLINE_CODE = re.compile(r'`[^`\n]*`')
LINK = re.compile(r'\]\((?!https?:|#|mailto:)([^)#\s]+)')
FORMULA = re.compile(r'\$\$(.+?)\$\$|(?<![\\$\w])\$([^\s$][^$\n]*?)\$', re.S)


def prose(path):
    "The Markdown of a page or a notebook, without code."
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb':
        cells = json.loads(text)['cells']
        text = '\n\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    return INLINE_CODE.sub('', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))


def blocks(path, language):
    "The code blocks of a page in one language."
    return [m[2] for m in FENCE.finditer(path.read_text(encoding='utf-8')) if m[1] == language]


def test_every_link_leads_to_a_file():
    links = [(p, m[1]) for p in READ for m in LINK.finditer(prose(p))]
    assert len(links) > 100
    assert not [f'{p.name}: {to}' for p, to in links if not (p.parent/to).exists()]


def test_every_page_is_in_the_table_of_contents():
    assert {p.stem for p in PAGES} == {*docs.HOWTO, *docs.REFERENCE, *docs.EXPLANATION, 'workbook'}
    listed = [p for _, _, paths in tables.groups() for p in paths] + [ROOT/'nbs'/'000_tour.ipynb']
    assert sorted(listed) == sorted(notebooks())


def test_what_pages_take_from_elsewhere_is_up_to_date():
    assert tables.stale() == [], 'run make prepare'


# The table of equations

def equation_rows():
    "The cells of each row that names something of the package."
    lines = (ROOT/'docs'/'equations.md').read_text(encoding='utf-8').splitlines()
    rows = [line.strip('|').split(' | ') for line in lines if '`saggan.' in line and line[0] == '|']
    return [[cell.strip() for cell in row] for row in rows]


ROWS = equation_rows()


def is_test_of(name, cell):
    "Does a cell that exports nothing use the name and assert something?"
    if cell.cell_type != 'code' or '#| export' in cell.source: return False
    asserts = re.search(r'\bassert|\btest_|raise AssertionError', cell.source)
    return bool(asserts and re.search(rf'\b{name}\b', cell.source))


def has_test(name, paths):
    "Does one of the notebooks test the name?"
    cells = [c for path in paths for c in nbformat.read(ROOT/'nbs'/path, 4).cells]
    return any(is_test_of(name, c) for c in cells)


@pytest.mark.parametrize('row', ROWS, ids=lambda r: r[0][:30])
def test_equation_table(row):
    paths = re.findall(r'\.\./nbs/([\w./]+\.ipynb)', row[-1])
    names = re.findall(r'`(saggan(?:\.\w+)+)`', ' '.join(row))
    assert paths and names
    for dotted in names:
        module, name = dotted.rsplit('.', 1)
        assert hasattr(importlib.import_module(module), name), dotted
        assert dotted in docs.NAMES, f'{dotted} has no heading in the reference'
        assert has_test(name, paths), f'no test of {name} in {paths}'


def test_equation_table_has_all_equations():
    numbers = [n for row in ROWS for n in re.findall(r'\d+', row[0]) if re.match(r'[\d, ]+$', row[0])]
    assert numbers == [str(i) for i in range(1, 12)]


def test_equation_table_has_only_options_that_exist():
    from saggan.classification import ClassifierSettings
    from saggan.experiment.settings import StudySettings
    from saggan.saggan import SAGGANSettings
    from saggan.training import TrainingSettings
    kinds = StudySettings, TrainingSettings, SAGGANSettings, ClassifierSettings
    known = {f.name for kind in kinds for f in fields(kind)}
    known |= {'reduction', 'width', 'start', 'upsample', 'least_change', 'judged', 'seeds'}
    mention = re.compile(r'`(?:--)?(?:\w+\.)?(\w+)(?:=[^`]*)?`')
    options = {m[1] for row in ROWS if len(row) == 5 for m in mention.finditer(row[2])}
    options -= {'own', 'none', 'lsgan', 'l1'}  # values
    assert len(options) > 15 and not options - known, options - known


# Code and commands

@pytest.mark.parametrize('page', [p for p in PAGES if blocks(p, 'python')], ids=lambda p: p.stem)
def test_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {'__name__': 'page'}
    for i, code in enumerate(blocks(page, 'python')):
        exec(compile(code, f'{page.name}, block {i + 1}', 'exec'), names)


def commands():
    "Every line of a page that starts with saggan, with its page."
    for p in (*PAGES, ROOT/'data'/'README.md'):
        lines = [line for block in blocks(p, 'sh') for line in block.splitlines()]
        indented = [line for line in p.read_text(encoding='utf-8').splitlines() if line.startswith('    saggan ')]
        for line in [*lines, *map(str.strip, indented)]:
            if line.startswith('saggan '): yield p, re.split(r' [>&] ?', line)[0]


def test_commands_of_pages_are_understood():
    from saggan.cli.main import parser
    found = list(commands())
    assert len(found) > 10
    for p, line in found:
        try: parser().parse_args(shlex.split(line, comments=True)[1:])
        except SystemExit: pytest.fail(f'{p.name}: {line}')


# The reference

SHOWN = ('losses', 'discriminator', 'data', 'augmentation', 'evaluation.metrics', 'study', 'base.core')


def parameter_names(thing):
    "What the reference must list for a function or a dataclass."
    if is_dataclass(thing): return [f.name for f in fields(thing)]
    return list(inspect.signature(thing).parameters) if inspect.isfunction(thing) else []


def own_names(module):
    "Functions and classes that a module lists and defines itself."
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isfunction(thing) or inspect.isclass(thing)): continue
        if thing.__module__ == module.__name__: yield name, thing


def test_reference_shows_every_parameter_with_its_comment():
    missing, count = [], 0
    for dotted in SHOWN:
        module = importlib.import_module(f'saggan.{dotted}')
        page = docs.api_page(Path(module.__file__), None)[0]
        for name, thing in own_names(module):
            part = re.search(rf'^## {name}$(.*?)(?=^## |\Z)', page, re.M | re.S)[1]
            lost = [p for p in parameter_names(thing) if not re.search(rf'`\**{p}`', part)]
            missing += [f'{dotted}.{name}: {p}' for p in lost]
            count += part.count('| `')
    assert not missing and count > 100
    page = docs.api_page(ROOT/'saggan'/'losses.py', None)[0]
    assert "| `mode` | `str` | `'ce+dice'` | 'l1' (Eq. 5), 'l1+dice' or 'ce+dice' |" in page


def test_reference_agrees_with_docments():
    docments = pytest.importorskip('fastcore.docments').docments
    from saggan.losses import mask_loss
    source = inspect.getsource(mask_loss)
    rows = docs.parameters(ast.parse(source).body[0], docs.comments(source))
    ours = {name: comment for row, comment in rows for name, _, _ in row}
    assert ours == {k: v for k, v in docments(mask_loss).items() if k != 'return'}


def test_formulas_can_be_written_as_mathml():
    pytest.importorskip('sphinx')
    from mathml import SPELLINGS, latex2mathml
    formulas = [m[1] or m[2] for p in READ for m in FORMULA.finditer(prose(p))]
    assert len(formulas) > 80
    for tex in formulas:
        for pattern, other in SPELLINGS.items(): tex = re.sub(pattern, other, tex)
        assert '<math' in latex2mathml.tex2mathml(tex)


@pytest.mark.parametrize('tag,bad', [
    ('<script src="https://cdn.example.org/a.js">', True),
    ('<link rel="stylesheet" href="//fonts.example.org/a.css">', True),
    ('<img src="http://example.org/a.png">', True),
    ('<a href="https://example.org">', False),
    ('<script src="../_static/a.js">', False)])
def test_a_request_to_another_host_is_seen(tag, bad, tmp_path):
    (tmp_path/'a.html').write_text(f'<html>{tag}</html>')
    assert bool(docs.outside(tmp_path)) == bad
