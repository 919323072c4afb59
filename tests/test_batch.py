"Notebooks run headless: refused, kept, skipped, interrupted, resumed."
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from toys import notebook, stage, toy_study

from saggan.experiment.batch import locked, run_study
from saggan.base.registry import STAGES
from saggan.base.core import DataError, SettingsError, read_json, read_jsonl
from saggan.experiment.runner import NotebookFailed, notebooks_folder, planned, run_notebook
from saggan.experiment.schema import check_nested
from saggan.experiment.settings import load_settings, study_settings

HERE = Path(__file__).parent
quiet = lambda line: None


def settings(**kw):
    few = dict(seeds=(0,), train_patients=(0,), methods=('none', 'saggan'), extras=())
    return study_settings(**few | kw)


@pytest.mark.parametrize('name', STAGES)
def test_every_stage_can_be_parametrised(name):
    path = notebooks_folder()/STAGES[name].notebook
    cell = next(c for c in planned(path).cells if 'parameters' in c.metadata.get('tags', []))
    assert 'run = ' in cell.source and not cell.source.startswith('#|')
    assert planned(path, stage_only=True).cells[1:]


@pytest.mark.parametrize('path', sorted(notebooks_folder().rglob('*.ipynb')), ids=lambda p: p.stem)
def test_what_has_stage_cells_has_one_parameters_cell(path):
    tags = [tag for c in nbformat.read(path, 4).cells for tag in c.metadata.get('tags', [])]
    assert tags.count('parameters') <= 1
    if 'stage' in tags: assert [c.source for c in planned(path, stage_only=True).cells][0].startswith('run = ')


def test_an_unknown_parameter_is_refused_with_the_nearest_name(tmp_path):
    nb = notebook(tmp_path/'a.ipynb', "run = ''\nclassifier = 'x'", '1')
    with pytest.raises(SettingsError, match="'clasifier'.*'classifier'"):
        run_notebook(nb, tmp_path/'out.ipynb', dict(clasifier='y'))
    assert not (tmp_path/'out.ipynb').exists()


def test_a_notebook_without_or_with_two_parameters_cells_is_refused(tmp_path):
    path = notebook(tmp_path/'a.ipynb', "run = ''", '1')
    nb = nbformat.read(path, 4)
    for tags in ([[], []], [['parameters'], ['parameters']]):
        for c, t in zip(nb.cells, tags): c.metadata['tags'] = t
        nbformat.write(nb, path)
        with pytest.raises(DataError, match='exactly one'): run_notebook(path, tmp_path/'out.ipynb')


def test_a_broken_file_is_no_notebook(tmp_path):
    (tmp_path/'a.ipynb').write_text('{"cells": [')
    with pytest.raises(DataError, match='a.ipynb'): run_notebook(tmp_path/'a.ipynb', tmp_path/'out.ipynb')


def test_a_failed_notebook_is_kept_and_a_finished_one_is_not_run_again(tmp_path):
    folder = tmp_path/'with {braces} and space'
    folder.mkdir()
    nb = notebook(folder/'a.ipynb', "run = ''\nn = 0", '!1/n', '!print(1/n)')
    out = folder/'out'/'a.ipynb'
    with pytest.raises(NotebookFailed, match='ZeroDivisionError'): run_notebook(nb, out)
    assert not out.exists() and 'ZeroDivisionError' in str(nbformat.read(out.with_suffix('.failed.ipynb'), 4))
    assert run_notebook(nb, out, dict(n=2)) > 0 and not out.with_suffix('.failed.ipynb').exists()
    assert run_notebook(nb, out, dict(n=2)) is None
    assert nbformat.read(out, 4).cells[-1].outputs[0].text == '0.5\n'
    assert sorted(p.name for p in out.parent.iterdir()) == ['a.done.json', 'a.ipynb']


