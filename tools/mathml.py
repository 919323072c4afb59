"""A Sphinx extension that writes formulas as MathML, which browsers draw by themselves: no script, no font.

docutils converts; a formula that it cannot read is a warning, and so ends the build of the site."""
import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

SPELLINGS = {
    r'\\[bB]igg?[lr]?(?![A-Za-z])': '',
    r'\\dots(?![A-Za-z])': r'\\ldots ',
    r'\\lVert(?![A-Za-z])': r'\\left\\Vert ',
    r'\\rVert(?![A-Za-z])': r'\\right\\Vert ',
}
log = logging.getLogger(__name__)


def mathml(tex, block=False, where=None):
    "One formula as MathML; what docutils has no name for is spelled in another way."
    for pattern, other in SPELLINGS.items(): tex = re.sub(pattern, other, tex)
    try: return latex2mathml.tex2mathml(tex, as_block=block)
    except MathError as e:
        log.warning(f'formula cannot be written as MathML: {e}: {tex}', location=where)
        return f'<code>{nodes.unescape(tex)}</code>'


def inline(self, node):
    self.body.append(mathml(node.astext(), where=node))
    raise nodes.SkipNode


def block(self, node):
    self.body.append(f'<div class="math-block">{mathml(node.astext(), True, node)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer('mathml', (inline, None), (block, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
