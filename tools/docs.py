"""The site, from the notebooks, the modules and docs/, without Quarto: `python tools/docs.py` writes _site/html; `make docs` installs what it needs.

Sources keep their places (nbs/, docs/, data/), so one relative link serves the repository and the site. Warnings are errors, and a page
that asks another host for anything is one too."""
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

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT/'_site'
HOWTO = ('own_data', 'headless', 'pipelines', 'reading_a_report', 'citing')
REFERENCE, EXPLANATION = ('equations', 'which_method'), ('findings', 'speed')
DIRECTIVE = re.compile(r'^\s*#\s*\|\s*(.+?)\s*$')
MODULE = re.compile(r'^#\|\s*default_exp\s+(\w+)', re.M)


# Notebooks

def only_imports(code):
    "Nothing but imports, `_all_` and comments?"
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', 'pass', code, flags=re.M)).body
    except SyntaxError: return False
    return all(isinstance(b, (ast.Import, ast.ImportFrom)) or isinstance(b, ast.Assign) and getattr(b.targets[0], 'id', '') == '_all_' for b in body)


def shown(cell):
    "The cell as a reader should see it, or None: no directives, no hidden cells, no bare imports; stages folded."
    if cell.cell_type != 'code': return cell
    lines = cell.source.splitlines()
    said = [m[1].replace(' ', '') for m in map(DIRECTIVE.match, lines) if m]
    tags, code = cell.metadata.get('tags', []), '\n'.join(s for s in lines if not DIRECTIVE.match(s)).strip()
    if {'hide', 'default_exp'} & {re.split(r'[:\s]', s)[0] for s in (m[1] for m in map(DIRECTIVE.match, lines) if m)} or 'parameters' in tags: return None
    if only_imports(code) and not cell.outputs: return None
    cell.source, cell.execution_count = code, None
    hidden = 'remove-input' if 'echo:false' in said or 'hide_input' in said else 'hide-input' if 'stage' in tags else None
    cell.metadata = nbformat.from_dict(dict(tags=[hidden] if hidden else []))
    for o in cell.outputs: o.pop('execution_count', None)
    return cell


def write_notebook(path, out):
    "One notebook for the site; its module, or ''."
    nb = nbformat.read(path, 4)
    module = next((m[1] for c in nb.cells if c.cell_type == 'code' and (m := MODULE.search(c.source))), '')
    nb.cells = [c for c in map(shown, nb.cells) if c is not None]
    for c in nb.cells:
        if c.cell_type == 'markdown': c.source = linked(c.source)
    nb.metadata = nbformat.from_dict(dict(kernelspec=dict(name='python3', display_name='Python 3', language='python'), language_info=dict(name='python')))
    nbformat.write(nb, out)
    return module


# API

def comments(source):
    "Line number -> the text of the comment on that line."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip('# ').strip() for t in tokens if t.type == tokenize.COMMENT}


def parameters(function, said):
    "(names, type, default, comment) of a function's parameters; those that share a line and its comment make one row."
    a, rows = function.args, {}
    plain = a.posonlyargs + a.args
    defaults = [None]*(len(plain) - len(a.defaults)) + a.defaults
    every = [(p.arg, p, d) for p, d in zip(plain, defaults)] + [('*' + p.arg, p, None) for p in (a.vararg,) if p]
    every += [(p.arg, p, d) for p, d in zip(a.kwonlyargs, a.kw_defaults)] + [('**' + p.arg, p, None) for p in (a.kwarg,) if p]
    for name, p, d in every:
        if name in ('self', 'cls'): continue
        rows.setdefault((d or p).end_lineno, []).append((name, ast.unparse(p.annotation) if p.annotation else '', ast.unparse(d) if d else ''))
    return [(row, said.get(line, '')) for line, row in sorted(rows.items())]


def field_rows(body, said):
    "The same for the fields of a dataclass."
    return [([(b.target.id, ast.unparse(b.annotation), ast.unparse(b.value) if b.value else '')], said.get(b.end_lineno, ''))
            for b in body if isinstance(b, ast.AnnAssign)]


def cell(text): return text.replace('|', '\\|').replace('\n', ' ')
def code(text): return f'`{cell(text)}`' if text else ''


def table(rows):
    "Markdown table of parameters; '' when there are none."
    if not rows: return ''
    typed, given = (any(r[i] for row, _ in rows for r in row) for i in (1, 2))
    head = ['name'] + ['type']*typed + ['default']*given + ['meaning']
    out = ['| ' + ' | '.join(head) + ' |', '|' + '---|'*len(head)]
    for row, said in rows:
        each = [', '.join(dict.fromkeys(filter(None, (code(r[i]) for r in row)))) for i in range(3)]
        out.append('| ' + ' | '.join(each[:1] + each[1:2]*typed + each[2:]*given + [cell(said)]) + ' |')
    return '\n'.join(out)


def signature(name, rows):
    "name(a, b=1, *, **c) as code, without types."
    inner = ', '.join(n + (f'={d}' if d else '') for row, _ in rows for n, _, d in row)
    return f'```python\n{name}({inner})\n```'


