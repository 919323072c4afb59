"The command line, as a user meets it: mostly in this process, where a process of its own matters in that."
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from test_study import write_trials
from toys import stage, toy_study

from saggan.cli.main import main, parser
from saggan.base.core import read_json
from saggan.io.phantom import write_phantom
from saggan.experiment.settings import load_settings, save_settings, study_settings

COMMANDS = ('check', 'prepare', 'study', 'train', 'augment', 'classify',
            'report', 'export', 'volume', 'explore', 'memory', 'info')
HEAVY = ('torch', 'numpy', 'pandas', 'matplotlib', 'papermill', 'nibabel', 'scipy', 'sklearn', 'IPython')


def saggan(*args, **env):
    code = 'import sys; from saggan.cli.main import main; sys.exit(main())'
    command = [sys.executable, '-c', code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | env)


@pytest.fixture
def toys(tmp_path, monkeypatch):
    "The notebooks of a study in miniature, in the place of the real ones."
    import saggan.experiment.batch
    import saggan.experiment.plan
    folder = tmp_path/'nbs'
    for module in (saggan.experiment.batch, saggan.experiment.plan):
        monkeypatch.setattr(module, 'notebooks_folder', lambda: folder)
    return toy_study(folder)


def test_help_answers_at_once_and_loads_nothing_heavy():
    code = ('import sys, saggan.cli.main as c\n'
            'try: c.main(["--help"])\n'
            'except SystemExit: print(sorted({m.split(".")[0] for m in sys.modules} & set(%r)))')
    times = []
    for _ in range(3):
        t = time.monotonic()
        out = subprocess.run([sys.executable, '-c', code % (HEAVY,)], capture_output=True, text=True, check=True).stdout
        times.append(time.monotonic() - t)
    assert out.strip().endswith('[]') and min(times) < .5 and all(f' {c} ' in out for c in COMMANDS)


@pytest.mark.parametrize('command', COMMANDS)
def test_each_command_says_what_it_reads_writes_and_costs(command, capsys):
    with pytest.raises(SystemExit) as e: main([command, '--help'])
    text = capsys.readouterr().out
    assert e.value.code == 0 and all(w in text for w in ('Reads', 'Writes', 'Costs'))


def test_the_commands_are_those_promised_and_the_exit_codes_are_documented(capsys):
    assert tuple(next(a for a in parser()._actions if a.dest == 'command').choices) == COMMANDS
    text = parser().format_help()
    assert all(c in text for c in ('0  ', '1  ', '2  ', '130, 143'))


@pytest.mark.parametrize('args, word', [
    (['study', '--track', 'bratss'], "'brats_s'"),
    (['study', '--preset', 'quick'], "'quickstart'"),
    (['study', '--methods', 'saggn'], "'saggan'"),
    (['study', '--track', 'lgg'], '--source'),
    (['study', '--set', 'gan'], 'key=value'),
    (['study', '--set', 'image_siz=64'], "'image_size'"),
    (['study', '--image-size', '50'], 'multiple of 4'),
    (['study', '--track', 'lgg', '--source', 'nowhere'], 'nowhere'),
    (['train', '--method', 'sagan'], "'saggan'"),
    (['train', '--method', 'classic'], 'no networks'),
    (['study', '--set', 'classify.stps=3'], "'steps'"),
    (['study', '--set', 'gan.saggan.wramup=3'], "'warmup'"),
    (['study', '--set', 'gan.warmup=3', '--methods', 'saggan,cyclegan'], 'gan.saggan.warmup=3'),
    (['study', '--set', 'judge.steps=many'], 'whole number'),
    (['study', '--set', 'gan=3'], 'gan'),
    (['study', '--set', 'limit=few'], 'whole number'),
    (['study', '--config', 'nowhere.yaml'], 'nowhere.yaml'),
    (['study', '--classifiers', 'resnet19'], "'resnet18'")])
@pytest.mark.parametrize('dry', [[], ['--dry-run']], ids=['run', 'dry'])
def test_bad_usage_is_one_sentence_and_code_2_before_anything_is_written(args, word, dry, tmp_path, capsys, toys):
    assert main([*args, *dry, '--out', str(tmp_path/'run')]) == 2
    err = capsys.readouterr().err
    assert word in err and 'Traceback' not in err and not (tmp_path/'run').exists()


