import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autonad.detector import resample
from autonad.detector.resample import likeliest, upsampled


@pytest.mark.parametrize(
    ("source", "target"),
    [((32, 32), (200, 200)), ((48, 37), (103, 227)), ((64, 64), (40, 51)), ((5, 7), (5, 7))],
)
def test_equals_torch_interpolation(source: tuple[int, int], target: tuple[int, int]) -> None:
    logits = torch.randn(4, *source, generator=torch.Generator().manual_seed(0))
    scores = F.interpolate(logits[None], size=target, mode="bilinear", align_corners=False)[0]
    top = scores.topk(2, dim=0).values
    decided = (top[0] - top[1] > 1e-4).numpy()  # equal within rounding, so near-ties may go either way
    assert decided.mean() > 0.99
    ours = likeliest(upsampled(logits.numpy(), *target), target)
    assert (ours == scores.argmax(0).numpy())[decided].all()


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).standard_normal((3, 20, 30)).astype(np.float32)
    whole = likeliest(upsampled(logits, 71, 83), (71, 83))
    monkeypatch.setattr(resample, "STRIP_VALUES", 3 * 83 * 4)
    assert (likeliest(upsampled(logits, 71, 83), (71, 83)) == whole).all()


def test_at_its_own_size_it_is_the_argmax() -> None:
    logits = np.random.default_rng(1).standard_normal((5, 16, 24)).astype(np.float32)
    assert (likeliest(upsampled(logits, 16, 24), (16, 24)) == logits.argmax(0)).all()
