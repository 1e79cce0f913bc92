"""What a step's paths learn from."""

import pytest
import torch
from torch import nn

from autonad.training.distillation import PathLoss, taught
from autonad.training.losses import make_criterion
from autonad.training.paths import TrainingPath, backward


def loss_of(share: float = 0.0, dice: float = 0.0) -> PathLoss:
    return taught(make_criterion(cross_entropy=1.0, dice=dice), share=share, temperature=1.0)


def batch(side: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, side, side), torch.randint(0, 2, (2, side, side))


def check_gradients(module: nn.Module, expected: torch.Tensor) -> None:
    gradients = torch.autograd.grad(expected, list(module.parameters()))
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_gradients_of_several_paths_are_averaged():
    torch.manual_seed(0)
    module, (images, labels) = nn.Conv2d(3, 2, 1), batch()
    paths = [TrainingPath(lambda x: module(x)), TrainingPath(lambda x: module(2 * x))]
    loss = backward(paths, images, labels, loss_of(), "fp32")
    both = [loss_of()(module(x), labels, None) for x in (images, 2 * images)]
    torch.testing.assert_close(loss, torch.stack(both).mean().detach())
    check_gradients(module, torch.stack(both).mean())


def test_a_path_taught_by_the_first_learns_from_its_logits_and_moves_them_not():
    torch.manual_seed(0)
    student, teacher, (images, labels) = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), batch()
    paths = [TrainingPath(teacher), TrainingPath(student, teacher="first")]
    backward(paths, images, labels, loss_of(share=1.0), "fp32")
    with torch.no_grad():
        told = teacher(images)
    check_gradients(student, loss_of(share=1.0)(student(images), labels, told) / 2)
    check_gradients(teacher, loss_of()(teacher(images), labels, None) / 2)


def test_another_network_teaches_without_being_trained():
    torch.manual_seed(0)
    student, teacher, (images, labels) = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), batch()
    backward([TrainingPath(student, teacher)], images, labels, loss_of(share=0.5), "fp32")
    assert all(parameter.grad is None for parameter in teacher.parameters())
    check_gradients(student, loss_of(share=0.5)(student(images), labels, teacher(images).detach()))


@pytest.mark.parametrize("teacher", [None, "first"])
def test_bf16_runs_and_stays_close(teacher):
    torch.manual_seed(0)
    module, (images, labels) = nn.Conv2d(3, 2, 3, padding=1), batch(8)
    paths = [TrainingPath(module), TrainingPath(lambda x: module(0.9 * x), teacher)]
    full, half = (backward(paths, images, labels, loss_of(0.5, 1.0), p) for p in ("fp32", "bf16"))
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(full), rel=0.02)
    assert float(half) != float(full)
