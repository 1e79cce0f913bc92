import itertools
import unicodedata
from pathlib import Path

import pytest
from mlflow.utils.validation import _validate_metric_name, _validate_model_name

from autonad.tracking import class_metric
from autonad.tracking.connection import MlflowClient
from autonad.tracking.identifiers import identifier, tag_is
from autonad.tracking.registry.model_versions import model_name

CLASSES = [
    "划痕",
    "裂纹",
    "depth>1",
    "depth<1",
    "depth_1",
    "Öl/Fleck",
    "Öl:Fleck",
    "..",
    ".",
    "a//b",
    "x" * 300,
]


def test_every_class_has_a_metric_of_its_own_that_a_server_takes() -> None:
    names = [class_metric("test/iou", name) for name in CLASSES]
    assert len(set(names)) == len(CLASSES)
    for name in names:
        _validate_metric_name(name)
    assert names[0] == "test/iou/划痕"
    assert names[2].startswith("test/iou/depth_1-")
    assert names[4] == "test/iou/depth_1"


def test_what_a_server_takes_stays_as_it_is() -> None:
    assert [identifier(name, also=" ") for name in ("crack", "oil stain", "a-b_c.d")] == [
        "crack",
        "oil stain",
        "a-b_c.d",
    ]


def test_different_names_stay_different() -> None:
    alphabet = "a_-/:<. \n\x1b'ö"
    names = {"".join(letters) for n in (1, 2, 3, 4) for letters in itertools.product(alphabet, repeat=n)}
    # A name that looks like the mark of another one must not be taken for it.
    names |= {identifier(name) for name in names}
    assert len({identifier(name) for name in names}) == len(names)


def test_normal_forms_are_one_name() -> None:
    assert identifier(unicodedata.normalize("NFD", "Öl")) == identifier("Öl") == "Öl"


def test_datasets_have_detectors_of_their_own() -> None:
    pairs = [
        ("ö", "here"),
        ("ä", "here"),
        ("a b", "here"),
        ("a_b", "here"),
        ("a/b", "here"),
        ("y" * 300, "z" * 300),
    ]
    names = [model_name(*pair) for pair in pairs]
    assert len(set(names)) == len(pairs)
    for name in names:
        _validate_model_name(name)
        assert len(name) <= 250


@pytest.mark.parametrize("value", ["steel", "ö", "it's", 'a"b', "a'b\"c"])
def test_a_tag_is_found_by_the_value_it_was_given(tmp_path: Path, value: str) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/store.db")
    experiment = client.create_experiment("tags")
    run = client.create_run(experiment, tags={"name": value})
    client.create_run(experiment, tags={"name": "other"})
    found = client.search_runs([experiment], tag_is("name", value))
    assert [one.info.run_id for one in found] == [run.info.run_id]
