import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from autonad.config import load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import LatencyError, StorageError
from autonad.latency import profile
from autonad.latency.device_kit import Kit, measure_kit
from autonad.latency.measured import FORMAT, Measured, Subject
from autonad.latency.pack import pack_kit, without_weights
from autonad.latency.placeholders import filled
from autonad.latency.profile import check_complete, table_from_measured
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.runtime import onnx_session
from autonad.latency.table import LatencyTable
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.space import SearchSpace, StageSpace
from autonad.steps import pack_profile, profile_key, profile_kit, profile_latency

SIZE = (40, 70)
# As few pieces as a space can have and still hold a choice between operators.
SMALL = replace(
    SearchSpace.preset("tiny", operators=["attention", "shift"]),
    stages=tuple(
        StageSpace((width,), depths, (1.0,))
        for width, depths in ((8, (1, 2)), (8, (1,)), (16, (1,)), (16, (1,)))
    ),
    edge_operators=("conv1x1", "depthwise3x3"),
    pool_sizes=((2,),) * 4,
)
SUBJECT = Subject.of(
    SMALL, 4, SIZE, ProfileSettings(warmup=0, repeats=3, rounds=1, networks=4, network_repeats=3), "small"
)
HERE = Target.describe("edge", threads=1)


@pytest.fixture(scope="module")
def kit() -> Kit:
    return pack_kit(SMALL, SUBJECT)


@pytest.fixture(scope="module")
def measured(kit: Kit) -> Measured:
    return measure_kit(kit, HERE, accept_noise=True)


@pytest.fixture
def returned(measured: Measured, tmp_path: Path) -> Path:
    measured.save(tmp_path / "measured")
    return tmp_path / "measured"


def test_a_file_without_weights_is_small_and_is_the_same_network_when_filled() -> None:
    torch.manual_seed(0)
    whole = module_to_onnx(AutoNADNet(SMALL.largest(), 4), (1, 3, *SIZE))
    bare, placeholders = without_weights(whole)
    again = onnx.load_from_string(filled(bare, placeholders, 3))
    onnx.checker.check_model(again)
    before = {one.name: numpy_helper.to_array(one) for one in onnx.load_from_string(whole).graph.initializer}
    after = {one.name: numpy_helper.to_array(one) for one in again.graph.initializer}

    assert before.keys() == after.keys()
    assert {name: value.shape for name, value in before.items()} == {
        name: value.shape for name, value in after.items()
    }
    assert sum(one.dims != () for one in placeholders) > 20
    for one in placeholders:
        drawn = after[one.name]
        assert drawn.std() == pytest.approx(before[one.name].std(), rel=0.5, abs=1e-6), one.name
        assert drawn.mean() == pytest.approx(one.mean, abs=max(1e-6, one.std)), one.name
        assert not ((drawn != 0) & (abs(drawn) < np.finfo(np.float32).tiny)).any(), "denormals are slow"
    assert filled(bare, placeholders, 3) == filled(bare, placeholders, 3) != filled(bare, placeholders, 4)


def test_every_file_of_a_kit_runs_with_finite_outputs(kit: Kit) -> None:
    contents = kit.models()
    assert contents.keys() == kit.index.models.keys()
    for name, model in kit.index.models.items():
        session = onnx_session(filled(contents[name], model.placeholders, 0), HERE)
        image = np.random.default_rng(0).standard_normal(model.shape).astype(np.float32)
        (output,) = session.run(None, {"image": image})
        assert np.isfinite(output).all()


def test_a_saved_kit_comes_back_equal_and_holds_equal_pieces_once(kit: Kit, tmp_path: Path) -> None:
    kit.save(tmp_path)
    assert Kit.load(tmp_path) == kit
    assert pack_kit(SMALL, SUBJECT) == kit, "equal spaces give equal bytes"
    assert pack_kit(SMALL, Subject.of(SMALL, 4, (64, 64), SUBJECT.settings)).key != kit.key
    wide, placeholders = without_weights(module_to_onnx(torch.nn.Conv2d(256, 256, 3), (1, 256, 8, 8)))
    assert len(wide) < 2000 < 4 * 256 * 256 * 9
    assert {one.dims for one in placeholders} == {(256, 256, 3, 3), (256,)}


