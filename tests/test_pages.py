"The hand-written pages: links lead somewhere, names exist, code runs, figures are those of the CSV file, and the reference shows what the code says."
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


def prose(path):
    "The Markdown of a page or a notebook, without code blocks."
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb': text = '\n\n'.join(''.join(c['source']) for c in json.loads(text)['cells'] if c['cell_type'] == 'markdown')
    return re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)


def blocks(path, language): return [m[2] for m in FENCE.finditer(path.read_text(encoding='utf-8')) if m[1] == language]


def test_every_link_leads_to_a_file():
    links = [(p, m[1]) for p in READ for m in re.finditer(r'\]\((?!https?:|#|mailto:)([^)#\s]+)', re.sub(r'`[^`\n]*`', '', prose(p)))]
    assert len(links) > 100
    assert not [f'{p.name}: {to}' for p, to in links if not (p.parent/to).exists()]


def test_every_page_is_in_the_table_of_contents():
    assert {p.stem for p in PAGES} == {*docs.HOWTO, *docs.REFERENCE, *docs.EXPLANATION, 'workbook'}
    listed = [p for _, _, paths in tables.groups() for p in paths] + [ROOT/'nbs'/'000_tour.ipynb']
    assert sorted(listed) == sorted(notebooks())


def test_what_pages_take_from_elsewhere_is_up_to_date():
    assert tables.stale() == [], 'run make prepare'


ROWS = [[c.strip() for c in line.strip('|').split(' | ')] for line in (ROOT/'docs'/'equations.md').read_text(encoding='utf-8').splitlines() if '`saggan.' in line and line[0] == '|']


def has_test(name, notebooks):
    "Does a cell that exports nothing use the name and assert something, in one of the notebooks?"
    for n in notebooks:
        for c in nbformat.read(ROOT/'nbs'/n, 4).cells:
            if c.cell_type == 'code' and '#| export' not in c.source and re.search(rf'\b{name}\b', c.source) and re.search(r'\bassert|\btest_|raise AssertionError', c.source): return True
    return False


@pytest.mark.parametrize('row', ROWS, ids=lambda r: r[0][:30])
def test_equation_table(row):
    notebooks = re.findall(r'\.\./nbs/([\w./]+\.ipynb)', row[-1])
    names = re.findall(r'`(saggan(?:\.\w+)+)`', ' '.join(row))
    assert notebooks and names
    for dotted in names:
        module, name = dotted.rsplit('.', 1)
        assert hasattr(importlib.import_module(module), name), dotted
        assert dotted in docs.NAMES, f'{dotted} has no heading in the reference'
        assert has_test(name, notebooks), f'no test of {name} in {notebooks}'


def test_equation_table_has_all_equations_and_only_options_that_exist():
    said = [n for row in ROWS for n in re.findall(r'\d+', row[0]) if re.match(r'[\d, ]+$', row[0])]
    assert said == [str(i) for i in range(1, 12)]
    from saggan.classification import ClassifierSettings
    from saggan.experiment.settings import StudySettings
    from saggan.training import TrainingSettings
    from saggan.saggan import SAGGANSettings
    known = {f.name for kind in (StudySettings, TrainingSettings, SAGGANSettings, ClassifierSettings) for f in fields(kind)}
    known |= {'reduction', 'width', 'start', 'upsample', 'least_change', 'judged', 'seeds'}
    options = {m[1] for row in ROWS if len(row) == 5 for m in re.finditer(r'`(?:--)?(?:\w+\.)?(\w+)(?:=[^`]*)?`', row[2])} - {'own', 'none', 'lsgan', 'l1'}
    assert len(options) > 15 and not options - known, options - known


@pytest.mark.parametrize('page', [p for p in PAGES if blocks(p, 'python')], ids=lambda p: p.stem)
def test_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {'__name__': 'page'}
    for i, code in enumerate(blocks(page, 'python')): exec(compile(code, f'{page.name}, block {i + 1}', 'exec'), names)


def commands():
    "Every line of a page that starts with saggan, with its page."
    for p in (*PAGES, ROOT/'data'/'README.md'):
        text = p.read_text(encoding='utf-8')
        lines = [s for b in blocks(p, 'sh') for s in b.splitlines()] + [s.strip() for s in text.splitlines() if s.startswith('    saggan ')]
        for s in lines:
            if s.startswith('saggan '): yield p, re.split(r' [>&] ?', s)[0]


def test_commands_of_pages_are_understood():
    from saggan.cli.main import parser
    found = list(commands())
    assert len(found) > 10
    for p, line in found:
        try: parser().parse_args(shlex.split(line, comments=True)[1:])
        except SystemExit: pytest.fail(f'{p.name}: {line}')


def test_reference_shows_every_parameter_with_its_comment():
    missing, said = [], 0
    for module in ('losses', 'discriminator', 'data', 'augmentation', 'scores', 'study', 'core'):
        path, m = ROOT/'saggan'/f'{module}.py', importlib.import_module(f'saggan.{module}')
        page = docs.api_page(path, None)[0]
        for name in m.__all__:
            thing = getattr(m, name)
            if getattr(thing, '__module__', '') != m.__name__ or not (inspect.isfunction(thing) or inspect.isclass(thing)): continue
            part = re.search(rf'^## {name}$(.*?)(?=^## |\Z)', page, re.M | re.S)[1]
            wanted = [f.name for f in fields(thing)] if is_dataclass(thing) else [p for p in inspect.signature(thing).parameters] if inspect.isfunction(thing) else []
            missing += [f'{module}.{name}: {p}' for p in wanted if not re.search(rf'`\**{p}`', part)]
            said += part.count('| `')
    assert not missing and said > 100
    page = docs.api_page(ROOT/'saggan'/'losses.py', None)[0]
    assert "| `mode` | `str` | `'ce+dice'` | 'l1' (Eq. 5), 'l1+dice' or 'ce+dice' |" in page


def test_reference_agrees_with_docments():
    docments = pytest.importorskip('fastcore.docments').docments
    from saggan.losses import mask_loss
    source = inspect.getsource(mask_loss)
    ours = {n: said for row, said in docs.parameters(__import__('ast').parse(source).body[0], docs.comments(source)) for n, _, _ in row}
    assert ours == {k: v for k, v in docments(mask_loss).items() if k != 'return'}


def test_formulas_can_be_written_as_mathml():
    pytest.importorskip('sphinx')
    from mathml import SPELLINGS, latex2mathml
    found = [m[1] or m[2] for p in READ for m in re.finditer(r'\$\$(.+?)\$\$|(?<![\\$\w])\$([^\s$][^$\n]*?)\$', re.sub(r'`[^`\n]*`', '', prose(p)), re.S)]
    assert len(found) > 80
    for tex in found:
        for pattern, other in SPELLINGS.items(): tex = re.sub(pattern, other, tex)
        assert '<math' in latex2mathml.tex2mathml(tex)


@pytest.mark.parametrize('tag,bad', [('<script src="https://cdn.example.org/a.js">', True), ('<link rel="stylesheet" href="//fonts.example.org/a.css">', True),
                                     ('<img src="http://example.org/a.png">', True), ('<a href="https://example.org">', False), ('<script src="../_static/a.js">', False)])
def test_a_request_to_another_host_is_seen(tag, bad, tmp_path):
    (tmp_path/'a.html').write_text(f'<html>{tag}</html>')
    assert bool(docs.outside(tmp_path)) == bad
