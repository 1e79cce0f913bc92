import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from autonad.errors import ArchitectureError, CheckpointError, ConfigError
from autonad.network import AutoNADNet, SuperNet
from autonad.network.sharing import STRATEGIES, covering, store_key, take
from autonad.space import Architecture, Block, SearchSpace

TINY = SearchSpace.preset("tiny")


def uniform(space: SearchSpace, operator: str, kernel: int | None = None) -> Architecture:
    """The largest architecture with one operator everywhere."""
    largest = space.largest()
    stages = tuple(
        replace(s, blocks=tuple(Block(operator, b.ffn_ratio, kernel) for b in s.blocks))
        for s in largest.stages
    )
    return replace(largest, stages=stages)


@pytest.mark.parametrize("sharing", STRATEGIES)
@pytest.mark.parametrize("preset", ["table1", "released", "small", "tiny", "edge"])
def test_extracted_equals_supernet_bit_for_bit(preset, sharing):
    space, rng = SearchSpace.preset(preset), np.random.default_rng(11)
    torch.manual_seed(0)
    supernet = SuperNet(space, num_classes=4, sharing=sharing).eval()
    images = torch.randn(1, 3, *(math.ceil(32 / min(space.scales)),) * 2)
    for _ in range(50):
        architecture = space.sample(rng)
        with torch.no_grad():
            inherited = supernet(images, architecture)
            extracted = supernet.extract(architecture)
            assert torch.equal(inherited, extracted(images))
        tensors = extracted.state_dict().values()
        assert extracted.num_parameters == sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("sharing", STRATEGIES)
def test_extracted_weights_are_copies(sharing):
    torch.manual_seed(0)
    supernet = SuperNet(TINY, num_classes=2, sharing=sharing)
    architecture = TINY.sample(np.random.default_rng(1))
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with torch.no_grad():
        for parameter in supernet.extract(architecture).parameters():
            parameter.add_(1)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())


def test_narrow_weights_are_prefixes_of_wide_ones():
    torch.manual_seed(0)
    supernet = SuperNet(TINY, num_classes=2)
    for operator, kernel in (("attention", None), ("shift", None), ("convolution", 3)):
        wide = uniform(TINY, operator, kernel)
        narrow = replace(
            wide,
            stages=tuple(
                replace(
                    stage,
                    width=min(choices.widths),
                    blocks=tuple(replace(b, ffn_ratio=1.0) for b in stage.blocks),
                )
                for stage, choices in zip(wide.stages, TINY.stages, strict=True)
            ),
        )
        large, small = supernet.weights(wide), supernet.weights(narrow)
        assert small.keys() == large.keys()
        for name, tensor in small.items():
            prefix = large[name][tuple(slice(size) for size in tensor.shape)]
            assert torch.equal(tensor, prefix), name


def test_the_small_kernel_is_the_centre_of_the_large_one():
    torch.manual_seed(0)
    supernet = SuperNet(TINY, num_classes=2)
    five = supernet.weights(uniform(TINY, "convolution", 5))
    three = supernet.weights(uniform(TINY, "convolution", 3))
    name = "encoder.stages.0.blocks.0.mixer.map_q"
    assert torch.equal(three[name], five[name][:, 1:4, 1:4])
    spread = "encoder.stages.0.blocks.0.mixer.spread"
    assert torch.equal(three[spread], five[spread][:, 1:4, 1:4])


def test_dense_edges_are_slices_of_one_bank_and_depthwise_has_its_own():
    torch.manual_seed(0)
    supernet, largest = SuperNet(TINY, num_classes=2), TINY.largest()
    bank = supernet.weights(replace(largest, edges=("conv5x5",) * 10))["mfam.edges.lateral1.operator.weight"]
    for operator in ("conv3x3", "dilated3x3"):
        weights = supernet.weights(replace(largest, edges=(operator,) * 10))
        assert torch.equal(weights["mfam.edges.lateral1.operator.weight"], bank[:, :, 1:4, 1:4])
    one = supernet.weights(replace(largest, edges=("conv1x1",) * 10))["mfam.edges.lateral1.operator.weight"]
    assert torch.equal(one, bank[:, :, 2:3, 2:3])
    depthwise = supernet.weights(replace(largest, edges=("depthwise3x3",) * 10))
    assert "mfam.edges.lateral1.operator.weight" not in depthwise
    assert "mfam.edges.lateral1.operator.depthwise.weight" in depthwise


