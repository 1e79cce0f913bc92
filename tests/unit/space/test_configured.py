import pytest

from autonad.config.design_sections import SpaceConfig
from autonad.errors import ConfigError
from autonad.space import SearchSpace
from autonad.space.configured import configured_space


def test_scales_that_leave_too_few_pixels_are_left_out():
    assert configured_space(SpaceConfig(preset="edge"), (128, 128)) == SearchSpace.preset("edge")
    assert configured_space(SpaceConfig(preset="edge"), (64, 200)).scales == (0.5, 0.75, 1.0)


def test_scales_that_were_asked_for_are_taken_or_refused():
    wanted = SpaceConfig(preset="edge", scales=(1.0, 0.5))
    assert configured_space(wanted, (64, 64)).scales == (0.5, 1.0)
    with pytest.raises(ConfigError, match=r"input scale 0.5 leaves 24 of 48 pixels.*needs 32.*space.scales"):
        configured_space(wanted, (48, 64))
    with pytest.raises(ConfigError, match=r"space.scales holds 0.3; the preset 'edge' has 0.25, 0.375"):
        configured_space(SpaceConfig(preset="edge", scales=(0.3,)), (128, 128))
