"""What pages take from elsewhere: `python tools/tables.py` fills it in, `--check` says whether it is up to date.

A page marks a place by `<!-- table: lgg_table.csv auc matched acc -->` and ends it by `<!-- end -->`. There are

    table: FILE MEASURES    a study's table.csv, named from the folder docs/
    verdict: FILE METHOD    the sentence of its report
    notebooks:              what each is about
    benchmark: FILE         the tables of a script in benchmarks/

Pages are the Markdown files of docs/ and the Markdown cells of nbs/index.ipynb."""
import json
import re
import sys

import nbformat
import pandas as pd
from tree import NBS, ROOT, notebooks

sys.path.insert(0, str(ROOT))
from saggan.evaluation.statistics import MEASURES  # noqa: E402
from saggan.study import label_of, verdict  # noqa: E402

PLACE = re.compile(r'(<!-- (table|verdict|notebooks|benchmark):(.*?) -->\n).*?(<!-- end -->)', re.S)
# (title, what it is about, folder below nbs/)
GROUPS = (
    ('The story', 'From files on disk to the table of the paper, one idea a notebook, read from top to bottom.', ''),
    ('Base', 'What everything stands on: errors, files, options, hardware, weights.', 'base'),
    ('Files and slices', 'Scans in, normalised slices of split patients out; and the phantom for want of data.', 'io'),
    ('Models', 'The rivals: other translators, networks that turn noise or label maps into slices.', 'models'),
    ('Methods', 'Every way to enlarge a training set, behind one interface.', 'methods'),
    ('Evaluation', 'What synthetic slices are worth: metrics, quality, fidelity, segmentation.', 'evaluation'),
    ('Inference', 'Trained networks in use: transforms, whole volumes, ONNX.', 'inference'),
    ('Experiment', 'The grid of a study: its settings, its plan, what it costs, and how it runs.', 'experiment'),
    ('Report', 'Figures, sections, cards, and the page they make.', 'report'),
    ('Widgets', 'Look at everything: slices, translations, trainings, results.', 'widgets'),
    ('Command line', 'Run everything without looking.', 'cli'))


def number(x, sign=''):
    "'.805', or with sign='+' '+.012'; '' for a figure that is missing."
    return '' if pd.isna(x) else f'{x:{sign}.3f}'.replace('0.', '.', 1)


def small(p):
    "A p value with two digits; '' where there is none."
    return '' if pd.isna(p) else f'{p:.2g}'.lstrip('0')


def row_line(cells): return '| ' + ' | '.join(cells) + ' |'


def with_interval(r, sign=''):
    "'.805 (.722 to .883)' from a line of table.csv; '' where there is no figure."
    mean, low, high = ('diff', 'diff_lo', 'diff_hi') if sign else ('mean', 'lo', 'hi')
    if pd.isna(r[mean]): return ''
    if pd.isna(r[low]): return number(r[mean], sign)
    return f'{number(r[mean], sign)} ({number(r[low], sign)} to {number(r[high], sign)})'


def markdown(path, measures):
    """The table of a study in Markdown, a row a method.

    The last two columns: the difference of the first measure to classic augmentation, and its corrected p."""
    frame = pd.read_csv(path)
    many = frame.classifier.nunique() > 1
    named = [MEASURES[m] for m in measures]
    head = ['method', *(['classifier'] if many else []), *named, f'{named[0]} against classic', 'corrected p']
    lines = [row_line(head), row_line(['---']*len(head))]
    first = frame[(frame.measure == measures[0]) & (frame.method != 'position')]
    for r in first.sort_values(['classifier', 'mean'], ascending=[True, False]).to_dict('records'):
        same = frame[(frame.classifier == r['classifier']) & (frame.method == r['method'])].set_index('measure')
        cells = [with_interval(same.loc[m]) if m in same.index else '' for m in measures]
        name = [label_of(r['method']), *([r['classifier']] if many else [])]
        lines.append(row_line([*name, *cells, with_interval(r, '+'), small(r['p_holm'])]))
    return '\n'.join(lines)


