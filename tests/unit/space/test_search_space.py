import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from autonad.errors import ArchitectureError, ConfigError
from autonad.space import EDGES, Architecture, SamplingPrior, SearchSpace, StageSpace, edge_names

PRESETS = ("table1", "released", "small", "tiny", "edge")


def genes(architecture: Architecture) -> list[object]:
    """Every gene of an architecture, in a fixed order, with None for blocks that are not there."""
    values: list[object] = [*architecture.edges, *architecture.pools]
    for stage in architecture.stages:
        values += [stage.width, len(stage.blocks)]
        for block in stage.blocks:
            values += [(block.operator, block.kernel), block.ffn_ratio]
    return values


def small_space() -> SearchSpace:
    one = StageSpace(widths=(8,), depths=(1,), ffn_ratios=(1.0,))
    return SearchSpace(
        stages=(StageSpace((8, 16), (1, 2), (1.0, 2.0)), one, one, one),
        operators=("attention", "convolution"),
        kernels=(3, 5),
        edge_operators=("conv1x1",),
        pool_sizes=((1, 2), (1,), (1,), (1,)),
        head_width=8,
        mfam_widths=(8, 16),
        scales=(0.5, 1.0),
        stem_strides=(2, 4),
        stage_counts=(3, 4),
    )


def enumerate_space(space: SearchSpace) -> set[str]:
    """Keys of all members, by writing them all down."""
    from autonad.space import Block, Stage

    def stages(choices: StageSpace) -> list[Stage]:
        blocks = [Block(m.operator, r, m.kernel) for m in space.mixers for r in choices.ffn_ratios]
        return [
            Stage(width, tuple(chosen))
            for width in choices.widths
            for depth in choices.depths
            for chosen in itertools.product(blocks, repeat=depth)
        ]

    return {
        Architecture(chosen, edges, pools, space.head_width, width, scale, stride).key
        for count in space.stage_counts
        for chosen in itertools.product(*(stages(choices) for choices in space.stages[:count]))
        for edges in itertools.product(space.edge_operators, repeat=len(edge_names(count)))
        for pools in itertools.product(*space.pool_sizes)
        for width, scale, stride in itertools.product(space.mfam_widths, space.scales, space.stem_strides)
    }


def test_size_is_the_number_of_distinct_members():
    space = small_space()
    assert space.size() == len(enumerate_space(space)) == 2 * (6 + 36) * (3**2 + 3**3) * 2 * 2**3


@pytest.mark.parametrize("preset", PRESETS)
def test_drawn_mutated_and_crossed_architectures_lie_in_the_space(preset):
    space, rng = SearchSpace.preset(preset), np.random.default_rng(0)
    first, second = space.sample(rng), space.sample(rng)
    for _ in range(100):
        child = space.mutate(space.crossover(first, second, rng), rng, 0.3)
        space.check(child)
        first, second = second, child


def test_table1_is_the_papers_with_the_highest_values():
    space = SearchSpace.preset("table1")
    assert [max(stage.widths) for stage in space.stages] == [64, 128, 224, 288]
    assert [min(stage.widths) for stage in space.stages] == [32, 32, 128, 192]
    assert all(stage.depths == (1, 2, 3, 4) for stage in space.stages)
    assert [stage.ffn_ratios[-1] for stage in space.stages] == [9.0, 9.0, 5.0, 5.0]
    assert space.kernels == (3, 5)
    assert space.mfam_widths == (256,)


def test_released_is_table1_without_the_highest_values():
    table1, released = SearchSpace.preset("table1"), SearchSpace.preset("released")
    for full, part in zip(table1.stages, released.stages, strict=True):
        assert part.widths == full.widths[:-1]
        assert part.depths == full.depths[:-1]
        assert part.ffn_ratios == full.ffn_ratios[:-1]
    assert released.kernels == (3,)


def test_same_seed_same_architectures():
    space = SearchSpace.preset("small")
    draws = [[space.sample(np.random.default_rng(5)) for _ in range(3)] for _ in range(2)]
    assert draws[0] == draws[1]


