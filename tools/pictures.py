"""The committed pictures, made anew: `python tools/pictures.py nbs/10_amse.ipynb ...`

Executes a notebook from top to bottom and keeps the image outputs of its cells tagged `picture`; all other outputs are
dropped. `#| slow` cells are executed too."""
import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

LIMIT = 100_000


def packed(png):
    "The same pixels in fewer bytes: base64 of a PNG, and of one without a transparency that nothing uses."
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    out = io.BytesIO()
    if image.mode == 'RGBA' and image.getextrema()[3][0] == 255: image = image.convert('RGB')
    image.save(out, 'png', optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def kept(cell):
    "The PNG outputs of a cell tagged `picture`, without the text that stands for them."
    if 'picture' not in cell.metadata.get('tags', []): return []
    images = [o for o in cell.outputs if 'image/png' in o.get('data', {})]
    for o in images:
        o.data['image/png'] = packed(o.data['image/png'])
        size = len(base64.b64decode(o.data['image/png']))
        if size > LIMIT: sys.exit(f'a picture of {size//1000} kB: make the figure smaller')
    data = [{'image/png': o.data['image/png'], 'text/plain': '<Figure>'} for o in images]
    return [nbformat.v4.new_output('display_data', d) for d in data]


def refresh(path):
    "Execute one notebook in its own folder and write it back with its pictures; how many there are."
    nb, done = nbformat.read(path, 4), nbformat.read(path, 4)
    resources = dict(metadata=dict(path=str(path.parent)))
    NotebookClient(done, timeout=1800, kernel_name='python3', resources=resources).execute()
    for cell, result in zip(nb.cells, done.cells):
        if cell.cell_type == 'code': cell.outputs, cell.execution_count = kept(result), None
    nbformat.write(nb, path)
    return sum(bool(c.get('outputs')) for c in nb.cells)


if __name__ == '__main__':
    for name in sys.argv[1:]: print(f'{name}: {refresh(Path(name))} pictures')