@pytest.mark.parametrize(("sharing", "shared"), [("cross", True), ("entangled", False), ("classical", False)])
def test_one_step_of_one_operator_moves_the_qkv_of_all_only_when_crossed(sharing, shared):
    torch.manual_seed(0)
    supernet = SuperNet(TINY, num_classes=2, sharing=sharing)
    trained, others = uniform(TINY, "attention"), [uniform(TINY, "shift"), uniform(TINY, "convolution", 5)]
    names = [f"encoder.stages.1.blocks.0.mixer.{p}.weight" for p in "qkv"]
    before = [supernet.weights(other)[name].detach().clone() for other in others for name in names]
    optimizer = torch.optim.SGD(supernet.parameters(), lr=1.0)
    supernet(torch.randn(2, 3, 64, 64), trained).square().mean().backward()
    optimizer.step()
    after = [supernet.weights(other)[name].detach() for other in others for name in names]
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(moved) if shared else not any(moved)


def test_entangled_shares_sizes_and_classical_does_not():
    narrow, wide = TINY.smallest(), TINY.largest()
    same = replace(
        wide,
        stages=tuple(replace(s, blocks=narrow.stages[0].blocks) for s in wide.stages),
        edges=narrow.edges,
    )
    name = "encoder.stages.0.blocks.0.mixer.q.weight"
    for sharing, expected in (("cross", True), ("entangled", True), ("classical", False)):
        keys = {
            store_key(sharing, architecture, name, (architecture.stages[0].width,) * 2 + (1, 1))
            for architecture in (narrow, same)
        }
        assert (len(keys) == 1) == expected


def test_gradients_flow_into_the_slices_that_ran_and_nowhere_else():
    torch.manual_seed(0)
    supernet, architecture = SuperNet(TINY, num_classes=2), TINY.smallest()
    # 64 pixels: at 32 a single key is left after the spatial reduction, and a softmax over one has no
    # gradient.
    supernet(torch.randn(1, 3, 64, 64), architecture).square().mean().backward()
    name, width = "encoder.stages.0.blocks.0.mixer.q.weight", architecture.stages[0].width
    gradient = supernet.parameter_of(architecture, name, (width, width, 1, 1)).grad
    assert gradient is not None
    assert gradient[:width, :width].abs().sum() > 0
    gradient[:width, :width] = 0
    assert not gradient.any()


@pytest.mark.parametrize("sharing", STRATEGIES)
def test_the_store_has_every_shape_that_can_be_asked(sharing):
    rng = np.random.default_rng(2)
    supernet = SuperNet(TINY, num_classes=2, sharing=sharing)
    for _ in range(30):
        architecture = TINY.sample(rng)
        with torch.device("meta"):
            expected = {name: p.shape for name, p in AutoNADNet(architecture, 2).named_parameters()}
        assert {name: tensor.shape for name, tensor in supernet.weights(architecture).items()} == expected


def test_cross_stores_no_more_than_the_largest_network_and_its_alternatives():
    """One tensor per name: cross is the smallest store, classical the largest."""
    sizes = {s: sum(p.numel() for p in SuperNet(TINY, 2, s).parameters()) for s in STRATEGIES}
    assert sizes["cross"] < sizes["entangled"] < sizes["classical"]
    assert sizes["cross"] >= AutoNADNet(TINY.largest(), 2).num_parameters


def test_take_is_a_view_prefix_and_centre():
    tensor = torch.arange(2 * 3 * 5 * 5.0).reshape(2, 3, 5, 5)
    part, whole = take([tensor, tensor], [(1, 2, 3, 3), (2, 3, 5, 5)])
    assert torch.equal(part, tensor[:1, :2, 1:4, 1:4])
    assert part.data_ptr() == tensor[0, 0, 1, 1:].data_ptr()
    assert whole is tensor


def test_the_covering_set_stays_small():
    assert len(covering(SearchSpace.preset("table1"))) < 150


def test_strangers_and_unknown_strategies_are_refused():
    with pytest.raises(ConfigError, match="cross, entangled, classical"):
        SuperNet(TINY, 2, "none")
    with pytest.raises(ArchitectureError, match="does not belong to this search space"):
        SuperNet(TINY, 2)(torch.randn(1, 3, 32, 32), SearchSpace.preset("small").smallest())


