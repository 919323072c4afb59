"House rules for the notebooks that a machine can count. Prints one line for each breach and ends with 1 when there is one."
import ast
import json
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
EXPORT, DIRECTIVE = re.compile(r'^#\|\s*exports?\b', re.M), re.compile(r'^\s*#\|')
MAX_LINES, MAX_OUTPUT = 45, 100_000
PATHS = re.compile(r'(?<![\w.:/])/(?:work|tmp|root|home)/')


def lines(source): return [s for s in source.splitlines() if s.strip() and not DIRECTIVE.match(s)]


def mixed_imports(source):
    "Does one cell hold imports at its top level beside other code? nbdev runs part of such a cell when it makes docs."
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', 'pass', source, flags=re.M)).body
    except SyntaxError: return True
    imports = [isinstance(b, (ast.Import, ast.ImportFrom)) for b in body]
    return any(imports) and not all(imports)


def breaches(path):
    "One sentence for each rule that the notebook breaks."
    cells = nbformat.read(path, 4).cells
    code = [c for c in cells if c.cell_type == 'code']
    exported = [bool(EXPORT.search(c.source)) for c in code]
    defines = [e and bool(re.search(r'^(?:def|class)\s+[A-Za-z]', c.source, re.M)) for c, e in zip(code, exported)]
    for i, c in enumerate(code):
        where = f'cell {cells.index(c)}'
        if exported[i] and len(lines(c.source)) > MAX_LINES: yield f'{where}: {len(lines(c.source))} exported lines, the limit is {MAX_LINES}'
        if mixed_imports(c.source): yield f'{where}: imports beside other code'
        if (size := len(json.dumps(c.outputs))) > MAX_OUTPUT: yield f'{where}: {size//1000} kB of output, the limit is {MAX_OUTPUT//1000}'
    if sum(defines) > 1.5*(len(code)-sum(exported)): yield f'{sum(defines)} exported definitions, {len(code)-sum(exported)} cells that use or test them'
    for i, c in enumerate(cells):
        if PATHS.search(c.source): yield f'cell {i}: a path of one machine'
    if re.match(r'\d\d_', path.name):
        tags = [t for c in cells for t in c.metadata.get('tags', [])]
        if tags.count('parameters') != 1: yield f'{tags.count("parameters")} cells tagged parameters; there must be one'
        if not cells or not cells[0].source.startswith(('#| default_exp', '# ')): yield 'starts neither with its module nor with its title'


if __name__ == '__main__':
    bad = [f'{p.relative_to(ROOT)}: {b}' for p in sorted((ROOT/'nbs').glob('*.ipynb')) for b in breaches(p)]
    print('\n'.join(bad) or 'every notebook keeps the house rules')
    sys.exit(bool(bad))
