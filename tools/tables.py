"""Tables in pages, from the CSV files of studies: `python tools/tables.py` fills them in, `--check` says whether they are up to date.

A page marks the place by a line `<!-- table: lgg_table.csv acc auc tpr tnr -->` and a line `<!-- end of table -->`; the CSV is a study's
table.csv, named from the folder docs/. Pages are the Markdown files of docs/ and the Markdown cells of nbs/index.ipynb."""
import re
import sys
from pathlib import Path

import nbformat
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from saggan.statistics import MEASURES  # noqa: E402
from saggan.study import label_of  # noqa: E402

PLACE = re.compile(r'(<!-- table: (\S+)((?: \w+)*) -->\n).*?(<!-- end of table -->)', re.S)


def number(x, sign=''): return '' if pd.isna(x) else f'{x:{sign}.3f}'.replace('0.', '.', 1)


def with_interval(r, sign=''):
    "'.805 (.722 to .883)' from a line of table.csv; '' where there is no figure."
    mean, lo, hi = (('diff', 'diff_lo', 'diff_hi') if sign else ('mean', 'lo', 'hi'))
    if pd.isna(r[mean]): return ''
    return number(r[mean], sign) + (f' ({number(r[lo], sign)} to {number(r[hi], sign)})' if pd.notna(r[lo]) else '')


def markdown(path, measures):
    "The table of a study in Markdown: a row a method, and the difference of the first measure to classic augmentation with its corrected p."
    frame = pd.read_csv(path)
    first, many = frame.measure == measures[0], frame.classifier.nunique() > 1
    head = ['method', *(['classifier'] if many else []), *(MEASURES[m] for m in measures), f'{MEASURES[measures[0]]} against classic', 'corrected p']
    rows = []
    for r in frame[first & (frame.method != 'position')].sort_values(['classifier', 'mean'], ascending=[True, False]).to_dict('records'):
        own = frame[(frame.classifier == r['classifier']) & (frame.method == r['method'])].set_index('measure')
        cells = [with_interval(own.loc[m]) if m in own.index else '' for m in measures]
        rows.append([label_of(r['method']), *([r['classifier']] if many else []), *cells, with_interval(r, '+'), '' if pd.isna(r['p_holm']) else f'{r["p_holm"]:.2g}'.lstrip('0')])
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in (head, ['---']*len(head), *rows))


def filled(text):
    "The text with every table made anew."
    return PLACE.sub(lambda m: f'{m[1]}\n{markdown(ROOT/"docs"/m[2], m[3].split() or ["acc", "auc"])}\n\n{m[4]}', text)


def stale(write=False):
    "Pages whose tables are not what their CSV files say; with `write` they are made so."
    out, path = [], ROOT/'nbs'/'index.ipynb'
    for p in sorted((ROOT/'docs').glob('*.md')):
        if (new := filled(old := p.read_text(encoding='utf-8'))) != old:
            out.append(p)
            if write: p.write_text(new, encoding='utf-8')
    nb = nbformat.read(path, 4)
    changed = [c for c in nb.cells if c.cell_type == 'markdown' and filled(c.source) != c.source]
    if changed:
        out.append(path)
        for c in changed: c.source = filled(c.source)
        if write: nbformat.write(nb, path)
    return out


if __name__ == '__main__':
    old = stale(write='--check' not in sys.argv)
    if old and '--check' in sys.argv: sys.exit(f'tables are not what their CSV files say: {", ".join(p.name for p in old)}: run make prepare')