def test_data_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert main(['prepare', str(tmp_path/'nowhere'), '--layout', 'brats', '--out', str(tmp_path/'set')]) == 2
    err = capsys.readouterr().err
    assert 'nowhere' in err and 'Traceback' not in err and not (tmp_path/'set').exists()


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    from saggan.base.core import SagganError
    monkeypatch.setenv('SAGGAN_DEBUG', '1')
    with pytest.raises(SagganError): main(['report', str(tmp_path)])


def test_report_is_made_again_from_predictions(tmp_path, capsys):
    save_settings(write_trials(tmp_path)/'config.yaml', study_settings(seeds=(0, 1, 2)))
    assert main(['report', str(tmp_path), '--replicates', '50']) == 0
    assert (tmp_path/'report.html').exists()
    assert (tmp_path/'table.csv').exists()
    assert 'report.html' in capsys.readouterr().out


def test_exit_codes_of_a_study(tmp_path, toys, capsys):
    out = tmp_path/'run'
    args = ['study', '--out', str(out), '--methods', 'saggan', '--seeds', '0', '--extras', '']
    toy_study(toys, translator='!1/0')
    assert main(args) == 1
    text = capsys.readouterr().out
    assert '\r' not in text and '\033' not in text and 'ZeroDivisionError' in text
    found = json.loads((main(['info', str(out), '--json']), capsys.readouterr().out)[1])
    assert found['states']['failed'] == 1 and 'ZeroDivisionError' in found['last_error'] and not found['running']
    toy_study(toys)
    assert main(args) == 0
    text = capsys.readouterr().out
    assert ' of 5, about ' in text
    assert json.loads((main(['info', str(out), '--json']), capsys.readouterr().out)[1])['states']['done'] == 1


def test_a_study_goes_on_with_fewer_words_and_other_settings_are_refused(tmp_path, toys, capsys):
    out = tmp_path/'run'
    asked = ['--methods', 'none', '--seeds', '0', '--extras', '', '--image-size', '96', '--set', 'gan.n_steps=9']
    assert main(['study', '--out', str(out), *asked]) == 0
    assert main(['study', '--out', str(out)]) == 0 and 'nothing left to run' in capsys.readouterr().out
    assert main(['train', '--out', str(out), '--method', 'cyclegan', '--seed', '1']) == 0
    s = load_settings(out)
    assert (s.image_size, s.gan['n_steps'], s.methods, s.seeds) == (96, 9, ('none', 'cyclegan'), (0, 1))
    assert main(['study', '--out', str(out), '--image-size', '64']) == 2
    assert 'image_size: 96 there, 64 asked for' in capsys.readouterr().err


def test_a_written_file_is_read_again_and_flags_override_it(tmp_path, toys, capsys):
    file = tmp_path/'study.yaml'
    asked = ['--preset', 'smoke', '--methods', 'none', '--set', 'classify.steps=7']
    assert main(['study', *asked, '--write-config', str(file)]) == 0
    text = file.read_text()
    assert yaml.safe_load(text)['classify'] == dict(preset='smoke', steps=7)
    assert '# int: side of a slice in pixels' in text
    assert '# batch_size: 8' in text
    assert main(['study', '--config', str(file), '--seeds', '4', '--extras', '', '--out', str(tmp_path/'run')]) == 0
    s = load_settings(tmp_path/'run')
    assert (s.preset, s.methods, s.seeds, s.classify['steps'], s.name) == ('smoke', ('none',), (4,), 7, 'run')
    file.write_text('sedes: [1]')
    assert main(['study', '--config', str(file), '--out', str(tmp_path/'other')]) == 2
    assert "'seeds'" in capsys.readouterr().err


