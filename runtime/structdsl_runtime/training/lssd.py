"""Logit swap self-distillation, as a formula: what every other way of computing it is tested against.

A frozen teacher gives logits ℓ, of which a is the largest and y that of the token which follows. With both exchanged,
ℓ̃, its distribution p̃ = softmax(ℓ̃ / T) knows the token and keeps the teacher's shape (Mix-CPT, arXiv 2407.10804). The
student q learns from both: (1 − w) · −log q(y) + w · KL(p̃ ‖ q). Without the exchange this is plain distillation.

Shapes: leading dimensions `...` (N below), V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

from structdsl.plan.operations import Swap

IGNORED: Final = -100
ALWAYS: Final = Swap(where="always")
NEVER: Final = Swap(where="never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """(1 − weight) · next token + weight · divergence; see `lssd_loss`.

    `label_smoothing` ε mixes the uniform distribution into what the token alone asks for, never into the teacher.
    """

    weight: float = 0.0
    swap: Swap = NEVER
    temperature: float = 1.0
    kl: Literal["forward", "reverse"] = "forward"
    label_smoothing: float = 0.0


def lssd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    weight: float = 0.5,
    temperature: float = 1.0,
    kl: Literal["forward", "reverse"] = "forward",
    swap: Swap = ALWAYS,
) -> Tensor:
    """Mean over supervised tokens of (1 − w) · NTP + w · T² · KL, in nats and in the type of `student_logits`.

    Logits (..., V); labels (...) stand where the logits that predict them do (they are shifted already), -100 is
    ignored. None supervised gives zero, with gradients of zero. No gradient goes to the teacher.

    `temperature` T divides the logits of both sides of the divergence, not those of NTP. The divergence is multiplied
    by T², as in Hinton et al. 2015 (1503.02531): its gradient to a logit, T · (q − p̃), would else shrink with 1 / T²
    for large T, and `weight` would mean another thing at every temperature. `reverse` is KL(q ‖ p̃). `swap` says where
    the teacher's first choice and the token change places; a tie for first choice goes to the lower id.
    """
    recipe = Recipe(weight=weight, temperature=temperature, kl=kl, swap=swap)
    return _mean(student_logits, teacher_logits, labels, recipe)


def kd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    weight: float = 0.5,
    temperature: float = 1.0,
    kl: Literal["forward", "reverse"] = "forward",
) -> Tensor:
    """`lssd_loss` in which nothing is swapped: plain distillation."""
    return _mean(student_logits, teacher_logits, labels, Recipe(weight=weight, temperature=temperature, kl=kl))


def _mean(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    supervised = labels != IGNORED
    student_NV, target_N = student_logits[supervised], labels[supervised]
    loss_N, _, _ = token_losses(student_NV, teacher_logits[supervised], target_N, recipe)
    mean = loss_N.sum() / max(1, len(target_N))
    return mean.to(student_logits.dtype)


def token_losses(
    student_NV: Tensor, teacher_NV: Tensor | None, target_N: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What each token costs, its negative log-likelihood and its divergence from the teacher (without T²).

    All supervised; in 32 bits at least. Differentiable with respect to the student.
    """
    student_NV = student_NV.to(torch.promote_types(student_NV.dtype, torch.float32))
    ntp_N = functional.cross_entropy(student_NV, target_N, reduction="none")
    text_N = ntp_N
    if recipe.label_smoothing:
        text_N = functional.cross_entropy(
            student_NV, target_N, reduction="none", label_smoothing=recipe.label_smoothing
        )
    if teacher_NV is None:
        return text_N, ntp_N, None
    p_NV = swapped(teacher_NV.detach().to(student_NV.dtype) / recipe.temperature, target_N, recipe.swap).log_softmax(-1)
    q_NV = (student_NV / recipe.temperature).log_softmax(-1)
    of, to = (p_NV, q_NV) if recipe.kl == "forward" else (q_NV, p_NV)
    kl_N = (of.exp() * (of - to)).sum(-1)
    loss_N = (1 - recipe.weight) * text_N + recipe.weight * recipe.temperature**2 * kl_N
    return loss_N, ntp_N, kl_N


def swapped(logits_NV: Tensor, target_N: Tensor, swap: Swap) -> Tensor:
    """The logits with those of first choice and token exchanged where `swap` says so; both are read before a write."""
    if swap.where == "never":
        return logits_NV
    top_N = logits_NV.argmax(-1)
    places_N2 = torch.stack((top_N, target_N), 1)
    old_N2 = logits_NV.gather(1, places_N2)
    probability_N2 = old_N2.sub(logits_NV.logsumexp(-1, keepdim=True)).exp()
    where_N = chosen(logits_NV, old_N2[:, 1], probability_N2[:, 0] - probability_N2[:, 1], swap)
    new_N2 = torch.where(where_N[:, None], old_N2.flip(1), old_N2)
    return logits_NV.scatter(1, places_N2, new_N2)


def chosen(logits_NV: Tensor, gold_N: Tensor, gap_N: Tensor, swap: Swap) -> Tensor:
    """Where to swap, bool (N,): `gold_N` is the token's logit, `gap_N` the first choice's probability less its own.

    `top(k)`: fewer than k tokens have a larger logit than the token that follows.
    """
    match swap.where:
        case "threshold":
            assert swap.above is not None
            return gap_N > swap.above
        case "top":
            assert swap.k is not None
            return (logits_NV > gold_N[:, None]).sum(-1) < swap.k
        case "never":
            return torch.zeros_like(gap_N, dtype=torch.bool)
        case "always":
            return torch.ones_like(gap_N, dtype=torch.bool)
