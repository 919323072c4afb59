"README.md from nbs/index.ipynb, without Quarto: `python tools/readme.py` writes it, `--check` tells whether it is new."
import re
import sys

import nbformat
from tree import NBS, ROOT

DIRECTIVE = re.compile(r'^\s*#\|\s*(.+?)\s*$')


def cell_text(cell):
    "Markdown as it stands; code fenced, without directive lines, with its text output; '' for hidden cells."
    if cell.cell_type == 'markdown': return cell.source.strip()
    if cell.cell_type != 'code': return ''
    directives = [m[1] for m in map(DIRECTIVE.match, cell.source.splitlines()) if m]
    if {'hide', 'default_exp'} & {re.split(r'[:\s]', d)[0] for d in directives}: return ''
    code = '\n'.join(s for s in cell.source.splitlines() if not DIRECTIVE.match(s)).strip()
    texts = [o.get('text', '') or o.get('data', {}).get('text/plain', '') for o in cell.outputs]
    out = ''.join(texts).rstrip()
    fenced = f'```python\n{code}\n```'
    return f'{fenced}\n\n```\n{out}\n```' if out else fenced


def readme(notebook):
    "The text of README.md; links to notebooks are made relative to the repository's root."
    texts = [t for t in map(cell_text, nbformat.read(notebook, 4).cells) if t]
    text = re.sub(r'\]\((?!https?:|#|/|\.\./)([\w./-]+\.(?:ipynb|png))\)', r'](nbs/\1)', '\n\n'.join(texts))
    text = text.replace('](../', '](')
    return f'<!-- Written from nbs/index.ipynb by tools/readme.py: edit that notebook. -->\n\n{text}\n'


if __name__ == '__main__':
    target = ROOT/'README.md'
    text = readme(NBS/'index.ipynb')
    if '--check' not in sys.argv: target.write_text(text, encoding='utf-8')
    elif not target.exists() or target.read_text(encoding='utf-8') != text:
        sys.exit('README.md is not what nbs/index.ipynb says: run make prepare')