def test_a_dead_kernel_is_a_failure_with_a_hint(tmp_path):
    nb = notebook(tmp_path/'a.ipynb', "run = ''", '!import os', '!os._exit(9)')
    with pytest.raises(NotebookFailed, match='memory'): run_notebook(nb, tmp_path/'out'/'a.ipynb')
    assert 'kernel died' in read_json(tmp_path/'out'/'a.failed.json')['error']


def test_a_study_runs_skips_and_grows(tmp_path):
    nbs, out = toy_study(tmp_path/'nbs'), tmp_path/'study'
    board = run_study(settings(), out, nbs, quiet)
    assert (board.ran, board.failures) == (1 + 1 + 4 + 1, [])
    lines = []
    assert run_study(settings(), out, nbs, lines.append).ran == 0 and 'nothing left to run' in lines[-1]
    board = run_study(settings(seeds=(1,), methods=('none',)), out, nbs, quiet)
    assert board.ran == 1 + 4 + 1  # none-s1, saggan-s1, the table
    assert load_settings(out).seeds == (0, 1)
    (out/'trials'/'none-s0'/'classifier'/'resnet18'/'predictions.csv').unlink()
    # the classifier again; what it left is the same, and so is the table
    assert run_study(None, out, nbs, quiet).ran == 1


def test_only_the_stage_of_a_notebook_is_run(tmp_path):
    nbs, out = toy_study(tmp_path/'nbs'), tmp_path/'study'
    stage(nbs, 'data', "run = ''", '!run', 'print(7)')
    run_study(settings(methods=('none',)), out, nbs, quiet)
    assert '7\\n' not in (out/'notebooks'/'data.ipynb').read_text()


def test_a_retired_setting_of_an_old_study_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match='walkthrough=True is retired'): study_settings(walkthrough=True)
    with pytest.raises(SettingsError, match='steps_whole=9 is retired: only 0'):
        check_nested(study_settings(methods=('saggan',), gan=dict(saggan=dict(steps_whole=9))))
    check_nested(study_settings(methods=('saggan',), gan=dict(saggan=dict(steps_whole=0))))


def test_other_settings_are_refused_and_shown(tmp_path):
    nbs, out = toy_study(tmp_path/'nbs'), tmp_path/'study'
    out.mkdir()
    (out/'config.yaml').write_text('seeds: [0]\nimage_size: 64\nmodalities: [flair]\nlayuot: phantom\n')
    with pytest.raises(SettingsError, match="'layuot'.*'layout'"): run_study(settings(), out, nbs, quiet)
    from saggan.experiment.settings import save_settings
    save_settings(out/'config.yaml', settings())
    with pytest.raises(SettingsError, match='image_size: 64 there, 96 asked for'):
        run_study(settings(image_size=96), out, nbs, quiet)
    assert not (out/'trials').exists()


def test_a_folder_with_other_things_is_not_taken(tmp_path):
    (tmp_path/'thesis.tex').write_text('x')
    nbs = toy_study(tmp_path.with_name('nbs-' + tmp_path.name))
    with pytest.raises(SettingsError, match='other things'): run_study(settings(), tmp_path, nbs, quiet)


def test_a_failed_trial_costs_only_itself(tmp_path):
    nbs, out = toy_study(tmp_path/'nbs', translator="!raise MemoryError('too big')"), tmp_path/'study'
    board = run_study(settings(), out, nbs, quiet)
    failed = [f.split(' failed')[0].split(' left')[0] for f in board.failures]
    stages = ('translators', 'quality', 'augmentation', 'classification-resnet18')
    assert failed == [f'saggan-s0 {n}' for n in stages]
    assert (out/'trials'/'none-s0'/'classifier'/'resnet18'/'predictions.csv').exists()
    assert (out/'trials'/'saggan-s0'/'notebooks'/'translators.failed.ipynb').exists()
    toy_study(tmp_path/'nbs')
    board = run_study(None, out, nbs, quiet)
    assert not board.failures and board.ran == 5 and not list(out.glob('**/*.failed.*'))


