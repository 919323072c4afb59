"""A real browser on a real JupyterLab and a real voila.

`pytest -m browser` runs these tests; where there is no Chromium they are skipped.

A test builds a notebook from cell sources, opens it with `lab.open(page, ...)` or `voila.open(page, ...)`, and drives
what is on the screen.
CHROMIUM names the browser's program; SAGGAN_SCREENSHOTS names a folder in which screenshots are kept."""
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

HERE, ROOT = Path(__file__).resolve().parent, Path(__file__).resolve().parents[2]
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage']
PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
IDLE = """() => { const s = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
                  return s?.isReady && s.session?.kernel?.status === 'idle' }"""
# not awaited: its promise ends after the last cell
RUN = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"
# by Lab itself: widgets of the old kernel are let go
RESTART = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
WAIT = 90  # seconds for a server, a kernel or a first picture, on a busy machine


def chromium():
    "The browser's program, or None."
    if os.environ.get('CHROMIUM'): return os.environ['CHROMIUM']
    return next((shutil.which(program) for program in PROGRAMS if shutil.which(program)), None)


def lacking():
    "Why these tests cannot run here, or ''."
    if not chromium(): return 'no Chromium found: install one, or name it in the environment variable CHROMIUM'
    missing = [m for m in ('playwright', 'jupyterlab', 'voila') if not importlib.util.find_spec(m)]
    return f'not installed: {", ".join(missing)} (pip install "saggan[dev]")' if missing else ''


def pytest_collection_modifyitems(items):
    why = lacking()
    for item in items:
        if HERE not in Path(item.path).parents: continue
        item.add_marker(pytest.mark.browser)
        if why: item.add_marker(pytest.mark.skip(reason=why))


def as_notebook(cells):
    "A notebook of cell sources, or the notebook itself."
    if isinstance(cells, nbformat.NotebookNode): return cells
    kernel = dict(name='python3', display_name='Python 3', language='python')
    metadata = dict(kernelspec=kernel, language_info=dict(name='python'))
    return new_notebook(cells=[new_code_cell(c) for c in cells], metadata=metadata)


class Server:
    "A Jupyter server of its own: temporary root and settings, random token, ended with all its kernels."
    def __init__(self, folder, module, *options):
        self.folder = folder
        self.root = folder/'root'
        self.token = secrets.token_hex(16)
        self.root.mkdir()
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        self.url = f'http://127.0.0.1:{port}'
        path = os.pathsep.join(filter(None, (str(ROOT), str(ROOT/'tests'), os.environ.get('PYTHONPATH'))))
        folders = dict(HOME=str(folder), JUPYTER_CONFIG_DIR=str(folder/'config'), JUPYTER_DATA_DIR=str(folder/'data'),
                       JUPYTER_RUNTIME_DIR=str(folder/'runtime'), IPYTHONDIR=str(folder/'ipython'))
        env = os.environ | folders | dict(PYTHONPATH=path, OMP_NUM_THREADS='1')
        self.log = folder/'server.log'
        with open(self.log, 'w') as log:
            command = [sys.executable, '-m', module, '--no-browser', f'--port={port}']
            command += [option.format(self=self) for option in options]
            self.process = subprocess.Popen(command, cwd=self.root, env=env, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)

    def ask(self, path, method='GET'):
        "What the server answers, as an object."
        r = urllib.request.Request(self.url + path, method=method, headers=dict(Authorization=f'token {self.token}'))
        with urllib.request.urlopen(r, timeout=10) as f: return json.loads(f.read() or 'null')

    def wait(self, path):
        "Until the server answers; AssertionError with its log when it does not."
        end = time.time() + WAIT
        while time.time() < end and self.process.poll() is None:
            try: return urllib.request.urlopen(f'{self.url}{path}', timeout=5).close()
            except OSError: time.sleep(.1)
        self.stop()
        raise AssertionError(f'{self.log.read_text()[-3000:]}\nthe server did not start')

    def write(self, name, cells):
        "The notebook under the server's root; its file name."
        nbformat.write(as_notebook(cells), self.root/f'{name}.ipynb')
        return f'{name}.ipynb'

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try: self.process.wait(10)
        except subprocess.TimeoutExpired: os.killpg(self.process.pid, signal.SIGKILL)


class Lab(Server):
    "JupyterLab. `open` shows one notebook without the side bars, and runs all of its cells."
    def open(self, page, cells, name='notebook'):
        for k in self.ask('/api/kernels'): self.ask(f'/api/kernels/{k["id"]}', 'DELETE')
        page.goto(f'{self.url}/doc/tree/{self.write(name, cells)}?reset&token={self.token}')
        page.wait_for_function(IDLE, timeout=WAIT*1000)
        page.evaluate(RUN)
        return page

    def restart(self, page):
        "A new kernel, and all cells again: what a user does who comes back the next day."
        page.evaluate(RESTART)
        page.wait_for_function(IDLE, timeout=WAIT*1000)
        page.evaluate(RUN)


class Voila(Server):
    "Voila. `open` shows a notebook as an app."
    def open(self, page, cells, name='app'):
        page.goto(f'{self.url}/voila/render/{self.write(name, cells)}?token={self.token}', timeout=WAIT*1000)
        return page


@pytest.fixture(scope='session')
def lab(tmp_path_factory):
    "JupyterLab for all tests of the session."
    server = Lab(tmp_path_factory.mktemp('lab'), 'jupyterlab', '--allow-root', '--ip=127.0.0.1',
                 '--IdentityProvider.token={self.token}', '--ServerApp.root_dir={self.root}',
                 '--ServerApp.port_retries=0', '--LabApp.news_url=None',
                 '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
                 '--LabApp.expose_app_in_browser=True')
    settings = server.folder/'config'/'lab'/'user-settings'/'@jupyterlab'/'apputils-extension'
    settings.mkdir(parents=True)
    (settings/'notification.jupyterlab-settings').write_text('{"fetchNews": "false", "checkForUpdates": false}')
    server.wait('/api')
    yield server
    server.stop()


@pytest.fixture(scope='session')
def voila(tmp_path_factory):
    "Voila for all tests of the session."
    server = Voila(tmp_path_factory.mktemp('voila'), 'voila', '--Voila.ip=127.0.0.1', '--show_tracebacks=True',
                   '--token={self.token}')
    server.wait('/voila/static/voila.js')
    yield server
    server.stop()


@pytest.fixture(scope='session')
def browser():
    "A headless Chromium."
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)
        yield b
        b.close()


@pytest.fixture
def page(browser):
    "A page with the browser's console in `page.messages`; nothing is fetched from other machines."
    context = browser.new_context(viewport=dict(width=1100, height=860))
    context.set_default_timeout(WAIT*1000)
    context.route(lambda url: not url.startswith('http://127.0.0.1'), lambda route: route.abort())
    p = context.new_page()
    p.messages = []
    p.on('console', lambda m: p.messages.append((m.type, m.text)))
    yield p
    context.close()


@pytest.fixture
def shot(page, tmp_path):
    "Keeps a picture of the page, or of one element, under a name."
    folder = Path(os.environ.get('SAGGAN_SCREENSHOTS') or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name, where=None: (where or page).screenshot(path=folder/f'{name}.png')


@pytest.fixture(scope='session')
def phantom(tmp_path_factory):
    "A small prepared set of two modalities; its raw volumes lie in `set.phantom` beside it."
    from saggan.data import prepare
    folder = tmp_path_factory.mktemp('phantom')/'set'
    prepare(4, 'phantom', folder, image_size=96, modalities=('t1ce', 'flair'))
    return folder