def test_a_damaged_kit_or_one_of_another_format_is_refused(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the kit is not at"):
        Kit.load(tmp_path)
    kit.save(tmp_path)
    (tmp_path / "models.zip").write_bytes(kit.archive[:-1] + b"x")
    with pytest.raises(LatencyError, match=r"damaged: the sha256 of models\.zip"):
        Kit.load(tmp_path)
    kit.save(tmp_path)
    path = tmp_path / "kit.json"
    good = path.read_text()
    path.write_text(good.replace('"num_classes": 4', '"num_classes": 5'))
    with pytest.raises(LatencyError, match=r"damaged: the sha256 of kit\.json"):
        Kit.load(tmp_path)
    path.write_text(good.replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(LatencyError, match="has format 99, this AutoNAD reads format"):
        Kit.load(tmp_path)
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        Kit.load(tmp_path)
    kit.save(tmp_path)
    (tmp_path / "models.zip").unlink()
    with pytest.raises(StorageError, match=r"no readable models\.zip"):
        Kit.load(tmp_path)


def test_what_a_device_measured_becomes_the_table(kit: Kit, measured: Measured, returned: Path) -> None:
    assert Measured.load(returned) == measured
    assert Target.load(returned / "target.json") == HERE
    check_complete(measured, SMALL)
    table = table_from_measured(measured)
    assert (table.context["kit"], table.context["measured_on"]) == (kit.key, None)
    assert table.context["key"] == SUBJECT.table_key(HERE.hardware_key)
    assert table.calibration is not None
    assert [point[2] for point in table.calibration.points] == [one.median_ms for one in measured.networks]
    for architecture in (SMALL.smallest(), SMALL.largest()):
        assert table.raw(architecture) > 0
    fewer = measured.model_copy(update={"rows": measured.rows[1:]})
    with pytest.raises(LatencyError, match="lacks 1 of the space's"):
        check_complete(fewer, SMALL)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace('"overhead_ms": ', '"overhead_ms": NaN, "was": '), "holds NaN"),
        (lambda text: text.replace(f'"format": {FORMAT}', '"format": 99'), "format 99"),
        (lambda text: "[]", "in place of named values"),
    ],
)
def test_a_returned_file_that_is_no_measurement_is_refused(returned: Path, change, named: str) -> None:  # type: ignore[no-untyped-def]
    path = returned / "measured.json"
    path.write_text(change(path.read_text()))
    with pytest.raises((LatencyError, StorageError), match=named):
        Measured.load(returned)
    path.write_text("no JSON")
    with pytest.raises(StorageError, match="cannot be read"):
        Measured.load(returned)


def test_a_measurement_of_something_else_is_refused() -> None:
    for other, named in (
        (Subject.of(SearchSpace.preset("tiny"), 4, SIZE, SUBJECT.settings, "tiny"), "search space"),
        (Subject.of(SMALL, 4, (64, 64), SUBJECT.settings), "input size 40x70"),
        (Subject.of(SMALL, 6, SIZE, SUBJECT.settings), "number of classes 4"),
    ):
        with pytest.raises(LatencyError, match=f"the kit is of {named}.*pack-profile"):
            SUBJECT.check_wanted(other, "the kit")
    SUBJECT.check_wanted(Subject.of(SMALL, 4, SIZE, ProfileSettings()), "the kit")


def test_a_kit_needs_a_target_that_runs_onnx_here(kit: Kit) -> None:
    with pytest.raises(LatencyError, match="runtime pytorch"):
        measure_kit(kit, Target.describe("t", "pytorch", threads=1))
    with pytest.raises(LatencyError, match="64 threads, and this process has"):
        measure_kit(kit, HERE.model_copy(update={"threads": 64}))


# -- the steps ---------------------------------------------------------------------------------------------


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Context:
    monkeypatch.setattr(SearchSpace, "preset", lambda *_: SMALL)
    overrides = ("tracking.enabled=false", "input.height=40", "input.width=70", "profile_latency.warmup=0")
    more = ("profile_latency.repeats=3", "profile_latency.networks=4", "profile_latency.accept_noise=true")
    return Context(load_config(None, (*overrides, *more)), None, Console(report=said.append))


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_kit_goes_to_a_device_and_comes_back_as_a_latency_folder(context: Context, tmp_path: Path) -> None:
    packed = pack_profile(context, output=tmp_path / "kit")
    assert {path.name for path in (tmp_path / "kit").iterdir()} == {
        *("kit.json", "models.zip", "README.md", "profile.sh")
    }
    assert packed.megabytes < 1
    found = profile_kit(context, kit=tmp_path / "kit", output=tmp_path / "back", name="line", threads=1)
    assert found.networks == 4
    result = profile_latency(context, measured=tmp_path / "back", output=tmp_path / "latency")
    assert result.rows == found.rows
    table = LatencyTable.load(tmp_path / "latency/table.parquet")
    assert Target.load(tmp_path / "latency/target.json").name == "line"
    assert table.context["key"] == profile_key(context.config, Target.load(tmp_path / "back/target.json"))
    assert {path.name for path in (tmp_path / "latency").iterdir()} == {
        *("table.parquet", "target.json", "prior.json", "prior.png")
    }
    HERE.model_copy(update={"cpu": "another"}).save(tmp_path / "another.json")
    with pytest.raises(LatencyError, match="measured on another device than target 'edge': cpu is"):
        profile_latency(
            context, target=tmp_path / "another.json", measured=tmp_path / "back", output=tmp_path / "x"
        )
    with pytest.raises(LatencyError, match="neither a target nor anything measured"):
        profile_latency(context, output=tmp_path / "x")


