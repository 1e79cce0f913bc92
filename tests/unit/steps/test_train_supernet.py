"""What is told of a supernet while it learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from autonad.config import load_config
from autonad.data.synthetic.generator import synthesize
from autonad.network import SuperNet
from autonad.space.configured import configured_space
from autonad.steps.train_supernet import supernet_task
from autonad.training.inputs import detector_spec
from autonad.training.world import ALONE


@pytest.mark.parametrize(("panel", "extremes"), [(1, {"smallest"}), (2, {"smallest", "largest"})])
def test_only_what_is_in_the_panel_is_called_by_its_name(
    tmp_path: Path, panel: int, extremes: set[str]
) -> None:
    small = ["space.preset=tiny", "input.height=32", "input.width=32"]
    config = load_config(None, [*small, f"train_supernet.panel={panel}"])
    source = synthesize(tmp_path / "data", num_images=12, size=(32, 32), seed=0)
    spec = detector_spec(source, config.input)
    supernet = SuperNet(configured_space(config.space, config.input.size), spec.num_classes, "cross").eval()

    found = supernet_task(config, supernet, source, spec, None, ALONE).validate(supernet)

    names = {f"val/miou_{name}" for name in extremes}
    assert {name for name in found if name.endswith(("smallest", "largest"))} == names
    assert min(found[name] for name in names) == found["val/miou_min"]