def test_each_operator_is_drawn_equally_often_and_kernels_share():
    space, rng = SearchSpace.preset("tiny"), np.random.default_rng(1)
    counts: Counter[tuple[str, int | None]] = Counter()
    for _ in range(1500):
        counts.update((b.operator, b.kernel) for s in space.sample(rng).stages for b in s.blocks)
    total = sum(counts.values())
    shares = {key: count / total for key, count in counts.items()}
    assert shares["attention", None] == pytest.approx(1 / 3, abs=0.02)
    assert shares["shift", None] == pytest.approx(1 / 3, abs=0.02)
    assert shares["convolution", 3] == pytest.approx(1 / 6, abs=0.02)


def test_a_prior_decides_operators_in_sampling_and_mutation():
    space, rng = SearchSpace.preset("tiny"), np.random.default_rng(2)
    prior = SamplingPrior(
        blocks={(0, 0): {"shift": 1.0}}, edges={"lateral1": {"conv1x1": 0.5, "conv3x3": 0.5}}
    )
    drawn = [space.sample(rng, prior) for _ in range(50)]
    assert {a.stages[0].blocks[0].operator for a in drawn} == {"shift"}
    assert {a.edges[EDGES.index("lateral1")] for a in drawn} == {"conv1x1", "conv3x3"}
    assert len({a.stages[1].blocks[0].operator for a in drawn}) == 3
    start = next(
        a for a in (space.sample(rng) for _ in range(50)) if a.stages[0].blocks[0].operator == "attention"
    )
    mutants = [space.mutate(start, rng, 1.0, prior) for _ in range(20)]
    assert {a.stages[0].blocks[0].operator for a in mutants} == {"shift"}


def test_mutation_rate_is_per_gene_and_changes_the_value():
    space, rng = SearchSpace.preset("table1"), np.random.default_rng(3)
    parent = space.sample(rng)
    assert space.mutate(parent, rng, 0.0) == parent
    child = space.mutate(parent, rng, 1.0)
    assert all(a != b for a, b in zip(parent.edges, child.edges, strict=True))
    assert all(a != b for a, b in zip(parent.pools, child.pools, strict=True))
    assert all(a.width != b.width for a, b in zip(parent.stages, child.stages, strict=True))
    edges = [space.mutate(parent, rng, 0.2).edges for _ in range(400)]
    changed = np.mean([[a != b for a, b in zip(parent.edges, row, strict=True)] for row in edges])
    assert changed == pytest.approx(0.2, abs=0.025)


def test_mutating_pools_keeps_the_others():
    """The released code resets all pool sizes instead of mutating one."""
    space, rng = SearchSpace.preset("table1"), np.random.default_rng(4)
    parent = space.sample(rng)
    differences = [
        sum(a != b for a, b in zip(parent.pools, space.mutate(parent, rng, 0.2).pools, strict=True))
        for _ in range(300)
    ]
    assert np.mean(differences) == pytest.approx(0.8, abs=0.15)


def test_crossover_takes_every_gene_from_a_parent_and_from_both():
    space, rng = SearchSpace.preset("table1"), np.random.default_rng(5)
    low, high = space.smallest(), space.largest()
    seen: set[object] = set()
    for _ in range(60):
        child = space.crossover(low, high, rng)
        for one, two, made in zip(low.stages, high.stages, child.stages, strict=True):
            assert made.width in (one.width, two.width)
            assert len(made.blocks) in (len(one.blocks), len(two.blocks))
            assert all(
                block.ffn_ratio in (one.blocks[0].ffn_ratio, two.blocks[0].ffn_ratio) for block in made.blocks
            )
        seen.update((child.edges, child.pools))
        assert all(edge in (a, b) for edge, a, b in zip(child.edges, low.edges, high.edges, strict=True))
    assert len(seen) > 50


def test_crossover_does_not_change_its_parents():
    space, rng = SearchSpace.preset("tiny"), np.random.default_rng(6)
    one, two = space.sample(rng), space.sample(rng)
    before = one.to_json(), two.to_json()
    space.crossover(one, two, rng)
    space.mutate(one, rng, 1.0)
    assert (one.to_json(), two.to_json()) == before


