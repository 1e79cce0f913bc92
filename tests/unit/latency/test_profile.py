from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autonad.errors import LatencyError
from autonad.latency.measured import Subject
from autonad.latency.pieces import piece_groups
from autonad.latency.profile import profile_space, table_from_measured
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.space import Architecture, SearchSpace, StageSpace

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


def at_the_ends(space: SearchSpace) -> SearchSpace:
    """A space like this one whose every cost is measured and none interpolated.

    Lateral and output edges share pieces, and so do pooling edges: all need one pair of widths.
    """
    every = [*space.mfam_widths, *(width for stage in space.stages for width in stage.widths)]
    widths = (min(every), max(every))
    return replace(
        space,
        stages=tuple(
            replace(stage, widths=widths, ffn_ratios=_ends(stage.ffn_ratios)) for stage in space.stages
        ),
        mfam_widths=widths,
        pool_sizes=((1, 6),) * 4,
        scales=_ends(space.scales),
        stem_strides=space.stem_strides[-1:],
    )


def _ends(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({min(values), max(values)}))


SPACES = [at_the_ends(SearchSpace.preset(name)) for name in ("tiny", "edge")]


def used_by(row: dict[str, Any], architecture: Architecture) -> bool:
    """Whether a network runs the piece of this row."""
    widths = [3, *(stage.width for stage in architecture.stages)]
    if row.get("stage", 0) >= len(architecture.stages):
        return False
    where = int(row["edge"][-1]) - 1 if row.get("edge") else row.get("stage", 0)
    if row.get("resolution", architecture.resolution(where)) != architecture.resolution(where):
        return False
    match row["part"]:
        case "stem":
            genes = (row.get("scale"), row.get("stem_stride"))
            if row["stage"] == 0 and genes != (architecture.scale, architecture.stem_stride):
                return False
            return (row["in_width"], row["width"]) == tuple(widths[row["stage"] : row["stage"] + 2])
        case "block":
            stage = architecture.stages[row["stage"]]
            if row["block"] >= len(stage.blocks) or stage.width != row["width"]:
                return False
            block = stage.blocks[row["block"]]
            genes = (row["operator"], row["kernel"], row["ffn_ratio"])
            return genes == (block.operator, block.kernel, block.ffn_ratio)
        case "edge":
            operators = dict(architecture.edge_items())
            if row["edge"] not in operators:
                return False
            kind, number = row["edge"][:-1], int(row["edge"][-1])
            lateral = architecture.stages[min(number, len(architecture.stages)) - 1].width
            width = {"pool": widths[-1], "lateral": lateral, "output": architecture.mfam_width}
            side = architecture.pools[number - 1] if kind == "pool" else None
            genes = (row["operator"], row["in_width"], row["width"], row.get("side"))
            return genes == (operators[row["edge"]], width[kind], architecture.mfam_width, side)
    return (row["in_width"], row["width"], row["stages"]) == (
        widths[-1],
        architecture.mfam_width,
        len(architecture.stages),
    )


@pytest.mark.parametrize("space", SPACES)
def test_the_pieces_of_a_network_hold_each_of_its_parameters_once(
    space: SearchSpace, rng: np.random.Generator
) -> None:
    pieces = [piece for group in piece_groups(space, 4, (128, 130)) for piece in group]
    for architecture in (space.smallest(), *(space.sample(rng) for _ in range(5))):
        total = 0
        for piece in pieces:
            uses = sum(used_by(row, architecture) for row in piece.rows)
            if uses:
                total += uses * sum(parameter.numel() for parameter in piece.build().parameters())
        assert total == AutoNADNet(architecture, 4).num_parameters


def test_every_piece_runs_on_its_shape_with_finite_weights() -> None:
    torch.manual_seed(0)
    for group in piece_groups(SMALL, 4, SIZE):
        for piece in group:
            module = piece.build()
            assert all(parameter.isfinite().all() for parameter in module.parameters())
            output = module(torch.randn(piece.shape))
            assert output.isfinite().all()
            if piece.rows[0]["part"] == "rest":
                assert output.shape == (1, 4, *SIZE)


@pytest.mark.parametrize(("space", "size"), [(SPACES[0], (40, 70)), (SPACES[1], (129, 240))])
def test_pieces_see_the_inputs_that_the_network_gives_them(
    space: SearchSpace, size: tuple[int, int], rng: np.random.Generator
) -> None:
    architecture = space.sample(rng)
    network = AutoNADNet(architecture, 4)
    seen: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def watch(module: torch.nn.Module, *place: Any) -> None:
        def hook(_: torch.nn.Module, inputs: Any) -> None:
            seen[place] = tuple(inputs[0].shape)

        module.register_forward_pre_hook(hook)

    for index, stage in enumerate(network.encoder.stages):
        if index:
            watch(stage.embed, "stem", index, None, None)
    watch(network, "stem", 0, None, None)
    for index, stage in enumerate(network.encoder.stages):
        for position, block in enumerate(stage.blocks):
            watch(block, "block", index, position, None)
    for name, edge in network.mfam.edges.items():
        watch(edge, "edge", None, None, name)
    watch(network.mfam.top, "rest", None, None, None)
    network(torch.zeros(1, 3, *size))

    expected = {}
    for piece in (piece for group in piece_groups(space, 4, size) for piece in group):
        for row in piece.rows:
            if used_by(row, architecture):
                place = tuple(row.get(name) for name in ("part", "stage", "block", "edge"))
                expected[place] = piece.shape
    assert seen == expected


@pytest.mark.parametrize("runtime", ["onnxruntime", "pytorch"])
def test_profiling_fills_a_table_that_predicts_every_network(runtime: Any, rng: np.random.Generator) -> None:
    calls: list[tuple[str, int, int]] = []
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    settings = ProfileSettings(warmup=1, repeats=3, rounds=1, networks=4, network_repeats=3)
    measured = profile_space(
        SMALL,
        Target.describe("here", runtime, threads=1),
        Subject.of(SMALL, 4, SIZE, settings),
        accept_noise=True,
        log=lambda *message: calls.append(message),
    )
    table = table_from_measured(measured)
    assert torch.equal(torch.rand(3), expected), "profiling changed the caller's random numbers"
    assert (table.frame["ms"] >= 0).all()
    assert (table.frame["n"] >= 3).all()
    assert table.calibration is not None
    assert len(table.calibration.points) == 4
    assert table.calibration.slope > 0
    for architecture in (SMALL.sample(rng) for _ in range(20)):
        assert table.raw(architecture) > 0
    assert table.context["target"]["runtime"] == runtime
    assert table.context["space"] == SMALL.key
    counts = [done for what, done, _ in calls if what == "pieces"]
    assert counts == sorted(counts)
    assert calls[-1] == ("networks", counts[-1] + 4, counts[-1] + 4)
    assert table.context["quality"]["disagreement"] >= 0
    assert [len(network.visits_ms) for network in measured.networks] == [3] * 4


def test_blocks_of_one_stage_share_one_measurement() -> None:
    settings = ProfileSettings(warmup=0, repeats=3, rounds=1, networks=0)
    subject = Subject.of(SMALL, 4, SIZE, settings)
    target = Target.describe("here", "pytorch", threads=1)
    table = table_from_measured(profile_space(SMALL, target, subject, accept_noise=True))
    blocks = table.frame[table.frame["part"] == "block"]
    assert table.calibration is None
    assert len(blocks) == (2 + 1 + 1 + 1) * 2
    assert (blocks.groupby(["stage", "operator", "width", "ffn_ratio"])["ms"].nunique() == 1).all()


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(LatencyError, match="at least 4"):
        ProfileSettings(networks=2)