def test_a_dry_run_shows_plan_and_estimate_and_writes_nothing(tmp_path, toys, capsys):
    out = tmp_path/'run'
    args = ['study', '--preset', 'smoke', '--methods', 'none', '--seeds', '0,1', '--extras', '', '--out', str(out)]
    assert main([*args, '--dry-run']) == 0 and not out.exists()
    text = capsys.readouterr().out
    assert '2 trials, 4 notebooks' in text
    assert '0 found done, 4 to run' in text
    for part in ('estimate', 'memory', 'disk'):
        assert f'{part}: about' in text
    assert main(args) == 0
    capsys.readouterr()
    assert main([*args, '--dry-run', '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found['done'], found['to_run'], found['cells']) == (4, [], 2) and found['estimate']['seconds'] == 0


@pytest.mark.parametrize('how, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=['SIGINT', 'SIGTERM'])
def test_interrupted_or_ended_is_told_by_the_code(how, code, tmp_path):
    nbs = toy_study(tmp_path/'nbs')
    begun = str(tmp_path/'begun')
    stage(nbs, 'data', "run = ''", '!import pathlib, time', f'!pathlib.Path({begun!r}).touch(); time.sleep(300)')
    run = ('import signal, sys\n'
           'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
           'import saggan.experiment.batch\n'
           'saggan.experiment.batch.notebooks_folder = lambda: sys.argv.pop()\n'
           'from saggan.cli.main import main\n'
           'folder = sys.argv[-1]\n'
           'sys.exit(main(sys.argv[1:-1]))')
    command = [sys.executable, '-c', run, 'study', '--methods', 'none', '--out', str(tmp_path/'run'), str(nbs)]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 120
        while not (tmp_path/'begun').exists():
            assert time.monotonic() < end and p.poll() is None, p.communicate()
            time.sleep(.1)
        p.send_signal(how)
        err = p.communicate(timeout=60)[1]
    finally: p.kill()
    assert p.returncode == code and 'goes on from here' in err and 'Traceback' not in err


def test_a_full_disk_and_a_read_only_folder_are_sentences(tmp_path, monkeypatch, capsys):
    import errno

    import saggan.data
    kinds = [(errno.ENOSPC, 1, 'disk is full'), (errno.EROFS, 2, 'read-only'), (errno.EACCES, 2, 'may not')]
    for number, code, word in kinds:
        def fail(*_, number=number): raise OSError(number, os.strerror(number), 'x/images.npy')
        monkeypatch.setattr(saggan.data, '_join', fail)
        assert main(['prepare', '6', '--image-size', '32', '--out', str(tmp_path/'set')]) == code
        err = capsys.readouterr().err
        assert word in err and 'x/images.npy' in err and 'Traceback' not in err and not (tmp_path/'set').exists()


@pytest.fixture(scope='module')
def cases(tmp_path_factory): return write_phantom(tmp_path_factory.mktemp('phantom')/'cases', 6, shape=(32, 32, 20))


def test_check_guesses_the_layout_and_names_every_bad_case(cases, tmp_path, capsys):
    import shutil
    bad = tmp_path/'bad'
    shutil.copytree(cases, bad)
    assert main(['check', str(cases), '--image-size', '32']) == 0
    out = capsys.readouterr().out
    assert 'layout brats' in out and 'every case can be used' in out and 'prevalence' in out
    files = sorted(bad.rglob('*_t1ce.nii.gz'))
    files[0].write_bytes(files[0].read_bytes()[:-300])
    files[1].rename(files[1].with_name(files[1].name.replace('t1ce', 'tce1')))
    image = nib.load(files[2])
    broken = image.get_fdata(dtype=np.float32)
    broken[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(broken, image.affine), files[2])
    assert main(['check', str(bad), '--image-size', '32', '--json']) == 2
    found = json.loads(capsys.readouterr().out)
    assert len(found['bad']) == 3 and found['counts']['patients'] == 3
    assert files[0].name in found['bad'][0] and 'Did you mean' in found['bad'][1] and files[2].name in found['bad'][2]
    assert main(['check', str(bad), '--image-size', '32', '--nan', 'zero', '--json']) == 2
    found = json.loads(capsys.readouterr().out)
    assert len(found['bad']) == 2
    assert main(['check', str(cases), '--layout', 'image-mask']) == 2 and '--layout brats' in capsys.readouterr().err
    (tmp_path/'empty').mkdir()
    assert main(['check', str(tmp_path/'empty')]) == 2 and 'no files at all' in capsys.readouterr().err


def test_prepare_takes_the_options_of_a_study(cases, tmp_path, capsys):
    asked = ['prepare', str(cases), '--out', str(tmp_path/'set'), '--image-size', '32', '--axial', 'all',
             '--min-lesion-px', '3', '--min-foreground', '0.2', '--limit', '4', '--seed', '3']
    assert main([*asked, '--dry-run']) == 0
    assert 'estimate: about' in capsys.readouterr().out
    assert not (tmp_path/'set').exists()
    assert main([*asked, '--patient', 'nothing(']) == 2 and 'regular expression' in capsys.readouterr().err
    assert main(asked) == 0
    made = read_json(tmp_path/'set'/'settings.json')['asked']
    assert (made['axial'], made['min_lesion_px'], made['min_foreground']) == ([0, 154], 3, .2)
    assert (made['limit'], made['seed']) == (4, 3)
    assert 'prepared set' in (main(['info', str(tmp_path/'set')]), capsys.readouterr().out)[1]


def complete(line, tmp_path):
    "What argcomplete offers after a line, and how long that took; as a shell asks for it."
    out = tmp_path/'completions'
    env = dict(_ARGCOMPLETE='1', _ARGCOMPLETE_IFS='\n', _ARGCOMPLETE_SUPPRESS_SPACE='1',
               _ARGCOMPLETE_STDOUT_FILENAME=str(out), ARGCOMPLETE_USE_TEMPFILES='1',
               COMP_LINE=line, COMP_POINT=str(len(line)), COMP_TYPE='63')
    code = ('import os, sys\n'
            'end = os._exit\n'
            'def leave(code):\n'
            f'    end(9 if {{m.split(".")[0] for m in sys.modules}} & set({HEAVY}) else code)\n'
            'os._exit = leave\n'
            'from saggan.cli.main import main\n'
            'main()')
    t = time.monotonic()
    p = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=os.environ | env)
    assert p.returncode == 0, (p.returncode, p.stderr)
    return out.read_text().split('\n'), time.monotonic() - t


@pytest.mark.parametrize('line, offered, not_offered', [
    ('saggan st', 'study', 'report'),
    ('saggan study --preset ', 'quickstart', 'phantom'),
    ('saggan study --track br', 'brats_s', 'lgg'),
    ('saggan study --methods none,cla', 'none,classic', 'none,saggan'),
    ('saggan study --set gan.saggan.wa', 'gan.saggan.warmup=', 'gan.saggan.width='),
    ('saggan classify --classifier d', 'densenet121', 'resnet18'),
    ('saggan info me', 'methods', 'tracks'),
    ('saggan study --out x --set classify.', 'classify.steps=', 'gan.')])
def test_the_tab_key_offers_names_and_loads_nothing_heavy(line, offered, not_offered, tmp_path):
    words, seconds = complete(line, tmp_path)
    words = [w.strip().replace('\\', '') for w in words]
    assert offered in words and not_offered not in words and seconds < 3


def test_a_shell_can_find_the_completion_mark():
    import saggan.cli.main
    assert 'PYTHON_ARGCOMPLETE_OK' in Path(saggan.cli.main.__file__).read_text()[:1024]


def test_memory_measures_a_step_and_refuses_a_name_in_one_sentence(capsys):
    small = ['--set', 'width=4', '--set', 'blocks=1', '--set', 'd_width=4', '--set', 'd_layers=2']
    assert main(['memory', '--image-size', '32', '--batch-size', '1', '--preset', 'smoke', *small]) == 0
    text = capsys.readouterr().out
    assert 'as it is' in text and 'checkpointing=True' in text and 's a step' in text
    assert main(['memory', '--method', 'sagan']) == 2
    assert "Did you mean 'saggan'" in capsys.readouterr().err


def test_info_lists_names_and_machine(capsys):
    expected = dict(methods='OverSampling', tracks='brats_uns', presets='quickstart', classifiers='densenet121',
                    settings='gan.saggan.warmup', completion='register-python-argcomplete')
    for what, word in expected.items():
        assert main(['info', what]) == 0 and word in capsys.readouterr().out
    assert main(['info', '--json']) == 0 and json.loads(capsys.readouterr().out)['versions']['torch']
    assert main(['info', 'metods']) == 2 and "'methods'" in capsys.readouterr().err


def test_explore_and_volume_call_what_they_should(tmp_path, monkeypatch, capsys):
    import saggan.augmentation
    seen = []
    def explore(*args):
        seen.append(args)
    def translate_volume(*args, **kw):
        seen.append((args, kw))
        return types.SimpleNamespace(table=Table(), files=['x.nii.gz'])
    def load(cls, path, device='auto'):
        return f'augmenter of {path}'
    app = types.ModuleType('saggan.widgets.app')
    app.explore = explore
    volume = types.ModuleType('saggan.inference.volume')
    volume.translate_volume = translate_volume
    for m in (app, volume): monkeypatch.setitem(sys.modules, m.__name__, m)
    monkeypatch.setattr(saggan.augmentation.Augmenter, 'load', classmethod(load))
    assert main(['explore', 'x', '--port', '9', '--no-browser', '--reader-study']) == 0
    assert seen.pop() == ('x', 9, False, True)
    asked = ['--weights', 'run', '--to', 'normal', '--out', 'o', '--slices', '3-5', '--axial', 'all']
    assert main(['volume', 'a.nii.gz', *asked]) == 0
    args, kw = seen.pop()
    assert args == ('a.nii.gz', 'augmenter of run', 'normal', 'o')
    assert kw == dict(mask=None, slices=(3, 4, 5), axial=(0, 154))
    assert '1 of 2 slices translated' in capsys.readouterr().out


def test_weights_are_exported_with_their_card_and_as_onnx(tmp_path, capsys):
    from saggan.methods.translators import save_translator
    from saggan.saggan import SAGGAN, SAGGANSettings
    gan = tmp_path/'trials'/'saggan-s0'/'gan'
    save_translator(gan/'weights.safetensors', SAGGAN(SAGGANSettings(width=4, blocks=1, d_width=4, d_layers=2)))
    assert main(['export', str(gan.parent), '--out', str(tmp_path/'w'), '--format', 'weights']) == 0
    assert (tmp_path/'w'/'weights.safetensors').read_bytes() == (gan/'weights.safetensors').read_bytes()
    assert 'Not for diagnosis' in (tmp_path/'w'/'MODEL_CARD.md').read_text()
    net = tmp_path/'net.onnx'
    assert main(['export', str(gan.parent), '--out', str(net), '--format', 'onnx', '--to', 'normal']) == 0
    assert net.stat().st_size > 10_000 and 'net.onnx' in capsys.readouterr().out


def test_slices_are_exported_with_the_options_left_as_they_are(tmp_path, capsys):
    from saggan.io.dataset import from_arrays
    columns = dict(patient=['a', 'b'], label=[0, 1])
    trial = tmp_path/'trials'/'saggan-s0'
    from_arrays(np.zeros((2, 8, 8)), np.zeros((2, 8, 8)), columns, dict(synthetic=True)).save(trial/'synthetic')
    assert main(['export', str(trial), '--out', str(tmp_path/'png')]) == 0
    assert '2 slices in' in capsys.readouterr().out and len(list((tmp_path/'png').glob('*.png'))) >= 2


def test_a_log_gets_each_line_when_it_was_said(monkeypatch):
    import io
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(log := io.BytesIO()))
    assert not sys.stdout.line_buffering
    assert main(['info', 'presets']) == 0 and b'quickstart' in log.getvalue()


class Table:
    "A table of two slices, one translated."
    translated = np.array([True, False])
    def __len__(self): return 2


def test_what_is_missing_is_named_with_its_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'saggan.widgets.app', None)
    assert main(['explore', '.']) == 2 and 'saggan[app]' in capsys.readouterr().err


