import numpy as np

from autonad.search.plain import plain_networks
from autonad.space import SearchSpace

EDGE = SearchSpace.preset("edge")


def test_they_are_members_of_one_operator_and_one_share_of_the_width() -> None:
    found = plain_networks(EDGE, lambda one: True)
    assert len(found) == 4
    for one in found:
        EDGE.check(one)
        assert {block.operator for stage in one.stages for block in stage.blocks} == {"convolution"}
        assert set(one.edges) == {"conv3x3"}
        assert [stage.width for stage in one.stages] == [max(choices.widths) for choices in EDGE.stages]
    assert [(one.scale, one.stem_stride) for one in found] == [(1, 4), (0.75, 4), (1, 2), (0.75, 2)]


def test_constraints_make_them_narrow_then_shallow_then_coarse() -> None:
    def width(one: object) -> int:
        return sum(stage.width for stage in one.stages)  # type: ignore[attr-defined]

    widths = [
        width(plain_networks(EDGE, lambda one, most=most: width(one) <= most)[0]) for most in (300, 180, 90)
    ]
    assert widths[0] > widths[1] > widths[2]
    shallow = plain_networks(EDGE, lambda one: sum(len(stage.blocks) for stage in one.stages) <= 4)
    assert all(len(stage.blocks) == 1 for one in shallow for stage in one.stages)
    coarse = plain_networks(EDGE, lambda one: one.scale <= 0.4)
    assert {one.scale for one in coarse} == {0.25, 0.375}
    assert plain_networks(EDGE, lambda one: False) == []


def test_every_preset_has_them() -> None:
    for name in ("tiny", "small", "table1", "released", "tiny_edge"):
        space = SearchSpace.preset(name)
        found = plain_networks(space, lambda one: True)
        assert found
        for one in found:
            space.check(one)
        drawn = space.sample(np.random.default_rng(0))
        assert drawn.head_width == found[0].head_width
