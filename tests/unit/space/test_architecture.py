import json
from dataclasses import replace

import numpy as np
import pytest

from autonad.errors import ArchitectureError
from autonad.space import EDGES, Architecture, Block, SearchSpace, Stage
from autonad.space.architecture import MIN_SIDE

SPACE = SearchSpace.preset("tiny")


@pytest.fixture
def architecture() -> Architecture:
    return SPACE.sample(np.random.default_rng(3))


def test_json_gives_back_an_equal_value_with_the_same_key(architecture):
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again.key == architecture.key
    assert len(architecture.key) == 12
    assert int(architecture.key, 16) >= 0


def test_key_does_not_depend_on_the_order_or_number_format_of_json(architecture):
    data = json.loads(architecture.to_json())
    data["stages"][0]["blocks"][0]["ffn_ratio"] = 2
    shuffled = dict(reversed(list(data.items())))
    expected = Architecture.from_dict(data)
    assert Architecture.from_dict(shuffled).key == expected.key


def test_absent_genes_are_absent(architecture):
    for stage in architecture.to_dict()["stages"]:
        for block in stage["blocks"]:
            assert ("kernel" in block) == (block["operator"] == "convolution")


def test_every_gene_changes_the_key(architecture):
    stages = architecture.stages
    wider = replace(stages[0], width=stages[0].width * 2)
    deeper = replace(stages[0], blocks=stages[0].blocks * 2)
    changed = [
        replace(architecture, stages=(wider, *stages[1:])),
        replace(architecture, stages=(deeper, *stages[1:])),
        replace(architecture, edges=tuple(reversed(architecture.edges[:5])) + ("conv5x5",) * 5),
        replace(architecture, pools=tuple(side % 6 + 1 for side in architecture.pools)),
        replace(architecture, mfam_width=architecture.mfam_width * 2),
    ]
    assert len({architecture.key, *(other.key for other in changed)}) == 1 + len(changed)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("pools"), "lacks ['pools']"),
        (lambda d: d.update(extra=1), "unknown ['extra']"),
        (lambda d: d.update(stages=d["stages"][:2]), "2 stages; it needs 3 or 4"),
        (lambda d: d["stages"].pop(), "edges has unknown ['lateral3', 'output3']"),
        (lambda d: d.update(scale=0), "scale is 0.0; it must lie between 0.01 and 1"),
        (lambda d: d.update(scale=float("nan")), "scale is nan"),
        (lambda d: d.update(stem_stride=3), "stem_stride is 3; it must be 2 or 4"),
        (lambda d: d["edges"].update(pool1="conv7x7"), "edge pool1 has operator 'conv7x7'"),
        (lambda d: d.update(pools=[0, 1, 2, 3]), "between 1 and 6"),
        (lambda d: d["stages"][0]["blocks"][0].update(operator="mamba"), "operator 'mamba' is unknown"),
        (lambda d: d["stages"][0].update(width="wide"), "wrong kind"),
        (lambda d: d["stages"][0].update(width=12), "no multiple of the head width"),
        (lambda d: d.update(stages=7), "wrong kind"),
    ],
)
def test_malformed_json_is_named(architecture, change, expected):
    data = json.loads(architecture.to_json())
    change(data)
    with pytest.raises(ArchitectureError) as caught:
        Architecture.from_dict(data)
    assert expected in str(caught.value)


def test_text_that_is_no_json_is_named():
    with pytest.raises(ArchitectureError, match="not valid JSON"):
        Architecture.from_json("{")


def test_a_kernel_belongs_to_convolution_only():
    with pytest.raises(ArchitectureError, match="kernel"):
        Block("attention", 2.0, 3)
    with pytest.raises(ArchitectureError, match="kernel"):
        Block("convolution", 2.0)
    with pytest.raises(ArchitectureError, match="odd"):
        Block("convolution", 2.0, 4)


def test_values_are_frozen(architecture):
    with pytest.raises(AttributeError):
        architecture.pools = (1, 1, 1, 1)
    with pytest.raises(ArchitectureError, match="0 blocks"):
        Stage(8, ())


def test_there_are_ten_edges():
    assert len(EDGES) == 10


@pytest.mark.parametrize("scale", [0.25, 0.3, 0.375, 0.5, 0.75, 1.0])
def test_the_least_side_is_the_smallest_that_leaves_enough(scale):
    architecture = replace(SearchSpace.preset("edge").smallest(), scale=scale)
    least = architecture.least_side
    assert min(architecture.scaled((least, least))) == MIN_SIDE
    assert min(architecture.scaled((least - 1, 500))) < MIN_SIDE
