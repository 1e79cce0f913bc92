"""Who teaches, and who is refused."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from autonad.config import RetrainConfig
from autonad.detector.spec import DetectorSpec
from autonad.errors import CheckpointError, ConfigError
from autonad.network import SuperNet
from autonad.space import SearchSpace
from autonad.training.folders import save_model, save_supernet
from autonad.training.teacher import load_teacher

SPEC = DetectorSpec(
    classes=("background", "crack"),
    height=48,
    width=48,
    keep_aspect=True,
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
)


@pytest.fixture
def supernet() -> SuperNet:
    torch.manual_seed(0)
    return SuperNet(SearchSpace.preset("tiny"), 2).eval()


@pytest.fixture
def folder(supernet: SuperNet, tmp_path: Path) -> Path:
    save_supernet(tmp_path / "s", supernet, SPEC, records=pd.DataFrame(), history=[], provenance={})
    return tmp_path / "s"


def test_the_largest_path_of_a_supernet_teaches_and_is_not_trained(supernet, folder):
    teacher = load_teacher(RetrainConfig(teacher="supernet-largest"), folder, SPEC)
    images = torch.randn(1, 3, 48, 48)
    assert torch.equal(teacher.network(images), supernet(images, supernet.space.largest()))
    assert not teacher.network.training
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())


def test_a_model_teaches(supernet, tmp_path):
    network = supernet.extract(supernet.space.smallest())
    save_model(tmp_path / "m", network, SPEC, history=[], provenance={})
    teacher = load_teacher(RetrainConfig(teacher="model"), tmp_path / "m", SPEC)
    images = torch.randn(1, 3, 48, 48)
    assert torch.equal(teacher.network(images), network(images))


def test_no_teacher_reads_no_folder(tmp_path):
    assert load_teacher(RetrainConfig(), tmp_path / "nothing", SPEC) is None


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (replace(SPEC, classes=("background", "dent")), "knows the classes background, crack, .* dent;"),
        (replace(SPEC, std=(0.1, 0.2, 0.2)), r"sees images otherwise .*\(other std\)"),
        (replace(SPEC, height=64), r"\(other size\)"),
    ],
)
def test_a_teacher_whose_logits_mean_something_else_is_refused(folder, student, message):
    with pytest.raises(CheckpointError, match=message):
        load_teacher(RetrainConfig(teacher="supernet-largest"), folder, student)


def test_a_teacher_needs_a_folder():
    with pytest.raises(ConfigError, match="no folder of a model is given; name it with --teacher"):
        load_teacher(RetrainConfig(teacher="model"), None, SPEC)