def test_colour_only_where_it_is_wanted(tmp_path, monkeypatch, capsys):
    for name in ('NO_COLOR', 'FORCE_COLOR'): monkeypatch.delenv(name, raising=False)
    assert main(['report', str(tmp_path)]) == 2 and '\033' not in capsys.readouterr().err
    monkeypatch.setenv('FORCE_COLOR', '1')
    assert main(['report', str(tmp_path)]) == 2 and '\033[31m' in capsys.readouterr().err
    monkeypatch.setenv('NO_COLOR', '1')
    assert main(['report', str(tmp_path)]) == 2 and '\033' not in capsys.readouterr().err


@pytest.mark.skipif(os.name != 'posix', reason='needs a pseudo-terminal')
def test_a_terminal_gets_a_bar_and_colour(tmp_path, toys):
    import fcntl
    import pty
    import struct
    import termios
    import threading
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 120, 0, 0))
    code = ('import sys, saggan.experiment.batch\n'
            'saggan.experiment.batch.notebooks_folder = lambda: sys.argv[-1]\n'
            'from saggan.cli.main import main\n'
            'sys.exit(main(sys.argv[1:-1]))')
    env = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'FORCE_COLOR', 'SAGGAN_QUIET')}
    env['TERM'] = 'xterm'
    command = [sys.executable, '-c', code, 'study', '--methods', 'none', '--seeds', '0', '--extras', '',
               '--train-patients', '0', '--out', str(tmp_path/'run'), str(toys)]
    p = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    got = []
    def read():
        try:
            while block := os.read(master, 65536): got.append(block)
        except OSError: pass
    reader = threading.Thread(target=read)
    reader.start()
    assert p.wait(120) == 0
    reader.join(10)
    text = b''.join(got).decode()
    assert '%|' in text and '\r' in text and '\033[32m' in text and 'of 3' in text and 'report' not in text
