import itertools
import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from autonad.deploy.export import check_parity, export_checked, export_onnx
from autonad.deploy.parity import Limits
from autonad.detector.judged import Judgement, Verdict
from autonad.detector.session import METADATA_KEY
from autonad.detector.spec import DetectorSpec
from autonad.errors import ExportError
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.network.pooling import adaptive_average
from autonad.space import EDGE_OPERATORS, EDGES, SearchSpace

TINY = SearchSpace.preset("tiny")


def spec(height: int = 64, width: int = 96) -> DetectorSpec:
    return DetectorSpec(("background", "crack"), height, width, True, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


def images(count: int = 2, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, height, width)).astype(np.float32)


def network(seed: int = 0, **changes: object) -> AutoNADNet:
    torch.manual_seed(seed)
    architecture = replace(TINY.sample(np.random.default_rng(seed)), **changes)
    return AutoNADNet(architecture, num_classes=2).eval()


class Pool(nn.Module):
    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return adaptive_average(x, self.side, self.side)


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": x})[0]


@pytest.mark.parametrize("side", range(1, 7))
def test_every_pool_size_exports_on_every_feature_size(side):
    for height, width in itertools.product((1, 2, 3, 4, 5, 7, 10), (1, 4, 6, 9)):
        x = np.random.default_rng(height).normal(size=(1, 2, height, width)).astype(np.float32)
        found = run(module_to_onnx(Pool(side), x.shape), x)
        np.testing.assert_allclose(found, Pool(side)(torch.from_numpy(x)).numpy(), atol=1e-6)


@pytest.mark.parametrize("side", range(1, 7))
def test_networks_with_every_pool_size_match_torch(tmp_path, side):
    edges = tuple(itertools.islice(itertools.cycle(EDGE_OPERATORS), len(EDGES)))
    net = network(side, pools=(side,) * 4, edges=edges)
    export_onnx(net, spec(), tmp_path / "model.onnx", {})
    parity = check_parity((tmp_path / "model.onnx").read_bytes(), net, images())
    assert parity.images == 2
    assert parity.max_difference < 1e-4


def test_sizes_that_are_no_multiples_of_32_match_torch(tmp_path):
    net = network(3)
    export_onnx(net, spec(45, 70), tmp_path / "model.onnx", {})
    # Of random weights some pixels are ties, which rounding decides.
    parity = check_parity((tmp_path / "model.onnx").read_bytes(), net, images(2, 45, 70))
    assert parity.max_difference < 1e-3
    assert parity.disagreement < 1e-3


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_batch_gives_what_its_images_give_alone(tmp_path, batch):
    net = network(1)
    export_onnx(net, spec(), tmp_path / "model.onnx", {})
    content, x = (tmp_path / "model.onnx").read_bytes(), images(batch)
    found = run(content, x)
    np.testing.assert_allclose(found, np.concatenate([run(content, one[None]) for one in x]), atol=1e-5)
    with torch.inference_mode():
        np.testing.assert_allclose(found, net(torch.from_numpy(x)).numpy(), atol=1e-4)


def test_the_file_carries_what_using_it_takes(tmp_path):
    net = network(2)
    export_onnx(net, spec(), tmp_path / "model.onnx", {"seed": 7})
    model = onnx.load(tmp_path / "model.onnx")
    data = json.loads({p.key: p.value for p in model.metadata_props}[METADATA_KEY])
    assert DetectorSpec.from_dict(data["spec"]) == spec()
    assert data["architecture"] == net.architecture.to_dict()
    assert data["parameters"] == net.num_parameters
    assert data["provenance"] == {"seed": 7}


def checked(tmp_path, monkeypatch, change):
    """Export a network, and compare the file with a changed one."""
    other = network(2)
    with torch.no_grad():
        change(other)
    write = export_onnx
    monkeypatch.setattr("autonad.deploy.export.export_onnx", lambda _, *rest: write(network(2), *rest))
    limits = Limits(tolerance=1e-3, max_disagreement=1e-4)
    return export_checked(other, spec(), tmp_path / "model.onnx", {}, images=images(), limits=limits)


def test_another_network_is_noticed_and_its_file_is_not_left(tmp_path, monkeypatch):
    with pytest.raises(ExportError, match=r"differ by 0.01 in a logit on 2 images"):
        checked(tmp_path, monkeypatch, lambda net: net.classify.bias[0].add_(0.01))
    assert list(tmp_path.iterdir()) == []


def test_nan_is_no_parity(tmp_path, monkeypatch):
    with pytest.raises(ExportError, match="differ by nan"):
        checked(tmp_path, monkeypatch, lambda net: net.classify.bias[0].fill_(float("nan")))


def test_the_same_network_passes(tmp_path, monkeypatch):
    assert checked(tmp_path, monkeypatch, lambda net: None).disagreement <= 1e-4
    assert (tmp_path / "model.onnx").is_file()


def test_a_file_that_judges_otherwise_is_refused(tmp_path):
    net, shown = network(2), images(1)
    with torch.inference_mode():
        logits = net(torch.from_numpy(shown)).numpy()
    seen = []

    def judge(position, given):
        seen.append(np.array_equal(given, logits[position]))
        return Judgement(Verdict.OK if len(seen) == 1 else Verdict.NG, "", (), 0, ())

    limits = Limits(tolerance=1e-3, max_disagreement=1e-2)
    with pytest.raises(ExportError, match="verdicts that differ on 1 of 1 images at the shipped rules"):
        export_checked(net, spec(), tmp_path / "model.onnx", {}, images=shown, limits=limits, judge=judge)
    assert seen[1]
    assert list(tmp_path.iterdir()) == []