def heading(path):
    "Title and subtitle of a notebook, from its first Markdown cell."
    text = next((c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'markdown'), '')
    found = [re.search(pattern, text, re.M) for pattern in (r'^# (.+)$', r'^> (.+)$')]
    return [m[1] if m else '' for m in found]


def groups():
    "(title, what it is about, its notebooks) for each folder that has some; the tour is in none."
    paths = [p for p in notebooks() if p.stem != '000_tour']
    out = []
    for title, about, folder in GROUPS:
        inside = [p for p in paths if p.parent == NBS/folder]
        if inside: out.append((title, about, inside))
    return out


def listing(paths, folder='../nbs'):
    "Table of notebooks with their subtitles; links lead from a page of docs/."
    lines = [row_line(('notebook', '', 'its one idea')), row_line(('---',)*3)]
    for p in paths:
        link = f'[{p.stem}]({folder}/{p.relative_to(NBS).as_posix()})'
        lines.append(row_line([c.replace('|', '\\|') for c in (link, *heading(p))]))
    return '\n'.join(lines)


def benchmark_lines(rows, columns):
    "One table of a benchmark; a figure that is missing is a dash."
    lines = [row_line([title for _, title, _ in columns]), row_line(['---'] + ['---:']*(len(columns) - 1))]
    for r in rows:
        cells = ['-' if r.get(k) is None else format(r[k], form) for k, _, form in columns[1:]]
        lines.append(row_line([str(r['variant']), *cells]))
    return '\n'.join(lines)


def benchmark(path):
    "The tables of a benchmark's JSON in Markdown, one for each value of its keys; errors stand below."
    found, parts = json.loads(path.read_text(encoding='utf-8')), {}
    for r in found['rows']:
        title = ', '.join(f'{k} {r.get(k)}' for k in found['by'])
        parts.setdefault(title, []).append(r)
    texts = []
    for title, rows in parts.items():
        table = benchmark_lines(rows, found['columns'])
        texts.append(f'{title}:\n\n{table}' if title else table)
    errors = [f'{r["variant"]}: {r["error"]}' for r in found['rows'] if r.get('error')]
    if errors: texts.append('; '.join(errors))
    env, command = found['environment'], ' '.join(['benchmarks/' + found['command'][0], *found['command'][1:]])
    where = f'torch {env["versions"]["torch"]}, {env["cpus"]} processors.'
    return '\n\n'.join([*texts, f'`python {command}`, {found["time"]}, {where}'])


def content(kind, words):
    "What belongs into a place."
    if kind == 'notebooks':
        return '\n\n'.join(f'## {title}\n\n{about}\n\n{listing(paths)}' for title, about, paths in groups())
    path = ROOT/'docs'/words[0]
    if kind == 'benchmark': return benchmark(path)
    if kind == 'table': return markdown(path, words[1:] or ['auc', 'matched', 'acc'])
    frame = pd.read_csv(path)
    return '\n'.join(verdict(frame[frame.method.isin(words[1:])]))


def filled(text):
    "The text with every place made anew."
    return PLACE.sub(lambda m: f'{m[1]}\n{content(m[2], m[3].split())}\n\n{m[4]}', text)


def stale(write=False):
    "Pages that are not up to date; with `write` they are made so."
    out = []
    for p in sorted((ROOT/'docs').glob('*.md')):
        old = p.read_text(encoding='utf-8')
        new = filled(old)
        if new == old: continue
        out.append(p)
        if write: p.write_text(new, encoding='utf-8')
    index = NBS/'index.ipynb'
    nb = nbformat.read(index, 4)
    changed = [c for c in nb.cells if c.cell_type == 'markdown' and filled(c.source) != c.source]
    if not changed: return out
    for c in changed: c.source = filled(c.source)
    if write: nbformat.write(nb, index)
    return [*out, index]


if __name__ == '__main__':
    old = stale(write='--check' not in sys.argv)
    if old and '--check' in sys.argv: sys.exit(f'not up to date: {", ".join(p.name for p in old)}: run make prepare')
