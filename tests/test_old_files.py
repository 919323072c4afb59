"""What version 0.1.0 left can still be used: a prepared set, weights, a checkpoint, a finished study.

They are in fixtures/version_0_1_0.zip, made once by fixtures/make_version_0_1_0.py."""
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from saggan import Augmenter
from saggan.cli.main import main
from saggan.data import SliceSet
from saggan.experiment.plan import make_plan
from saggan.methods.translators import fit_translator, load_translator

FIXTURE = Path(__file__).parent/'fixtures'/'version_0_1_0.zip'
OPTIONS = dict(preset='smoke', width=1, blocks=1, d_width=1, d_layers=1, warmup=0, n_steps=2, batch_size=1,
               picture_every=0, checkpoint_every=0)


@pytest.fixture(scope='module')
def old(tmp_path_factory):
    "The folder with the files of version 0.1.0."
    folder = tmp_path_factory.mktemp('version_0_1_0')
    with zipfile.ZipFile(FIXTURE) as z: z.extractall(folder)
    return folder


@pytest.fixture
def own(old, tmp_path):
    "The same files for a test that writes among them."
    return Path(shutil.copytree(old, tmp_path/'old'))


def test_a_prepared_set(old):
    slices = SliceSet.open(old/'set')
    assert len(slices) == 36 and slices.table.label.sum() == 15
    assert slices.hash == '73430830d2f8fb16a34ee54e188a80cd2dc615eca2b886c1b06a43cef19c0ae8'


def test_weights_translate_as_they_did(old):
    model, header = load_translator(old/'gan'/'weights.safetensors')
    normal = torch.as_tensor(SliceSet.open(old/'set').images[:4].copy())
    image = model.translate(normal, 'lesion')[0]
    assert header['model'] == 'SAGGAN'
    assert float(image.double().abs().mean()) == pytest.approx(.872423489957903, rel=1e-4)


def test_weights_of_a_study_serve_an_augmenter(old):
    augmenter = Augmenter.load(old/'gan')
    out = augmenter.add_lesion(SliceSet.open(old/'set').images[:2].copy())
    assert out.image.shape == (2, 1, 28, 28)


def test_a_training_goes_on_from_its_checkpoint(own):
    weights = load_file(own/'gan'/'weights.safetensors')
    train = SliceSet.open(own/'set').split((.34, .33, .33), 0).of('train')
    model = fit_translator(train, own/'gan', 0, **OPTIONS)
    assert model.step == 2
    again = load_file(own/'gan'/'weights.safetensors')
    assert set(again) == set(weights) and all(torch.equal(again[name], weights[name]) for name in weights)


def test_the_report_of_a_finished_study(own):
    "Its figures digit by digit; the order of the measures is new, and one measure came."
    file = own/'study'/'table.csv'
    lines = set(file.read_text().splitlines())
    file.unlink()
    assert not main(['report', str(own/'study')])
    added = set(file.read_text().splitlines()) - lines
    assert lines <= set(file.read_text().splitlines()) and (own/'study'/'report.html').exists()
    assert added and all(line.split(',')[2] == 'matched' for line in added)


def test_a_finished_study_goes_on_in_its_folder(old):
    plan = make_plan(None, old/'study')
    folders = {task.output.parent.parent for chain in plan.chains for task in chain}
    assert folders == {p for p in (old/'study'/'cells').resolve().iterdir()} and len(folders) == 5
