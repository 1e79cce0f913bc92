import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from html_page import assert_stands_alone

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.errors import AutonadError, CheckpointError, LatencyError, StorageError
from autonad.latency.regression import table_from_records
from autonad.network import SuperNet
from autonad.space import Architecture, SearchSpace
from autonad.steps import short_training
from autonad.steps.assess_supernet import _entries, _read
from autonad.storage.journal import Journal
from autonad.training.folders import save_supernet
from autonad.training.inputs import detector_spec
from autonad.training.optimizer import make_optimizer

SETTINGS = """
seed: 3
threads: 1
synthesize: {num_images: 16, image_side: 48, classes: [crack]}
input: {height: 32, width: 32}
assess_supernet: {architectures: 4, sample: 20, minutes: null, resamples: 50}
retrain: {epochs: 2, batch_size: 4, augmentation: none}
tracking: {enabled: false}
"""
SPACE = SearchSpace.preset("tiny")
READ = ("dataset", "supernet", "latency")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dataset, a supernet as it begins, and a table by which blocks cost the same."""
    from autonad.data.dataset import Dataset

    root, config = tmp_path_factory.mktemp("made"), parse_config(SETTINGS, source="test")
    folders = {name: root / name for name in ("dataset", "supernet", "latency")}
    steps.synthesize(Context(config), output=folders["dataset"])
    spec = detector_spec(Dataset.open(folders["dataset"]), config.input)
    torch.manual_seed(0)
    supernet = SuperNet(SPACE, spec.num_classes)
    records = pd.DataFrame({"step": [0]})
    save_supernet(folders["supernet"], supernet, spec, records=records, history=[], provenance={})
    rng = np.random.default_rng(0)
    drawn = [SPACE.smallest(), SPACE.largest(), *(SPACE.sample(rng) for _ in range(40))]
    times = [float(architecture.num_blocks) for architecture in drawn]
    table = table_from_records(
        pd.DataFrame({"architecture": [one.to_json() for one in drawn], "ms": times, "batch_size": 1})
    )
    folders["latency"].mkdir()
    table.save(folders["latency"] / "table.parquet")
    steps.describe_target(name="here", output=folders["latency"] / "target.json")
    return folders


@pytest.fixture
def assess(made: dict[str, Path], tmp_path: Path) -> Callable[..., pd.DataFrame]:
    def run(name: str = "whole", *overrides: str, **options: Any) -> pd.DataFrame:
        config = parse_config(SETTINGS, overrides, source="test")
        steps.assess_supernet(Context(config), **{**made, **options}, output=tmp_path / name)
        return pd.read_parquet(tmp_path / name / "architectures.parquet")

    return run


def test_each_architecture_is_scored_trained_and_shown(
    assess: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    table = assess()

    assert table["latency_ms"].is_monotonic_increasing
    assert table["key"].is_unique
    assert table["epochs"].tolist() == [2] * 4
    for row in table.itertuples():
        assert Architecture.from_json(row.architecture).key == row.key
    # The images have 48 pixels, the input 32.
    assert (table["trained_miou"] != table["trained_native_miou"]).any()
    found = json.loads((tmp_path / "whole/assessment.json").read_text())
    assert set(found["predictors"]) == {"inherited", "parameters", "flops"}
    assert found["top_half"]["architectures"] == 4  # Of two, a rank correlation says nothing.
    assert_stands_alone((tmp_path / "whole/assessment.html").read_text())
    assert not (tmp_path / "whole/training").exists()


def test_cut_off_in_a_training_and_resumed_it_ends_with_the_same_figures(
    assess: Callable[..., pd.DataFrame], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, begun = assess(), []

    def optimizer(module: torch.nn.Module, config: Any) -> torch.optim.Optimizer:
        begun.append(module)
        return make_optimizer(module, config)

    monkeypatch.setattr("autonad.training.loop.make_optimizer", optimizer)
    # The cut falls into the second epoch of the second architecture.
    with monkeypatch.context() as patch:
        steps_done = 0

        def step(self: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal steps_done
            steps_done += 1
            if len(begun) == 2 and self.progress.epoch == 1:
                raise KeyboardInterrupt
            return original(self, *arguments, **options)

        from autonad.training import loop

        original = loop._Loop._step
        patch.setattr(loop._Loop, "_step", step)
        with pytest.raises(KeyboardInterrupt):
            assess("cut")
    assert (tmp_path / "cut/training/checkpoint/latest.json").exists()
    begun.clear()
    seen: list[int] = []
    ran = short_training.ShortTraining.run

    def counted(self: Any, architecture: Architecture, epochs: int, *, resumed: bool) -> dict[str, float]:
        seen.append(epochs)
        return ran(self, architecture, epochs, resumed=resumed)

    monkeypatch.setattr(short_training.ShortTraining, "run", counted)

    cut = assess("cut", resume=True)

    assert len(seen) == 3
    timed = ["step_seconds", "minutes"]
    pd.testing.assert_frame_equal(cut.drop(columns=timed), whole.drop(columns=timed))


def test_another_assessment_is_not_continued(assess: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    assess()
    with pytest.raises(CheckpointError, match="begun with another retrain; restore"):
        assess("whole", "retrain.learning_rate=0.1", resume=True)
    assert (tmp_path / "whole/assessment.json").exists()


def test_what_decides_no_training_can_be_changed_without_repeating_any(
    assess: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    before = assess()
    journal = (tmp_path / "whole/journal.jsonl").read_bytes()
    after = assess("whole", "assess_supernet.resamples=50", "search.score_at=native", resume=True)
    assert (tmp_path / "whole/journal.jsonl").read_bytes() == journal
    assert list(after["key"]) == list(before["key"])


@pytest.mark.parametrize(
    ("line", "said"),
    [("{no JSON", "cannot be read"), ('{"latency_ms": 1.0}', "it has no key"), ('{"key": "a"}', "it has no")],
)
def test_a_damaged_journal_is_named_or_the_assessment_starts_over(
    made: dict[str, Path], tmp_path: Path, line: str, said: str
) -> None:
    inputs = _read(Context(parse_config(SETTINGS, source="test")), *(made[name] for name in READ))
    journal = Journal(tmp_path / "journal.jsonl")
    journal.begin({"identity": inputs.identity})
    with journal.path.open("a") as handle:
        handle.write(f"{line}\n")
    with pytest.raises(StorageError, match=said):
        _entries(journal, inputs.identity, True)
    assert _entries(journal, inputs.identity, "or-restart") == {}
    assert len(journal.read("the journal")) == 1


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("unfinished", StorageError, "the supernet"),
        ("another space", LatencyError, "measured for search space"),
        ("no table", StorageError, "profile-latency"),
    ],
)
def test_what_cannot_be_assessed_is_refused_before_anything_is_written(
    made: dict[str, Path],
    assess: Callable[..., pd.DataFrame],
    tmp_path: Path,
    wrong: str,
    error: type[AutonadError],
    said: str,
) -> None:
    from autonad.latency.table import LatencyTable

    other = tmp_path / "other"
    other.mkdir()
    if wrong == "another space":
        table = LatencyTable.load(made["latency"] / "table.parquet")
        context = {"space": "other", "input_size": [32, 32]}
        dataclasses.replace(table, source="profile", context=context).save(other / "table.parquet")
        shutil.copyfile(made["latency"] / "target.json", other / "target.json")

    with pytest.raises(error, match=said) as caught:
        assess("whole", **{"supernet" if wrong == "unfinished" else "latency": other})

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "whole").exists()
