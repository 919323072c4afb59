"""The site, from the notebooks, the modules and docs/, without Quarto.

`python tools/docs.py` writes _site/html; `make docs` installs what it needs. Sources keep their places (nbs/, docs/,
data/), so one relative link serves the repository and the site. Warnings are errors, and a page that asks another host
for anything is one too."""
import argparse
import ast
import io
import os
import re
import shutil
import subprocess
import sys
import tokenize
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import yaml
from tables import groups, listing
from tree import NBS, PACKAGE, ROOT, all_notebooks, dotted, modules

SITE = ROOT/'_site'
HOWTO = ('own_data', 'headless', 'pipelines', 'reading_a_report', 'citing')
REFERENCE, EXPLANATION = ('equations', 'which_method'), ('findings', 'speed')
DIRECTIVE = re.compile(r'^\s*#\s*\|\s*(.+?)\s*$')
MODULE = re.compile(r'^#\|\s*default_exp\s+([\w.]+)', re.M)
NAME = r'saggan(?:\.\w+)+'  # a dotted name


# Notebooks

def only_imports(code):
    "Nothing but imports, `_all_` and comments?"
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', 'pass', code, flags=re.M)).body
    except SyntaxError: return False
    return all(isinstance(b, (ast.Import, ast.ImportFrom)) or is_all(b) for b in body)


def is_all(b):
    "Does a statement set `_all_`, with which nbdev exports names from elsewhere?"
    return isinstance(b, ast.Assign) and getattr(b.targets[0], 'id', '') == '_all_'


def shown(cell):
    "The cell as a reader should see it, or None: no directives, no hidden cells, no bare imports; stages folded."
    if cell.cell_type != 'code': return cell
    lines, tags = cell.source.splitlines(), cell.metadata.get('tags', [])
    directives = [m[1] for m in map(DIRECTIVE.match, lines) if m]
    code = '\n'.join(s for s in lines if not DIRECTIVE.match(s)).strip()
    if 'parameters' in tags: return None
    if {'hide', 'default_exp'} & {re.split(r'[:\s]', d)[0] for d in directives}: return None
    if only_imports(code) and not cell.outputs: return None
    cell.source, cell.execution_count = code, None
    hidden = []
    if {'echo:false', 'hide_input'} & {d.replace(' ', '') for d in directives}: hidden = ['remove-input']
    elif 'stage' in tags: hidden = ['hide-input']
    cell.metadata = nbformat.from_dict(dict(tags=hidden))
    for o in cell.outputs: o.pop('execution_count', None)
    return cell


def write_notebook(path, out):
    "One notebook for the site; its module, or ''."
    nb = nbformat.read(path, 4)
    found = [MODULE.search(c.source) for c in nb.cells if c.cell_type == 'code']
    module = next((m[1] for m in found if m), '')
    nb.cells = [c for c in map(shown, nb.cells) if c is not None]
    for c in nb.cells:
        if c.cell_type == 'markdown': c.source = linked(c.source)
    kernel = dict(name='python3', display_name='Python 3', language='python')
    nb.metadata = nbformat.from_dict(dict(kernelspec=kernel, language_info=dict(name='python')))
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, out)
    return module


# API

def comments(source):
    "Line number -> the text of the comment on that line."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip('# ').strip() for t in tokens if t.type == tokenize.COMMENT}


