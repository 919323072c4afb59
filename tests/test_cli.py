"The command line, as a user meets it: in a process of its own."
import subprocess
import sys
import time

import pytest
from test_study import write_cells
from toys import toy_study

from saggan.cli import main, parser
from saggan.settings import save_settings, study_settings

COMMANDS = ('check', 'prepare', 'study', 'train', 'augment', 'classify', 'report', 'export')


def saggan(*args):
    code = 'import sys; from saggan.cli import main; sys.exit(main())'
    return subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, timeout=300)


def test_help_answers_at_once_and_loads_nothing_heavy():
    code = 'import sys, saggan.cli as c\ntry: c.main(["--help"])\nexcept SystemExit: print(sorted({m.split(".")[0] for m in sys.modules} & set(%r)))'
    heavy = ('torch', 'numpy', 'pandas', 'matplotlib', 'papermill', 'nibabel', 'scipy', 'sklearn', 'IPython')
    times = []
    for _ in range(3):
        t = time.process_time(), time.monotonic()
        out = subprocess.run([sys.executable, '-c', code % (heavy,)], capture_output=True, text=True, check=True).stdout
        times.append(time.monotonic() - t[1])
    assert out.strip().endswith('[]') and min(times) < 1


@pytest.mark.parametrize('command', COMMANDS)
def test_each_command_says_what_it_reads_writes_and_costs(command, capsys):
    with pytest.raises(SystemExit) as e: main([command, '--help'])
    text = capsys.readouterr().out
    assert e.value.code == 0 and all(w in text for w in ('Reads', 'Writes', 'Costs'))


def test_the_commands_are_those_promised():
    assert tuple(next(a for a in parser()._actions if a.dest == 'command').choices) == COMMANDS


@pytest.mark.parametrize('args, word', [
    (['study', '--track', 'bratss'], "'brats_s'"), (['study', '--preset', 'quick'], "'quickstart'"), (['study', '--methods', 'saggn'], "'saggan'"),
    (['study', '--track', 'lgg'], '--source'), (['study', '--set', 'gan'], 'key=value'), (['study', '--set', 'image_siz=64'], "'image_size'"),
    (['study', '--image-size', '50'], 'multiple of 4'), (['study', '--track', 'lgg', '--source', 'nowhere'], 'nowhere')])
def test_bad_usage_is_one_sentence_and_code_2(args, word, tmp_path, capsys, monkeypatch):
    import saggan.batch
    monkeypatch.setattr(saggan.batch, 'notebooks_folder', lambda: toy_study(tmp_path/'nbs'))
    assert main([*args, '--out', str(tmp_path/'run')]) == 2
    err = capsys.readouterr().err
    assert word in err and 'Traceback' not in err and not (tmp_path/'run'/'cells').exists()


def test_data_that_is_not_there_is_one_sentence(tmp_path):
    p = saggan('prepare', tmp_path/'nowhere', '--layout', 'brats', '--out', tmp_path/'set')
    assert p.returncode == 2 and 'nowhere' in p.stderr and 'Traceback' not in p.stderr and not (tmp_path/'set').exists()


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    from saggan.core import SagganError
    monkeypatch.setenv('SAGGAN_DEBUG', '1')
    with pytest.raises(SagganError): main(['report', str(tmp_path)])


def test_report_is_made_again_from_predictions(tmp_path, capsys):
    save_settings(write_cells(tmp_path)/'config.yaml', study_settings(seeds=(0, 1, 2)))
    assert main(['report', str(tmp_path), '--replicates', '50']) == 0
    assert (tmp_path/'report.html').exists() and (tmp_path/'table.csv').exists() and 'report.html' in capsys.readouterr().out


def test_exit_codes_of_a_study(tmp_path, monkeypatch):
    import saggan.batch
    folder = tmp_path/'nbs'
    monkeypatch.setattr(saggan.batch, 'notebooks_folder', lambda: folder)
    args = ['study', '--out', str(tmp_path/'run'), '--methods', 'saggan', '--seeds', '0']
    toy_study(folder, translator='!1/0')
    assert main(args) == 1
    toy_study(folder)
    assert main(args) == 0