def test_adopting_takes_everything_but_what_the_classes_decide():
    torch.manual_seed(0)
    source, supernet = SuperNet(TINY, num_classes=2), SuperNet(TINY, num_classes=5)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    kept = supernet.adopt(source)

    assert sorted(kept) == ["classify.bias", "classify.weight"]
    theirs = source.state_dict()
    for name, tensor in supernet.state_dict().items():
        own = name.removeprefix("store.").replace("/", ".") in kept
        assert torch.equal(tensor, before[name] if own else theirs[name]), name
    assert not SuperNet(TINY, num_classes=2).adopt(source)


@pytest.mark.parametrize(
    ("space", "sharing", "named"), [("small", "cross", "space"), ("tiny", "entangled", "sharing")]
)
def test_adopting_from_another_space_or_sharing_is_refused(space, sharing, named):
    other = SuperNet(SearchSpace.preset(space), num_classes=2, sharing=sharing)
    with pytest.raises(CheckpointError, match=f"initial supernet's {named}"):
        SuperNet(TINY, num_classes=2).adopt(other)


def test_what_reads_the_last_stage_is_not_shared_between_three_and_four_stages():
    edge = SearchSpace.preset("edge")
    supernet, four = SuperNet(edge, num_classes=2), edge.largest()
    three = replace(four, stages=four.stages[:3], edges=four.edges[:6] + four.edges[7:9])
    same = [(supernet.weights(one)["mfam.edges.pool1.norm.weight"].data_ptr()) for one in (three, four)]
    assert same[0] != same[1]
    shared = [(supernet.weights(one)["mfam.edges.lateral2.norm.weight"].data_ptr()) for one in (three, four)]
    assert shared[0] == shared[1]


def test_the_seven_by_seven_bank_holds_the_three_by_three():
    edge = SearchSpace.preset("edge")
    supernet, largest = SuperNet(edge, num_classes=2), edge.largest()
    name = "mfam.edges.lateral1.operator.depthwise.weight"
    seven = supernet.weights(replace(largest, edges=("depthwise7x7",) * 10))[name]
    three = supernet.weights(replace(largest, edges=("depthwise3x3",) * 10))[name]
    assert seven.shape[-1] == 7
    assert torch.equal(three, seven[:, :, 2:5, 2:5])


def test_the_gradient_of_a_slice_is_that_of_indexing():
    torch.manual_seed(0)
    shapes = {"bank": (4, 6, 5, 5), "scale": (6,), "whole": (3, 2), "unused": (8, 8)}
    own, indexed = (
        {name: torch.full(shape, 2.0).requires_grad_() for name, shape in shapes.items()} for _ in "ab"
    )
    bank, scale, whole, unused = take(list(own.values()), [(2, 3, 3, 3), (3,), (3, 2), (4, 8)])
    weights = torch.randn(2, 3, 3, 3)

    def loss(bank, scale, whole):
        return (bank**2 * weights * scale.view(1, 3, 1, 1)).sum() + (whole**3).sum()

    loss(bank, scale, whole).backward()
    loss(indexed["bank"][:2, :3, 1:4, 1:4], indexed["scale"][:3], indexed["whole"]).backward()
    for name in ("bank", "scale", "whole"):
        assert torch.equal(own[name].grad, indexed[name].grad), name
    assert unused.is_contiguous()
    assert own["unused"].grad is None


def test_a_path_is_built_without_drawing_or_storing_anything():
    supernet, before = SuperNet(TINY, num_classes=2), torch.get_rng_state()
    structure = supernet._structure(TINY.sample(np.random.default_rng(7)))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in structure.state_dict().values())


def test_paths_have_equal_parts_in_common_but_no_part_twice():
    supernet, largest = SuperNet(TINY, num_classes=2), TINY.largest()
    one, two = supernet._structure(largest), supernet._structure(replace(largest, edges=("conv1x1",) * 10))
    assert one.encoder.stages[0].blocks[0] is two.encoder.stages[0].blocks[0]
    assert one.mfam.edges["output1"] is not two.mfam.edges["output1"]
    modules = [module for stage in one.encoder.stages for module in (stage.embed, *stage.blocks)]
    assert len({id(module) for module in modules}) == len(modules)