@pytest.mark.parametrize("operators", [("attention",), ("shift", "convolution")])
def test_a_restricted_space_holds_only_those_operators(operators):
    space, rng = SearchSpace.preset("tiny", operators), np.random.default_rng(7)
    found = {b.operator for _ in range(30) for s in space.sample(rng).stages for b in s.blocks}
    assert found == set(operators)
    assert space.size() < SearchSpace.preset("tiny").size()


def test_round_trip_and_key():
    for preset in PRESETS:
        space = SearchSpace.preset(preset)
        assert SearchSpace.from_dict(space.to_dict()) == space
    assert len({SearchSpace.preset(preset).key for preset in PRESETS}) == len(PRESETS)


def test_errors_name_the_choices():
    with pytest.raises(ConfigError, match=r"preset 'large'.*released, small, table1, tiny"):
        SearchSpace.preset("large")
    with pytest.raises(ConfigError, match=r"mamba; choose one or more of attention"):
        SearchSpace.preset("tiny", ["mamba"])
    with pytest.raises(ConfigError, match="nothing"):
        SearchSpace.preset("tiny", [])
    with pytest.raises(ConfigError, match="malformed"):
        SearchSpace.from_dict({"stages": 3})


def test_an_architecture_of_another_space_is_refused_with_the_gene():
    tiny, small = SearchSpace.preset("tiny"), SearchSpace.preset("small")
    stranger = small.sample(np.random.default_rng(8))
    with pytest.raises(ArchitectureError, match="head_width is 16, the space has 8"):
        tiny.check(stranger)
    inside = tiny.sample(np.random.default_rng(9))
    outside = replace(inside, stages=(replace(inside.stages[0], width=24), *inside.stages[1:]))
    with pytest.raises(ArchitectureError, match="width of stage 1 is 24, the space has 8, 16"):
        tiny.check(outside)


def test_older_spaces_draw_and_are_called_what_they_were():
    """Checkpoints and latency tables name the key of a space, and a search follows from its draws."""
    small = SearchSpace.preset("small")
    assert small.key == "067b097c75c3"
    drawn = [small.sample(np.random.default_rng(seed)).key for seed in range(3)]
    assert drawn == ["3eea6d558a9d", "1bb4e6a01e0e", "7d87aa28d232"]


def test_edge_reaches_from_a_quarter_of_the_sides_to_all_of_them():
    edge, rng = SearchSpace.preset("edge"), np.random.default_rng(0)
    assert SearchSpace.from_dict(edge.to_dict()) == edge
    fast, large = edge.smallest(), edge.largest()
    assert (fast.scale, fast.stem_stride, len(fast.stages), fast.mfam_width) == (0.25, 4, 3, 16)
    assert (large.scale, large.stem_stride, len(large.stages), large.mfam_width) == (1.0, 2, 4, 64)
    drawn = [edge.sample(rng) for _ in range(300)]
    for values in (
        Counter(one.scale for one in drawn),
        Counter(one.stem_stride for one in drawn),
        Counter(len(one.stages) for one in drawn),
        Counter(one.mfam_width for one in drawn),
    ):
        assert min(values.values()) > 0.6 * 300 / len(values)


def test_a_network_gains_and_loses_its_last_stage_with_its_edges():
    edge, rng = SearchSpace.preset("edge"), np.random.default_rng(1)
    three, four = edge.smallest(), edge.largest()
    grown = [one for one in (edge.mutate(three, rng, 0.5) for _ in range(40)) if len(one.stages) == 4]
    assert {len(one.stages[3].blocks) for one in grown} == {1, 2}
    crossed = [edge.crossover(three, four, rng) for _ in range(40)]
    assert {len(one.stages) for one in crossed} == {3, 4}
    for one in (*grown, *crossed):
        edge.check(one)
        assert [name for name, _ in one.edge_items()] == list(edge_names(len(one.stages)))
    assert all(one.stages[3] == four.stages[3] for one in crossed if len(one.stages) == 4)


def test_resolutions_follow_from_scale_and_stem():
    large = SearchSpace.preset("edge").largest()
    assert large.feature_sizes((200, 128)) == [(100, 64), (50, 32), (25, 16), (13, 8)]
    assert replace(large, scale=0.375, stem_stride=4).feature_sizes((200, 128))[0] == (19, 12)
