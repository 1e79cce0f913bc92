"""Steps of `autonad run` depend on what the stages of dvc.yaml depend on; what a run takes from others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.errors import AutonadError, ConfigError, LatencyError, StorageError
from autonad.latency.target import Target
from autonad.steps.chain import RECORD, Chain, Link
from autonad.steps.design_chain import Design
from autonad.steps.own_data import run_own_data
from autonad.steps.profile_latency import device_of

ROOT = Path(__file__).parents[3]
FOUND = {"name": "here", "folder": "."}
INPUTS = ("${dataset}", "${target}", "artifacts/pin")


@pytest.fixture
def design(tmp_path: Path) -> Design:
    context = Context(load_config(None, ["retrain.teacher=supernet-largest"]))
    chain = Chain(context, tmp_path / "run", {"source": "mydata"})
    return Design(context, chain, tmp_path / "run", "0" * 64, ("background", "crack"))


@pytest.fixture
def links(design: Design) -> dict[str, Link]:
    found = [design.supernet_link(), design.latency_link(), design.search_link()]
    return {link.name: link for link in (*found, *design.detector_links(FOUND, alone=True))}


def stages() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


@pytest.mark.parametrize(
    "stage", ["train-supernet", "search", "retrain", "evaluate", "fit-thresholds", "export"]
)
def test_a_step_is_repeated_for_the_files_that_its_stage_depends_on(
    links: dict[str, Link], stage: str, tmp_path: Path
) -> None:
    deps = [dep for dep in stages()[stage]["deps"] if not dep.startswith("autonad/") and dep not in INPUTS]
    reads = [str(path.relative_to(tmp_path / "run")) for path in links[stage].reads]
    assert sorted(reads) == sorted(dep.removeprefix("artifacts/") for dep in deps)


def test_what_a_step_reads_is_written_by_one_before(links: dict[str, Link], tmp_path: Path) -> None:
    made = {tmp_path / "run/target.json"}
    for name, link in links.items():
        outputs = stages()[name]["outs"]
        made |= {
            tmp_path
            / "run"
            / str(next(iter(out)) if isinstance(out, dict) else out).removeprefix("artifacts/")
            for out in outputs
        }
        assert set(link.writes) <= made, name
        assert {path for path in link.reads if name not in path.parts} <= made, name


def test_a_detector_is_made_where_the_search_has_it_whatever_its_target_is_called(
    design: Design, tmp_path: Path
) -> None:
    for folder in ("variants/.._.._evil-1ms-0a1b2c3d", "variants/line_3-1ms-0a1b2c3d"):
        found = {"name": "../../evil-1ms", "folder": folder}
        assert design.place(found) == tmp_path / "run" / folder
        for link in design.detector_links(found, alone=False):
            assert all((tmp_path / "run" / folder) in path.parents for path in link.writes), link.name
    assert design.place(FOUND) == tmp_path / "run"


def test_only_what_a_table_names_belongs_to_it(tmp_path: Path) -> None:
    from autonad.steps.own_data import _listing

    for name in ("a.png", "a-mask.png", "other.png"):
        (tmp_path / name).write_bytes(b"x")
    table = tmp_path / "table.csv"
    table.write_text("image,mask\na.png,a-mask.png\nmissing.png,\n")
    before = _listing(table)
    (tmp_path / "other.png").write_bytes(b"xy")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/run.json").write_text("{}")
    assert _listing(table) == before
    (tmp_path / "a-mask.png").write_bytes(b"xy")
    assert _listing(table) != before


def refusal(tmp_path: Path, kind: type[AutonadError], **given: Any) -> str:
    source, output = tmp_path / "mydata", tmp_path / "run"
    source.mkdir(exist_ok=True)
    with pytest.raises(kind) as told:
        run_own_data(Context(Config()), source=source, output=output, **given)
    return str(told.value)


def test_a_device_that_was_not_measured_is_refused_before_anything_is_imported(tmp_path: Path) -> None:
    (tmp_path / "measured").mkdir()
    assert "measured.json" in refusal(tmp_path, StorageError, measured=tmp_path / "measured")
    (tmp_path / "measured/measured.json").write_text('{"format": 0}')
    assert "format" in refusal(tmp_path, LatencyError, measured=tmp_path / "measured")
    assert not (tmp_path / "run").exists()


def test_a_target_file_stands_for_the_device(tmp_path: Path) -> None:
    Target.describe("line 3", threads=1).save(tmp_path / "line.json")
    device = device_of(Config(), tmp_path / "line.json", None)
    assert device is not None
    assert device.name == "line 3"
    assert device_of(Config(), None, None) is None


def test_a_damaged_record_is_refused_and_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RECORD).write_text("{")
    assert "--replace" in refusal(tmp_path, ConfigError)
    refusal(tmp_path, AutonadError, replace_output=True)  # The source is empty.
    assert (tmp_path / "run" / RECORD).read_text() != "{"
