"House rules for the notebooks that a machine can count. Prints a line for each breach; ends with 1 when there is one."
import ast
import json
import re
import sys

import nbformat
from tree import ROOT, all_notebooks, modules

EXPORT, DIRECTIVE = re.compile(r'^#\|\s*exports?\b', re.M), re.compile(r'^\s*#\|')
DEFINITION = re.compile(r'^(?:async )?(def|class)\s+(\w+)', re.M)
NOT_SHOWN = re.compile(r'\A#\|\s*(?:default_exp|hide)\b')
MAX_LINES, MAX_OUTPUT, MAX_WIDTH = 45, 100_000, 120
PATHS = re.compile(r'(?<![\w.:/])/(?:work|tmp|root|home)/')


def lines(source): return [s for s in source.splitlines() if s.strip() and not DIRECTIVE.match(s)]


def mixed_imports(source):
    "Does one cell hold imports at its top level beside other code? nbdev runs part of such a cell when it makes docs."
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', 'pass', source, flags=re.M)).body
    except SyntaxError: return True
    imports = [isinstance(b, (ast.Import, ast.ImportFrom)) for b in body]
    return any(imports) and not all(imports)


def cell_breaches(cell):
    "One sentence for each rule that a code cell breaks."
    exported = len(lines(cell.source)) if EXPORT.search(cell.source) else 0
    if exported > MAX_LINES: yield f'{exported} exported lines, the limit is {MAX_LINES}'
    if mixed_imports(cell.source): yield 'imports beside other code'
    size = len(json.dumps(cell.outputs))
    if size > MAX_OUTPUT: yield f'{size//1000} kB of output, the limit is {MAX_OUTPUT//1000}'


def is_patch(source): return bool(source) and '\n'.join(lines(source)).startswith('@patch')


def unused(cells):
    """One sentence for each exported definition that no cell uses right after it. A class, or a method that is patched
    in, may go on with a cell that begins with `@patch`; the cell that uses the class then follows its last part."""
    code = [c.source for c in cells if c.cell_type == 'code' and not NOT_SHOWN.match(c.source)]
    for source, following in zip(code, code[1:] + [None]):
        found = DEFINITION.findall(source) if EXPORT.search(source) else []
        if not found or (following is not None and not EXPORT.search(following)): continue
        goes_on = is_patch(source) or any(kind == 'class' for kind, _ in found)
        if goes_on and is_patch(following): continue
        yield f'{", ".join(name for _, name in found)}: no cell directly after the definition uses it'


def breaches(path):
    "One sentence for each rule that the notebook breaks."
    cells = nbformat.read(path, 4).cells
    for i, c in enumerate(cells):
        if c.cell_type == 'code': yield from (f'cell {i}: {b}' for b in cell_breaches(c))
        if PATHS.search(c.source): yield f'cell {i}: a path of one machine'
    yield from unused(cells)
    tags = [t for c in cells for t in c.metadata.get('tags', [])]
    if 'stage' in tags and tags.count('parameters') != 1:
        yield f'a stage of a study with {tags.count("parameters")} cells tagged parameters; there must be one'
    if path.name != 'index.ipynb' and not (cells and cells[0].source.startswith(('#| default_exp', '# '))):
        yield 'starts neither with its module nor with its title'


def wide_lines(path):
    "One sentence for each line of a module that is too long; `__all__` is written, and made wider, by nbdev."
    names = re.compile(r'^__all__ = \[.*?\]$', re.M | re.S)
    text = names.sub(lambda m: '\n'*m[0].count('\n'), path.read_text(encoding='utf-8'))
    for i, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_WIDTH: yield f'line {i}: {len(line)} characters, the limit is {MAX_WIDTH}'


if __name__ == '__main__':
    bad = [f'{p.relative_to(ROOT)}: {b}' for p in all_notebooks() for b in breaches(p)]
    bad += [f'{p.relative_to(ROOT)}: {b}' for p in modules() for b in wide_lines(p)]
    print('\n'.join(bad) or 'every notebook keeps the house rules')
    sys.exit(bool(bad))