def test_another_device_is_refused_or_marked(context: Context, tmp_path: Path, said: list[str]) -> None:
    HERE.model_copy(update={"arch": "riscv64"}).save(tmp_path / "board.json")
    with pytest.raises(LatencyError, match=r"not target 'edge': arch is .*, not riscv64.*pack-profile"):
        profile_latency(context, target=tmp_path / "board.json", output=tmp_path / "latency")
    assert not (tmp_path / "latency").exists()
    result = profile_latency(
        context, target=tmp_path / "board.json", output=tmp_path / "latency", for_another_device=True
    )
    table = LatencyTable.load(tmp_path / "latency/table.parquet")
    assert "riscv64" in result.cautions[0]
    assert any(line.startswith("warning: ") and "riscv64" in line for line in said)
    with pytest.raises(LatencyError, match="riscv64"):
        table.check_budget(5.0, False)
    table.check_budget(None, False)
    table.check_budget(5.0, True)


def test_a_known_table_of_the_same_key_is_taken_over(
    context: Context, returned: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = returned / "target.json"
    first = profile_latency(context, target=target, output=tmp_path / "first")
    assert not first.taken_over

    def never(*_: object, **__: object) -> Measured:
        raise AssertionError("measured")

    monkeypatch.setattr(profile, "profile_space", never)
    known = tmp_path / "first"
    again = profile_latency(context, target=target, output=tmp_path / "again", known=known)
    assert again.taken_over
    assert (known / "table.parquet").read_bytes() == (tmp_path / "again/table.parquet").read_bytes()
    assert any("nothing is measured" in line for line in said)
    other = load_config(None, ("tracking.enabled=false", "seed=8"))
    with pytest.raises(AssertionError, match="measured"):
        profile_latency(replace(context, config=other), target=target, output=tmp_path / "x", known=known)
    assert "depends on something else" in said[-1]
    (known / "table.parquet").write_bytes(b"half")
    with pytest.raises(AssertionError, match="measured"):
        profile_latency(context, target=target, output=tmp_path / "x", known=known)
    assert "is not used" in said[-1]
    assert "is no latency table" in said[-1]


def test_a_key_depends_on_what_is_measured_and_on_nothing_else() -> None:
    config = load_config(None, ())

    def key(*overrides: str, target: Target = HERE, classes: int = 4) -> str:
        return profile_key(load_config(None, overrides), target, classes)

    changed = {
        key("seed=1"),
        key("space.preset=tiny"),
        key("space.operators=[shift]"),
        key("input.width=96"),
        key("profile_latency.repeats=7"),
        key(classes=5),
        key(target=HERE.model_copy(update={"cpu": "another"})),
    }
    assert len(changed) == 7
    assert profile_key(config, HERE) not in changed
    same = key(
        "profile_latency.temperature=2", "retrain.epochs=3", target=HERE.model_copy(update={"name": "b"})
    )
    assert same == profile_key(config, HERE)


def test_measuring_a_kit_needs_the_base_install_alone(kit: Kit, tmp_path: Path) -> None:
    kit.save(tmp_path / "kit")
    code = f"""
import sys
for name in ("torch", "pandas", "pyarrow", "mlflow", "onnx", "scipy", "jinja2", "matplotlib"):
    sys.modules[name] = None
from autonad.cli import main
sys.argv = ["autonad", "profile-latency", "--kit", {str(tmp_path / "kit")!r}, "--output",
            {str(tmp_path / "back")!r}, "--threads", "1", "--set", "profile_latency.accept_noise=true"]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "back/measured.json").read_text())["kit"] == kit.key
