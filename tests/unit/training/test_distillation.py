"""Learning from a teacher's logits."""

import pytest
import torch
from torch.nn import functional as F

from autonad.training.distillation import CLIP, taught, teacher_loss
from autonad.training.losses import make_criterion


def logits(seed: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


LABELS = torch.zeros(2, 4, 4, dtype=torch.long)


def gradient(student: torch.Tensor, teacher: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    student = student.clone().requires_grad_()
    (slope,) = torch.autograd.grad(teacher_loss(student, teacher, LABELS, temperature), student)
    return slope


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_it_is_the_larger_divergence_of_each_pixel_and_its_gradient(temperature):
    student, teacher = logits(0, 0.4).requires_grad_(), logits(1, 0.4)
    p, q = (torch.softmax(x / temperature, 1) for x in (teacher, student))
    assert (q / p).max() < CLIP
    missed, invented = (p * (p / q).log()).sum(1), ((q * q / p).sum(1) - 1) / 2
    assert 0 < (invented > missed).sum() < missed.numel()
    expected = temperature**2 * torch.maximum(missed, invented).mean()
    torch.testing.assert_close(teacher_loss(student, teacher, LABELS, temperature), expected)
    (slope,) = torch.autograd.grad(expected, student)
    torch.testing.assert_close(gradient(student.detach(), teacher, temperature), slope)


def test_an_equal_student_has_no_loss_and_no_gradient():
    same = logits(0)
    assert float(teacher_loss(same, same, LABELS)) == pytest.approx(0, abs=1e-6)
    assert gradient(same, same).abs().max() < 1e-6


def test_no_pixel_outweighs_the_others():
    """A student sure of what its teacher excludes would have all the gradient, were it not clipped."""
    student, teacher = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    student[0, 1], teacher[0, 1] = torch.tensor([0.0, 20.0]), torch.tensor([1.0, -20.0])
    student = student.requires_grad_()
    loss = teacher_loss(student, teacher, torch.zeros(1, 1, 2, dtype=torch.long))
    (slope,) = torch.autograd.grad(loss, student)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() <= CLIP / 2


def test_ignored_pixels_do_not_count_and_a_batch_of_padding_has_no_loss():
    labels = LABELS.clone()
    labels[:, 2:] = 255
    student, teacher = logits(0).requires_grad_(), logits(1)
    loss = teacher_loss(student, teacher, labels)
    torch.testing.assert_close(loss, teacher_loss(student[:, :, :2], teacher[:, :, :2], labels[:, :2]))
    (slope,) = torch.autograd.grad(loss, student)
    assert not slope[:, :, 2:].any()
    assert float(teacher_loss(student.detach(), teacher, torch.full_like(labels, 255))) == 0


def test_the_teacher_receives_no_gradient():
    teacher = logits(1).requires_grad_()
    teacher_loss(logits(0).requires_grad_(), teacher, LABELS).backward()
    assert teacher.grad is None


def test_the_share_lies_between_labels_and_teacher():
    criterion = make_criterion(cross_entropy=1.0, dice=0.0)
    student, teacher = logits(0), logits(1)
    labels, told = F.cross_entropy(student, LABELS), teacher_loss(student, teacher, LABELS)
    for share in (0.0, 0.25, 1.0):
        loss = taught(criterion, share=share, temperature=1.0)
        torch.testing.assert_close(loss(student, LABELS, teacher), share * told + (1 - share) * labels)
        torch.testing.assert_close(loss(student, LABELS, None), labels)