def doc(node): return linked(ast.get_docstring(node) or '')


def of_function(name, node, said, anchor):
    rows = parameters(node, said)
    return '\n\n'.join(filter(None, [f'({anchor})=\n## {name}', signature(name, rows), doc(node), table(rows)]))


def of_class(name, node, said, anchor):
    "A class with its fields or the parameters of its `__init__`, then its public methods."
    own = {b.name: b for b in node.body if isinstance(b, ast.FunctionDef)}
    data = any('dataclass' in ast.unparse(d) for d in node.decorator_list)
    rows = field_rows(node.body, said) if data else parameters(own['__init__'], said) if '__init__' in own else []
    bases = f'A {"dataclass" if data else "class"}' + (f' from {", ".join(code(ast.unparse(b)) for b in node.bases)}' if node.bases else '') + '.'
    init = signature(name, [] if data else rows) if rows and not data else ''
    parts = [f'({anchor})=\n## {name}', f'*{bases}*', init, doc(node), table(rows)]
    for k, b in own.items():
        if k.startswith('_'): continue
        mine = parameters(b, said)
        line = ast.get_docstring(b) or ('' if mine else said.get(b.lineno, ''))
        parts.append('\n\n'.join(filter(None, [f'### {name}.{k}', signature(k, mine), linked(line), table(mine)])))
    return '\n\n'.join(filter(None, parts))


def assigned(tree):
    "Name -> the assignment at a module's top level."
    return {t.id: b for b in tree.body if isinstance(b, ast.Assign) for t in b.targets if isinstance(t, ast.Name)}


def homes(tree):
    "Name -> module of saggan that it is imported from."
    return {a.asname or a.name: b.module for b in tree.body if isinstance(b, ast.ImportFrom) and b.level == 1 and b.module for a in b.names}


def api_page(path, notebook):
    "The reference of one module in markdown, and its subtitle; constants as they stand in the source."
    source = path.read_text(encoding='utf-8')
    tree, said, name = ast.parse(source), comments(source), path.stem
    values, found, elsewhere = assigned(tree), {b.name: b for b in tree.body if isinstance(b, (ast.FunctionDef, ast.ClassDef))}, homes(tree)
    about = (ast.get_docstring(tree) or '').strip()
    parts = [f'# saggan.{name}', f'> {linked(about)}' if about else '', f'Explained and tested in [{notebook.stem}](../nbs/{notebook.name}).' if notebook else '']
    for n in dict.fromkeys(ast.literal_eval(values['__all__'].value)):
        anchor, node = target(f'saggan.{name}.{n}'), found.get(n)
        if node: parts.append((of_class if isinstance(node, ast.ClassDef) else of_function)(n, node, said, anchor))
        elif n in values:
            text = ast.get_source_segment(source, values[n])
            parts.append(f'({anchor})=\n## {n}\n\n' + said.get(values[n].end_lineno, '') + f'\n\n```python\n{text}\n```')
        else: parts.append(f'({anchor})=\n## {n}\n\nFrom {linked(f"`saggan.{elsewhere[n]}.{n}`")}.')
    return '\n\n'.join(filter(None, parts)) + '\n', about


def names():
    "Every dotted name that the reference has a heading for."
    out = set()
    for p in (ROOT/'saggan').glob('[a-z]*.py'):
        out |= {f'saggan.{p.stem}.{n}' for n in ast.literal_eval(assigned(ast.parse(p.read_text(encoding='utf-8')))['__all__'].value)}
    return out


NAMES = names()


def target(name):
    "The anchor of a dotted name; anchors do not tell capitals apart, so a class that has a function's name says that it is one."
    return name + '-class' if name.lower() in NAMES - {name} else name


def linked(text):
    "`saggan.module.name` in running text leads to the reference; inside fences and links nothing changes."
    def one(m): return f'[`{m[1].removeprefix("saggan.")}`](#{target(m[1])})' if m[1] in NAMES else m[0]
    parts = re.split(r'(^```.*?^```)', text, flags=re.M | re.S)
    return ''.join(p if i % 2 else re.sub(r'(?<!\[)`(saggan\.\w+\.\w+)`(?!\])', one, p) for i, p in enumerate(parts))


def command_page():
    "What `saggan --help` and the help of each subcommand say."
    def ask(*args):
        env = os.environ | dict(COLUMNS='100', PYTHONPATH=str(ROOT), NO_COLOR='1')
        p = subprocess.run([sys.executable, '-c', 'import sys; from saggan.cli import main; sys.exit(main(sys.argv[1:]))', *args, '--help'], env=env, capture_output=True, text=True)
        if p.returncode: sys.exit(f'saggan {" ".join(args)} --help failed:\n{p.stderr}')
        return re.sub(r'^usage: -c', 'usage: saggan', p.stdout, flags=re.M)
    sys.path.insert(0, str(ROOT))
    from saggan.cli import parser
    sub = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    parts = ['# Command line', '> What `saggan` and each of its subcommands read, write and cost.', f'```text\n{ask()}```']
    return '\n\n'.join(parts + [f'## saggan {k}\n\n```text\n{ask(k)}```' for k in sub.choices]) + '\n'