def parameters(function, said):
    "Rows of a function's parameters: a list of (name, type, default), and the comment that those on one line share."
    a, rows = function.args, {}
    plain = a.posonlyargs + a.args
    every = list(zip(plain, [None]*(len(plain) - len(a.defaults)) + a.defaults, ['']*len(plain)))
    if a.vararg: every.append((a.vararg, None, '*'))
    every += [(p, default, '') for p, default in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg: every.append((a.kwarg, None, '**'))
    for p, default, stars in every:
        if p.arg in ('self', 'cls'): continue
        row = rows.setdefault((default or p).end_lineno, [])
        row.append((stars + p.arg, unparsed(p.annotation), unparsed(default)))
    return [(row, said.get(line, '')) for line, row in sorted(rows.items())]


def unparsed(node): return ast.unparse(node) if node else ''


def field_rows(body, said):
    "The same for the fields of a dataclass."
    rows = []
    for b in body:
        if not isinstance(b, ast.AnnAssign): continue
        rows.append(([(b.target.id, unparsed(b.annotation), unparsed(b.value))], said.get(b.end_lineno, '')))
    return rows


def cell(text): return text.replace('|', '\\|').replace('\n', ' ')
def code(text): return f'`{cell(text)}`' if text else ''


def table(rows):
    "Markdown table of parameters; '' when there are none."
    if not rows: return ''
    columns = [0]
    for i in (1, 2):  # a column of types or defaults only where there is one
        if any(r[i] for row, _ in rows for r in row): columns.append(i)
    head = [('name', 'type', 'default')[i] for i in columns] + ['meaning']
    out = ['| ' + ' | '.join(head) + ' |', '|' + '---|'*len(head)]
    for row, said in rows:
        cells = []
        for i in columns:
            words = [code(r[i]) for r in row if r[i]]
            cells.append(', '.join(dict.fromkeys(words)))
        out.append('| ' + ' | '.join([*cells, cell(said)]) + ' |')
    return '\n'.join(out)


def signature(name, rows):
    "name(a, b=1, *, **c) as code, without types."
    inner = ', '.join(n + (f'={d}' if d else '') for row, _ in rows for n, _, d in row)
    return f'```python\n{name}({inner})\n```'


def doc(node): return linked(ast.get_docstring(node) or '')


def of_function(name, node, said, anchor):
    rows = parameters(node, said)
    return '\n\n'.join(filter(None, [f'({anchor})=\n## {name}', signature(name, rows), doc(node), table(rows)]))


def of_method(name, method, node, said):
    "A method of a class."
    rows = parameters(node, said)
    about = ast.get_docstring(node) or ('' if rows else said.get(node.lineno, ''))
    return '\n\n'.join(filter(None, [f'### {name}.{method}', signature(method, rows), linked(about), table(rows)]))


def patched(tree):
    "Class -> its methods that stand in cells of their own: functions under `@patch`, whose `self` names the class."
    found = {}
    for b in tree.body:
        if not isinstance(b, ast.FunctionDef): continue
        if 'patch' not in [unparsed(d).partition('(')[0] for d in b.decorator_list]: continue
        found.setdefault(unparsed(b.args.args[0].annotation), []).append(b)
    return found


def of_class(name, node, said, anchor, more=()):
    "A class with its fields or the parameters of its `__init__`, then its public methods; `more` are patched in."
    methods = {b.name: b for b in [*node.body, *more] if isinstance(b, ast.FunctionDef)}
    is_data, rows, call = any('dataclass' in ast.unparse(d) for d in node.decorator_list), [], ''
    if is_data: rows = field_rows(node.body, said)
    elif '__init__' in methods: rows = parameters(methods['__init__'], said)
    if rows and not is_data: call = signature(name, rows)
    kind = f'A {"dataclass" if is_data else "class"}'
    if node.bases: kind += f' from {", ".join(code(ast.unparse(b)) for b in node.bases)}'
    parts = [f'({anchor})=\n## {name}', f'*{kind}.*', call, doc(node), table(rows)]
    parts += [of_method(name, k, b, said) for k, b in methods.items() if not k.startswith('_')]
    return '\n\n'.join(filter(None, parts))


def assigned(tree):
    "Name -> the assignment at a module's top level."
    return {t.id: b for b in tree.body if isinstance(b, ast.Assign) for t in b.targets if isinstance(t, ast.Name)}


def homes(tree, module):
    "Name -> dotted name of the module of this package that it is imported from."
    found = {}
    for b in tree.body:
        if not isinstance(b, ast.ImportFrom) or not b.level or not b.module: continue
        package = module.split('.')[:-b.level]
        for a in b.names: found[a.asname or a.name] = '.'.join([*package, b.module])
    return found


def api_page(path, notebook):
    "The reference of one module in markdown, and its subtitle; constants as they stand in the source."
    source, module = path.read_text(encoding='utf-8'), dotted(path)
    tree, said = ast.parse(source), comments(source)
    values, elsewhere, more = assigned(tree), homes(tree, module), patched(tree)
    defined = {b.name: b for b in tree.body if isinstance(b, (ast.FunctionDef, ast.ClassDef))}
    about = (ast.get_docstring(tree) or '').strip()
    parts = [f'# {module}']
    if about: parts.append(f'> {linked(about)}')
    if notebook:
        parts.append(f'Explained and tested in [{notebook.stem}](../nbs/{notebook.relative_to(NBS).as_posix()}).')
    for n in dict.fromkeys(ast.literal_eval(values['__all__'].value)):
        anchor, node = target(f'{module}.{n}'), defined.get(n)
        head = f'({anchor})=\n## {n}\n\n'
        if isinstance(node, ast.ClassDef): parts.append(of_class(n, node, said, anchor, more.get(n, ())))
        elif node: parts.append(of_function(n, node, said, anchor))
        elif n in values:
            text = ast.get_source_segment(source, values[n])
            parts.append(head + said.get(values[n].end_lineno, '') + f'\n\n```python\n{text}\n```')
        else: parts.append(head + f'From {linked(f"`{elsewhere[n]}.{n}`")}.')
    return '\n\n'.join(parts) + '\n', about


def names():
    "Every dotted name that the reference has a heading for."
    found = set()
    for p in modules():
        tree = ast.parse(p.read_text(encoding='utf-8'))
        found |= {f'{dotted(p)}.{n}' for n in ast.literal_eval(assigned(tree)['__all__'].value)}
    return found


NAMES = names()


def target(name):
    "The anchor of a dotted name. Anchors do not tell capitals apart, so names that differ in them get endings."
    if not any(n != name and n.lower() == name.lower() for n in NAMES): return name
    last = name.rpartition('.')[2]
    if last.islower(): return name
    return name + ('-constant' if last.isupper() else '-class')


def linked(text):
    "`saggan.module.name` in running text leads to the reference; inside fences and links nothing changes."
    def one(m):
        if m[1] not in NAMES: return m[0]
        return f'[`{m[1].removeprefix("saggan.")}`](#{target(m[1])})'
    parts = re.split(r'(^```.*?^```)', text, flags=re.M | re.S)
    return ''.join(p if i % 2 else re.sub(rf'(?<!\[)`({NAME})`(?!\])', one, p) for i, p in enumerate(parts))


def command_page():
    "What `saggan --help` and the help of each subcommand say."
    start = 'import sys; from saggan.cli.main import main; sys.exit(main(sys.argv[1:]))'
    env = os.environ | dict(COLUMNS='100', PYTHONPATH=str(ROOT), NO_COLOR='1')
    def ask(*args):
        p = subprocess.run([sys.executable, '-c', start, *args, '--help'], env=env, capture_output=True, text=True)
        if p.returncode: sys.exit(f'saggan {" ".join(args)} --help failed:\n{p.stderr}')
        return re.sub(r'^usage: -c', 'usage: saggan', p.stdout, flags=re.M)
    sys.path.insert(0, str(ROOT))
    from saggan.cli.main import parser
    sub = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    about = '> What `saggan` and each of its subcommands read, write and cost.'
    parts = ['# Command line', about, f'```text\n{ask()}```']
    parts += [f'## saggan {k}\n\n```text\n{ask(k)}```' for k in sub.choices]
    return '\n\n'.join(parts) + '\n'


# The site

def write_sources(src):
    "All pages into `src`; returns the table of contents."
    for folder in ('nbs', 'docs', 'api', 'data'): (src/folder).mkdir(parents=True)
    for p in (ROOT/'docs').glob('*.md'):
        (src/'docs'/p.name).write_text(linked(p.read_text(encoding='utf-8')), encoding='utf-8')
    shutil.copytree(ROOT/'docs'/'_static', src/'_static')
    shutil.copytree(NBS/'images', src/'nbs'/'images')
    for p in (ROOT/'docs').glob('*.csv'): shutil.copy(p, src/'docs')
    shutil.copytree(ROOT/'docs'/'_static', src/'docs'/'_static', ignore=shutil.ignore_patterns('*.css'))
    for p in ('data/README.md', 'CITATION.cff', 'LICENSE'): shutil.copy(ROOT/p, src/p)
    by_module = {write_notebook(p, src/'nbs'/p.relative_to(NBS)): p for p in all_notebooks() if p.name[0] != '_'}
    lines = ['| module | what it is about |', '|---|---|']
    for p in modules():
        name = '.'.join(p.relative_to(PACKAGE).with_suffix('').parts)
        file = name.replace('.', '-')
        text, about = api_page(p, by_module.get(name))
        (src/'api'/f'{file}.md').write_text(text, encoding='utf-8')
        lines.append(f'| [saggan.{name}]({file}.md) | {cell(linked(about))} |')
    head = '# Modules\n\n> Every public name, from the code and its comments.\n\n'
    (src/'api'/'index.md').write_text(head + '\n'.join(lines) + '\n', encoding='utf-8')
    (src/'api'/'command.md').write_text(command_page(), encoding='utf-8')
    return contents(src)


def contents(src):
    "The table of contents: tutorial, how-to, reference, explanation; and a page for each group of notebooks."
    workbook = []
    for title, about, paths in groups():
        name = 'docs/workbook-' + re.sub(r'\W+', '-', title.lower())
        (src/f'{name}.md').write_text(f'# {title}\n\n> {about}\n\n{linked(listing(paths))}\n', encoding='utf-8')
        sections = [dict(file=p.relative_to(ROOT).with_suffix('').as_posix()) for p in paths]
        workbook.append(dict(file=name, sections=sections))
    chapters = [dict(file=f'docs/{n}') for n in EXPLANATION] + [dict(file='docs/workbook', sections=workbook)]
    pages = [p for p in sorted((src/'api').glob('*.md')) if p.stem not in ('index', 'command')]
    api = dict(file='api/index', sections=[dict(file=f'api/{p.stem}') for p in pages])
    reference = [dict(file=f'docs/{n}') for n in REFERENCE] + [dict(file='api/command'), api]
    return dict(format='jb-book', root='nbs/index', parts=[
        dict(caption='Tutorial', chapters=[dict(file='nbs/000_tour')]),
        dict(caption='How to', chapters=[dict(file='data/README')] + [dict(file=f'docs/{n}') for n in HOWTO]),
        dict(caption='Reference', chapters=reference),
        dict(caption='Explanation', chapters=chapters)])


HTML = dict(use_repository_button=False, use_issues_button=False, use_edit_page_button=False, home_page_in_navbar=True,
            extra_footer='Research use only; nothing here is a diagnosis.')
SPHINX = dict(
    html_math_renderer='mathml', nb_ipywidgets_js={}, nb_mime_priority_overrides=[], html_show_copyright=False,
    html_context=dict(default_mode='auto'),
    html_theme_options=dict(navbar_persistent=[], navbar_start=[], navbar_center=[], navbar_end=[]),
    myst_enable_extensions=['dollarmath', 'amsmath', 'colon_fence', 'deflist'], myst_dmath_double_inline=True,
    myst_heading_anchors=4, suppress_warnings=['myst.header'])
CONFIG = dict(
    title='saggan', author='The saggan team', copyright='2026', only_build_toc_files=True,
    execute=dict(execute_notebooks='off'), repository=dict(url=''), html=HTML,
    launch_buttons=dict(notebook_interface='classic', binderhub_url='', jupyterhub_url='', thebe=False, colab_url=''),
    sphinx=dict(extra_extensions=['mathml'], config=SPHINX))


class Requests(HTMLParser):
    "What a page would fetch by itself from another host."
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        a, at = dict(attrs), None
        if tag == 'link' and a.get('rel') not in ('canonical', 'license'): at = a.get('href')
        if tag in ('script', 'img', 'iframe', 'source', 'video'): at = a.get('src')
        if at and re.match(r'(https?:)?//', at): self.found.append(f'<{tag}> {at}')


def outside(html):
    "Requests to other hosts that the built pages make, one line each."
    out = []
    for p in sorted(html.rglob('*.html')):
        r = Requests()
        r.feed(p.read_text(encoding='utf-8'))
        out += [f'{p.relative_to(html)}: {f}' for f in dict.fromkeys(r.found)]
    return out


def build(site):
    "Write the sources and build them; ends the program when something is wrong."
    shutil.rmtree(site, ignore_errors=True)
    src = site/'src'
    toc = write_sources(src)
    for name, what in (('_toc.yml', toc), ('_config.yml', CONFIG)):
        (src/name).write_text(yaml.safe_dump(what, sort_keys=False), encoding='utf-8')
    env = os.environ | dict(PYTHONPATH=str(ROOT/'tools'))
    book = Path(sys.executable).parent/'jupyter-book'
    command = [book, 'build', '-W', '--keep-going', '--path-output', str(site), str(src)]
    if subprocess.run(command, env=env).returncode: sys.exit('the site has warnings: see above')
    html = site/'html'
    shutil.move(site/'_build'/'html', html)
    if bad := outside(html): sys.exit('pages ask other hosts:\n' + '\n'.join(bad))
    print(f'{len(list(html.rglob("*.html")))} pages: open {html/"index.html"}')


if __name__ == '__main__': build(SITE)