def test_what_failed_is_named_again_and_tried_again_on_demand(tmp_path):
    out, tries = tmp_path/'study', tmp_path/'tries'
    nbs = toy_study(tmp_path/'nbs', translator=f"!p = open({str(tries)!r}, 'a'); p.write('x'); p.close(); 1/0")
    for retry, times in ((False, 1), (False, 1), (True, 2)):
        board = run_study(settings(), out, nbs, quiet, retry=retry)
        assert 'saggan-s0 translators' in board.failures[0] and len(board.failures) == 4
        assert len(tries.read_text()) == times


def test_a_quality_that_fails_costs_nothing_else(tmp_path):
    nbs, out = toy_study(tmp_path/'nbs'), tmp_path/'study'
    stage(nbs, 'quality', "run = ''", '!1/0')
    board = run_study(settings(methods=('saggan',)), out, nbs, quiet)
    assert [f.split()[1] for f in board.failures] == ['quality']
    assert (out/'trials/saggan-s0/classifier/resnet18/predictions.csv').exists()


def start(tmp_path, nbs, out):
    """A study in a process of its own, in which Ctrl-C works.

    A shell's background job, such as a CI run, inherits that it is ignored."""
    code = f'''
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from saggan.experiment.batch import run_study
from saggan.experiment.settings import study_settings
settings = study_settings(seeds=(0,), train_patients=(0,), methods=("saggan",), extras=(), workers=1)
run_study(settings, {str(out)!r}, {str(nbs)!r})
'''
    command = [sys.executable, '-c', code]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(.05)


def gone(pid):
    try: return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'
    except OSError: return True


SLOW = "!import os, pathlib, time\n"


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_stopped_study_leaves_no_kernel_and_goes_on(tmp_path, how):
    out, pid = tmp_path/'study', tmp_path/'pid'
    nbs = toy_study(tmp_path/'nbs')
    note = f"!p = pathlib.Path({str(pid)!r}); first = not p.exists(); p.write_text(str(os.getpid()))"
    stage(nbs, 'translators', "run = ''", SLOW, note, '!time.sleep(300 if first else 0)')
    p = start(tmp_path, nbs, out)
    try:
        wait_for(lambda: pid.exists() and pid.read_text())
        with pytest.raises(SettingsError, match=f'process {p.pid}'), locked(out): pass
        p.send_signal(how)
        p.wait(60)
        assert p.returncode != 0
        wait_for(lambda: gone(int(pid.read_text())), 30)
    finally: p.kill()
    notebooks = out/'trials'/'saggan-s0'/'notebooks'
    assert not (notebooks/'translators.ipynb').exists() and not list(out.glob('**/*.failed.*'))
    done = (out/'notebooks'/'data.done.json').stat().st_mtime_ns
    board = run_study(None, out, nbs, quiet)
    assert not board.failures and board.ran == 5 and board.skipped == 1
    assert (out/'notebooks'/'data.done.json').stat().st_mtime_ns == done and not list(out.glob('**/.*.running.ipynb'))
    assert [r['event'] for r in read_jsonl(out/'run.jsonl')].count('start') == 2


def test_done_marks_that_were_cut_short_mean_not_done(tmp_path):
    nb, out = notebook(tmp_path/'a.ipynb', "run = ''", '1'), tmp_path/'out'/'a.ipynb'
    run_notebook(nb, out)
    out.with_suffix('.done.json').write_text('{"mark": "')
    assert run_notebook(nb, out) > 0 and json.loads(out.with_suffix('.done.json').read_text())['mark']


def test_kernels_are_this_interpreter_and_export_nothing(tmp_path):
    show = "!print(sys.executable, os.environ['IN_TEST'], os.environ.get('OMP_NUM_THREADS'), os.getcwd())"
    nb = notebook(tmp_path/'a.ipynb', "run = ''", '!import os, sys', show)
    run_notebook(nb, tmp_path/'out'/'a.ipynb', threads=3)
    text = nbformat.read(tmp_path/'out'/'a.ipynb', 4).cells[-1].outputs[0].text
    assert text.split() == [sys.executable, '1', '3', os.path.realpath(tmp_path)]
