"SAG-GAN: put a tumour into a normal MRI slice, take one out, and measure whether it helps a classifier."
__version__ = "0.1.0"

from .base.moved import find_moved_modules as _find_moved_modules

_HOME = dict(Augmenter='augmentation', LesionTransform='inference.transforms', SliceSet='data', prepare='data',
             run_study='experiment.batch')
__all__ = ["Augmenter", "LesionTransform", "SliceSet", "prepare", "run_study"]


def __getattr__(name):
    "Import a public name when it is first asked for, so that `import saggan` and `saggan --help` stay quick."
    if name not in _HOME: raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module
    value = globals()[name] = getattr(import_module(f'.{_HOME[name]}', __name__), name)
    return value


def __dir__(): return sorted({*globals(), *_HOME})


_find_moved_modules()
