import pytest
import torch
from torch.nn import functional as F

from autonad.training.losses import balanced_weights, dice_loss, make_criterion


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 6, 5, generator=generator)
    labels = torch.randint(0, 3, (2, 6, 5), generator=generator)
    return logits, labels


def test_cross_entropy_alone_is_torchs():
    logits, labels = batch()
    criterion = make_criterion(cross_entropy=1.0, dice=0.0)
    torch.testing.assert_close(criterion(logits, labels), F.cross_entropy(logits, labels))


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_ignored_pixels_do_not_matter(dice):
    logits, labels = batch()
    labels[0, :3] = 255
    criterion = make_criterion(cross_entropy=1.0, dice=dice)
    other = logits.clone()
    other[0, :, :3] = 100 * torch.randn(3, 3, 5)
    torch.testing.assert_close(criterion(logits, labels), criterion(other, labels))


def test_a_batch_of_padding_has_no_loss_and_no_nan():
    logits, labels = batch()
    loss = make_criterion(cross_entropy=1.0, dice=1.0)(logits.requires_grad_(), torch.full_like(labels, 255))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()


def test_dice_is_zero_when_right_and_one_when_wrong():
    _, labels = batch()
    right = 50.0 * F.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(right, labels)) == pytest.approx(0, abs=1e-5)
    wrong = 50.0 * F.one_hot((labels + 1) % 3, 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(wrong, labels)) > 0.9


def test_dice_does_not_judge_classes_that_the_batch_lacks():
    logits, labels = batch()
    labels[labels == 2] = 0
    four = torch.cat((logits, torch.full_like(logits[:, :1], -50.0)), dim=1)
    torch.testing.assert_close(dice_loss(four, labels), dice_loss(logits, labels), rtol=1e-4, atol=1e-5)


def test_balanced_weights_lift_rare_classes_and_keep_the_scale():
    pixels = torch.tensor([9000, 900, 100])
    none, half, full = (balanced_weights(pixels, e) for e in (0.0, 0.5, 1.0))
    assert torch.allclose(none, torch.ones(3))
    assert half[0] < half[1] < half[2]
    torch.testing.assert_close(full * pixels / full[0] / 9000, torch.ones(3))
    for weights in (none, half, full):
        assert float((weights * pixels).sum() / pixels.sum()) == pytest.approx(1)
    assert torch.isfinite(balanced_weights(torch.tensor([10, 0, 5]), 1.0)).all()
