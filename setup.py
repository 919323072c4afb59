"All metadata lives in settings.ini; edit it there."
import shlex
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).resolve().parent
cp = ConfigParser(delimiters=['='])
assert cp.read(here/'settings.ini', encoding='utf-8'), 'settings.ini is missing: is it listed in MANIFEST.in?'
cfg = cp['DEFAULT']
statuses = ['1 - Planning', '2 - Pre-Alpha', '3 - Alpha', '4 - Beta', '5 - Production/Stable', '6 - Mature',
            '7 - Inactive']
extras = {k.removesuffix('_requirements'): shlex.split(v) for k, v in cfg.items() if k.endswith('_requirements')}


class BuildWithNotebooks(build_py):
    "The notebooks are the experiment: a wheel carries them as saggan/notebooks; a checkout reads nbs/ itself."
    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False): return
        source, target = here/cfg['nbs_path'], Path(self.build_lib)/cfg['lib_path']/'notebooks'
        for notebook in sorted(source.rglob('*.ipynb')):
            if notebook.name == 'index.ipynb' or '.ipynb_checkpoints' in notebook.parts: continue
            copy = target/notebook.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(notebook, copy)


setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
    classifiers=['Development Status :: ' + statuses[int(cfg['status'])-1], 'Intended Audience :: ' + cfg['audience'],
                 'Natural Language :: ' + cfg['language'], 'Programming Language :: Python :: 3'],
    packages=find_packages(include=[cfg['lib_path'], cfg['lib_path'] + '.*']), include_package_data=True,
    python_requires='>=' + cfg['min_python'], install_requires=shlex.split(cfg['requirements']), extras_require=extras,
    long_description=(here/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    entry_points={'console_scripts': shlex.split(cfg['console_scripts']),
                  'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    cmdclass={'build_py': BuildWithNotebooks}, zip_safe=False,
)