# The site

def write_sources(src):
    "All pages into `src`; returns the table of contents."
    for folder in ('nbs', 'docs', 'api', 'data'): (src/folder).mkdir(parents=True)
    for p in (ROOT/'docs').glob('*.md'): (src/'docs'/p.name).write_text(linked(p.read_text(encoding='utf-8')), encoding='utf-8')
    shutil.copytree(ROOT/'docs'/'_static', src/'_static')
    shutil.copytree(ROOT/'nbs'/'images', src/'nbs'/'images')
    for p in (ROOT/'docs').glob('*.csv'): shutil.copy(p, src/'docs')
    for p in ('data/README.md', 'CITATION.cff', 'LICENSE'): shutil.copy(ROOT/p, src/p)
    by_module = {write_notebook(p, src/'nbs'/p.name): p for p in sorted((ROOT/'nbs').glob('[0-9i]*.ipynb'))}
    lines = []
    for p in sorted((ROOT/'saggan').glob('[a-z]*.py')):
        text, about = api_page(p, by_module.get(p.stem))
        (src/'api'/f'{p.stem}.md').write_text(text, encoding='utf-8')
        lines.append(f'| [saggan.{p.stem}]({p.stem}.md) | {cell(linked(about))} |')
    (src/'api'/'index.md').write_text('# Modules\n\n> Every public name, from the code and its comments.\n\n' + '\n'.join(['| module | what it is about |', '|---|---|', *lines]) + '\n', encoding='utf-8')
    (src/'api'/'command.md').write_text(command_page(), encoding='utf-8')
    return contents(src)


def contents(src):
    "The table of contents: tutorial, how-to, reference, explanation; and a page for each group of notebooks."
    workbook = []
    for title, about, own in groups():
        name = 'docs/workbook-' + re.sub(r'\W+', '-', title.lower())
        (src/f'{name}.md').write_text(f'# {title}\n\n> {about}\n\n{linked(listing(own))}\n', encoding='utf-8')
        workbook.append(dict(file=name, sections=[dict(file=f'nbs/{p.stem}') for p in own]))
    chapters = [dict(file=f'docs/{n}') for n in EXPLANATION] + [dict(file='docs/workbook', sections=workbook)]
    modules = [dict(file=f'api/{p.stem}') for p in sorted((src/'api').glob('*.md')) if p.stem not in ('index', 'command')]
    return dict(format='jb-book', root='nbs/index', parts=[
        dict(caption='Tutorial', chapters=[dict(file='nbs/000_tour')]),
        dict(caption='How to', chapters=[dict(file='data/README')] + [dict(file=f'docs/{n}') for n in HOWTO]),
        dict(caption='Reference', chapters=[dict(file=f'docs/{n}') for n in REFERENCE] + [dict(file='api/command'), dict(file='api/index', sections=modules)]),
        dict(caption='Explanation', chapters=chapters)])


CONFIG = dict(
    title='saggan', author='The saggan team', copyright='2026', only_build_toc_files=True,
    execute=dict(execute_notebooks='off'), repository=dict(url=''),
    html=dict(use_repository_button=False, use_issues_button=False, use_edit_page_button=False, home_page_in_navbar=True, extra_footer='Research use only; nothing here is a diagnosis.'),
    launch_buttons=dict(notebook_interface='classic', binderhub_url='', jupyterhub_url='', thebe=False, colab_url=''),
    sphinx=dict(extra_extensions=['mathml'], config=dict(
        html_math_renderer='mathml', nb_ipywidgets_js={}, nb_mime_priority_overrides=[], html_show_copyright=False, html_context=dict(default_mode='auto'), html_theme_options=dict(navbar_persistent=[], navbar_start=[], navbar_center=[], navbar_end=[]),
        myst_enable_extensions=['dollarmath', 'amsmath', 'colon_fence', 'deflist'], myst_dmath_double_inline=True, myst_heading_anchors=4,
        suppress_warnings=['myst.header'])))


class Requests(HTMLParser):
    "What a page would fetch by itself from another host."
    def __init__(self): super().__init__(); self.found = []
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        at = a.get('href') if tag == 'link' and a.get('rel') not in ('canonical', 'license') else a.get('src') if tag in ('script', 'img', 'iframe', 'source', 'video') else None
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
    for name, what in (('_toc.yml', toc), ('_config.yml', CONFIG)): (src/name).write_text(yaml.safe_dump(what, sort_keys=False), encoding='utf-8')
    env = os.environ | dict(PYTHONPATH=str(ROOT/'tools'))
    if subprocess.run([Path(sys.executable).parent/'jupyter-book', 'build', '-W', '--keep-going', '--path-output', str(site), str(src)], env=env).returncode:
        sys.exit('the site has warnings: see above')
    html = site/'html'
    shutil.move(site/'_build'/'html', html)
    if bad := outside(html): sys.exit('pages ask other hosts:\n' + '\n'.join(bad))
    print(f'{len(list(html.rglob("*.html")))} pages: open {html/"index.html"}')


if __name__ == '__main__': build(SITE)
