"""What pages take from elsewhere: `python tools/tables.py` fills it in, `--check` says whether it is up to date.

A page marks a place by a line such as `<!-- table: lgg_table.csv acc auc -->` and ends it by `<!-- end -->`. There are
`table: FILE MEASURES` (a study's table.csv, named from the folder docs/), `verdict: FILE METHOD` (the sentence of its report) and
`notebooks:` (what each is about) and `benchmark: FILE` (the tables of a script in benchmarks/). Pages are the Markdown files of docs/ and the Markdown cells of nbs/index.ipynb."""
import json
import re
import sys
from pathlib import Path

import nbformat
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from saggan.statistics import MEASURES  # noqa: E402
from saggan.study import label_of, verdict  # noqa: E402

PLACE = re.compile(r'(<!-- (table|verdict|notebooks|benchmark):(.*?) -->\n).*?(<!-- end -->)', re.S)
GROUPS = (('00', 'Data', 'From files on disk to normalised slices of split patients, and the phantom that takes their place.'),
          ('10', 'Networks, losses, training', 'Eq. 1 to 9, each beside the cell that computes it, and the loop that trains them.'),
          ('29', 'Translators and synthesizers', 'Slices into slices, noise into slices, label maps into slices.'),
          ('36', 'Methods', 'Every way to enlarge a training set behind one interface, the filter, and the `Augmenter`.'),
          ('48', 'Measures', 'Classifier, segmentation, fidelity: what the synthetic slices are worth.'),
          ('58', 'Study and report', 'The grid, its statistics, its figures and its page.'),
          ('70', 'Widgets and headless runs', 'Look at everything, or run everything without looking.'))


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


def heading(path):
    "Title and subtitle of a notebook, from its first Markdown cell."
    text = next((c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'markdown'), '')
    return [m[1] if (m := re.search(pattern, text, re.M)) else '' for pattern in (r'^# (.+)$', r'^> (.+)$')]


def groups():
    "(title, what it is about, its notebooks) for each group of the numbered notebooks; the tour is in none."
    paths = sorted(p for p in (ROOT/'nbs').glob('[0-9]*.ipynb') if not p.name.startswith('000'))
    ends = [g[0] for g in GROUPS[1:]] + ['999']
    return [(title, about, own) for (first, title, about), end in zip(GROUPS, ends) if (own := [p for p in paths if first <= p.name[:2] < end])]


def listing(paths, folder='../nbs'):
    "Table of notebooks with their subtitles."
    rows = [(f'[{p.stem}]({folder}/{p.name})', *heading(p)) for p in paths]
    return '\n'.join('| ' + ' | '.join(c.replace('|', '\\|') for c in row) + ' |' for row in (('notebook', '', 'its one idea'), ('---',)*3, *rows))


def benchmark(path):
    "The tables of a benchmark's JSON in Markdown, one for each value of its keys; errors are said where a figure is missing."
    told, parts = json.loads(path.read_text(encoding='utf-8')), {}
    for r in told['rows']: parts.setdefault(', '.join(f'{k} {r.get(k)}' for k in told['by']), []).append(r)
    head = [[title for _, title, _ in told['columns']], ['---', *('---:' for _ in told['columns'][1:])]]
    def lines(rows): return '\n'.join('| ' + ' | '.join(line) + ' |' for line in [*head, *([str(r['variant']), *('-' if r.get(k) is None else format(r[k], f) for k, _, f in told['columns'][1:])] for r in rows)])
    errors = '; '.join(f'{r["variant"]}: {r["error"]}' for r in told['rows'] if r.get('error'))
    env = told['environment']
    return '\n\n'.join([*((f'{title}:\n\n' if title else '') + lines(rows) for title, rows in parts.items()), *([errors] if errors else []),
                        f'`python {" ".join(["benchmarks/" + told["command"][0], *told["command"][1:]])}`, {told["time"]}, torch {env["versions"]["torch"]}, {env["cpus"]} processors.'])


def content(kind, words):
    "What belongs into a place."
    if kind == 'notebooks': return '\n\n'.join(f'## {title}\n\n{about}\n\n{listing(own)}' for title, about, own in groups())
    path = ROOT/'docs'/words[0]
    if kind == 'benchmark': return benchmark(path)
    if kind == 'table': return markdown(path, words[1:] or ['acc', 'auc'])
    frame = pd.read_csv(path)
    return '\n'.join(verdict(frame[frame.method.isin(words[1:])]))


def filled(text):
    "The text with every place made anew."
    return PLACE.sub(lambda m: f'{m[1]}\n{content(m[2], m[3].split())}\n\n{m[4]}', text)


def stale(write=False):
    "Pages that are not up to date; with `write` they are made so."
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
    if old and '--check' in sys.argv: sys.exit(f'not up to date: {", ".join(p.name for p in old)}: run make prepare')
