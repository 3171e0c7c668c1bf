"""The loss and its gradients a few tokens at a time: the logits of a batch are never there all at once.

Loss and gradients with respect to hidden states and output head come out of the same pass over a chunk, whose logits
are then overwritten. With z the student's logits, q = softmax(z), p that of the teacher's ℓ and a its first choice:

    KL(p̃ ‖ q) = Σ p (ℓ − z) − lse(ℓ) + lse(z) + (p_a − p_y)(z_a − z_y)
    ∂L/∂z     = q − (1 − w) · onehot(y) − w · p̃

so a swap is a correction of two entries a token, and each matrix of logits is exponentiated once. What is held besides
the gradients is a handful of chunks of at most `ELEMENTS` logits, whatever batch, length and vocabulary are. At other
temperatures, and for the divergence in reverse, a chunk is computed by the plain formulas.

Shapes: N tokens, C of a chunk, D hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from structdsl_runtime.training.lssd import Recipe, chosen, swapped

TOKENS: Final = 1024  # of a chunk at most
ELEMENTS: Final = 1 << 25  # logits of a chunk at most: 128 MB in 32 bits
BLOCK: Final = 64  # logits of which the largest is looked for together

Teacher = Callable[[slice], Tensor]
"""The teacher's logits (C, V) of a run of the tokens; they may be written over once they were handed out."""


@dataclass(slots=True, kw_only=True)
class Sums:
    """What goes through the chunks besides tensors that autograd knows; `loss_N`, `ntp_N` and `kl_N` are filled."""

    target_N: Tensor  # noqa: N815 - shape suffix
    teacher: Teacher | None
    recipe: Recipe
    distilled_N: Tensor | None  # noqa: N815 - shape suffix
    gradients: bool
    tokens: int
    loss_N: Tensor  # noqa: N815 - shape suffix
    ntp_N: Tensor  # noqa: N815 - shape suffix
    kl_N: Tensor | None  # noqa: N815 - shape suffix


def chunked_loss(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None,
    target_N: Tensor,
    *,
    recipe: Recipe,
    teacher: Teacher | None = None,
    distilled_N: Tensor | None = None,
    tokens: int | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The *sum* of what the tokens cost, a scalar with grad in 32 bits at least; per token NTP and KL without grad.

    As `lssd.token_losses` of the logits `hidden · weightᵀ + bias`. Tokens that are not `distilled_N` (bool) learn from
    the text alone, with its whole weight; their KL is told all the same. Gradients are computed here and now, `tokens`
    at a time [as many as fit]; the backward pass scales them in place, so there is one.
    """
    wide = torch.promote_types(hidden_ND.dtype, torch.float32)
    empty_N = torch.empty(len(target_N), dtype=wide, device=hidden_ND.device)
    sums = Sums(
        target_N=target_N,
        teacher=teacher,
        recipe=recipe,
        distilled_N=distilled_N,
        gradients=torch.is_grad_enabled(),
        tokens=tokens or max(1, min(TOKENS, ELEMENTS // len(weight_VD))),
        loss_N=empty_N,
        ntp_N=torch.empty_like(empty_N),
        kl_N=None if teacher is None else torch.empty_like(empty_N),
    )
    total: Tensor = _Chunked.apply(hidden_ND, weight_VD, bias_V, sums)  # type: ignore[no-untyped-call]
    return total, sums.ntp_N, sums.kl_N


class _Chunked(torch.autograd.Function):
    """Gradients of half types are summed over chunks in 32 bits: a sum of thousands would lose them."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, sums: Sums) -> Tensor:
        wanted = [sums.gradients and needed for needed in ctx.needs_input_grad[:3]]
        wide, half = sums.loss_N.dtype, hidden_ND.dtype != sums.loss_N.dtype
        dhidden_ND = torch.empty_like(hidden_ND) if wanted[0] else None
        dweight_VD = torch.zeros_like(weight_VD, dtype=wide) if wanted[1] else None
        dbias_V = torch.zeros_like(bias_V, dtype=wide) if wanted[2] and bias_V is not None else None
        rooms = _rooms(weight_VD, min(sums.tokens, len(hidden_ND)), wide, taught=sums.teacher is not None)
        for start in range(0, len(hidden_ND), sums.tokens):
            run = slice(start, min(len(hidden_ND), start + sums.tokens))
            hidden_CD, (z_CV, p_CV) = hidden_ND[run], (room[: run.stop - start] for room in rooms)
            z_CV = torch.mm(hidden_CD, weight_VD.t(), out=z_CV).to(wide)
            if bias_V is not None:
                z_CV += bias_V
            gradient_CV = _chunk(z_CV, p_CV, run, sums, gradients=any(wanted))
            if gradient_CV is None:
                continue
            if dbias_V is not None:
                dbias_V += gradient_CV.sum(0)
            gradient_CV = gradient_CV.to(hidden_ND.dtype)
            if dhidden_ND is not None:
                torch.mm(gradient_CV, weight_VD, out=dhidden_ND[run])
            if dweight_VD is not None and half:
                dweight_VD += gradient_CV.t() @ hidden_CD
            elif dweight_VD is not None:
                dweight_VD.addmm_(gradient_CV.t(), hidden_CD)
        ctx.gradients = (dhidden_ND, dweight_VD, dbias_V)
        ctx.types = tuple(None if tensor is None else tensor.dtype for tensor in (hidden_ND, weight_VD, bias_V))
        return sums.loss_N.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of a chunked loss are handed out once")
        gradients, ctx.gradients = ctx.gradients, None
        scaled = (
            None if gradient is None else gradient.mul_(scale).to(dtype)
            for gradient, dtype in zip(gradients, ctx.types, strict=True)
        )
        return (*scaled, None)


def _rooms(weight_VD: Tensor, tokens: int, wide: torch.dtype, *, taught: bool) -> tuple[Tensor, Tensor]:
    """Memory for the logits of a chunk and for the teacher's distribution, asked for once and not once a chunk."""
    z_CV = weight_VD.new_empty((tokens, len(weight_VD)))
    return z_CV, weight_VD.new_empty((tokens if taught else 0, len(weight_VD)), dtype=wide)


def _chunk(z_CV: Tensor, p_CV: Tensor, run: slice, sums: Sums, *, gradients: bool) -> Tensor | None:
    """Writes the losses of a chunk into `sums`; gives their gradient with respect to its logits, which it overwrites.

    `p_CV` is room for the teacher's distribution.
    """
    recipe, target_C1 = sums.recipe, sums.target_N[run, None]
    smoothing, square = recipe.label_smoothing, recipe.temperature**2
    zy_C1 = z_CV.gather(1, target_C1)
    mean_C1 = z_CV.mean(-1, keepdim=True) if smoothing else zy_C1
    teacher = None
    if sums.teacher is not None:
        simple = recipe.kl == "forward" and recipe.temperature == 1
        asked = _Forward if simple else _General
        teacher = asked(z_CV, sums.teacher(run).to(z_CV.dtype), target_C1, recipe, p_CV)
    q_CV, lse_C1 = _normalise(z_CV)
    ntp_C1 = lse_C1 - zy_C1
    text_C1 = torch.lerp(ntp_C1, lse_C1 - mean_C1, smoothing)
    sums.ntp_N[run] = ntp_C1[:, 0]
    share_C1 = torch.zeros_like(ntp_C1)
    if teacher is None or sums.kl_N is None:
        sums.loss_N[run] = text_C1[:, 0]
    else:
        share_C1 += recipe.weight
        if sums.distilled_N is not None:
            share_C1 *= sums.distilled_N[run, None]
        kl_C1 = teacher.divergence(lse_C1)
        sums.kl_N[run] = kl_C1[:, 0]
        sums.loss_N[run] = torch.lerp(text_C1, square * kl_C1, share_C1)[:, 0]
    if not gradients:
        return None
    if teacher is not None:
        teacher.pull(q_CV, share_C1)
    if smoothing:
        q_CV -= (1 - share_C1) * (smoothing / q_CV.shape[1])
    return q_CV.scatter_add_(1, target_C1, (1 - share_C1) * (smoothing - 1))


def _normalise(z_CV: Tensor) -> tuple[Tensor, Tensor]:
    """softmax(z), on a CPU written over z, and logsumexp(z): the largest entry of softmax is exp(max z − lse)."""
    peak_C1 = z_CV.amax(-1, keepdim=True)
    q_CV = torch.softmax(z_CV, -1, out=z_CV) if z_CV.device.type == "cpu" else z_CV.softmax(-1)
    return q_CV, peak_C1 - q_CV.amax(-1, keepdim=True).log()


def first_choice(l_CV: Tensor) -> Tensor:
    """`argmax`, (C, 1), a tie to the lower id; on a CPU by the largest of each block, which is found several times as
    fast as where it is.
    """
    whole = l_CV.shape[1] // BLOCK * BLOCK
    if l_CV.device.type != "cpu" or whole < BLOCK * BLOCK:
        return l_CV.argmax(-1, keepdim=True)
    start_C1 = BLOCK * l_CV[:, :whole].reshape(len(l_CV), -1, BLOCK).amax(-1).argmax(-1, keepdim=True)
    block_CB = l_CV.gather(1, start_C1 + torch.arange(BLOCK))
    top_C1 = start_C1 + block_CB.argmax(-1, keepdim=True)
    if whole == l_CV.shape[1]:
        return top_C1
    rest_C1, place_C1 = l_CV[:, whole:].max(-1, keepdim=True)
    return torch.where(rest_C1 > block_CB.amax(-1, keepdim=True), whole + place_C1, top_C1)


class _Forward:
    """KL(p̃ ‖ q) at temperature 1, by the corrected sums of the module's head; `l_CV` is overwritten."""

    def __init__(self, z_CV: Tensor, l_CV: Tensor, target_C1: Tensor, recipe: Recipe, p_CV: Tensor) -> None:
        self._p_CV = torch.softmax(l_CV, -1, out=p_CV)
        top_C1 = first_choice(l_CV)
        self._places_C2 = torch.cat((top_C1, target_C1), 1)
        p_C2, l_C2, z_C2 = (matrix_CV.gather(1, self._places_C2) for matrix_CV in (p_CV, l_CV, z_CV))
        gap_C = p_C2[:, 0] - p_C2[:, 1]
        self._gap_C1 = (gap_C * chosen(l_CV, l_C2[:, 1], gap_C, recipe.swap))[:, None]
        lse_C1 = l_C2[:, :1] - p_C2[:, :1].log()
        sum_C1 = l_CV.sub_(z_CV).mul_(p_CV).sum(-1, keepdim=True)
        self._rest_C1 = sum_C1 - lse_C1 + self._gap_C1 * (z_C2[:, :1] - z_C2[:, 1:])

    def divergence(self, lse_C1: Tensor) -> Tensor:
        """`lse_C1` is logsumexp of the student's logits."""
        return self._rest_C1 + lse_C1

    def pull(self, q_CV: Tensor, share_C1: Tensor) -> None:
        """From q to what is left of it once p̃ has its share."""
        q_CV.addcmul_(self._p_CV, share_C1, value=-1)
        moved_C1 = share_C1 * self._gap_C1
        q_CV.scatter_add_(1, self._places_C2, torch.cat((moved_C1, -moved_C1), 1))


class _General:
    """Any temperature and direction, with the gradient kept from the start."""

    def __init__(self, z_CV: Tensor, l_CV: Tensor, target_C1: Tensor, recipe: Recipe, p_CV: Tensor) -> None:
        warmth = recipe.temperature
        logp_CV = swapped(l_CV.div_(warmth), target_C1[:, 0], recipe.swap).log_softmax(-1)
        logq_CV = z_CV.div(warmth).log_softmax(-1)
        ratio_CV = torch.sub(logp_CV, logq_CV, out=l_CV)
        q_CV = logq_CV.exp_()
        if recipe.kl == "forward":
            torch.exp(logp_CV, out=p_CV)
            self._kl_C1 = torch.bmm(p_CV[:, None], ratio_CV[:, :, None])[:, 0]
            self._gradient_CV = q_CV.sub_(p_CV).mul_(warmth)
        else:
            self._kl_C1 = -torch.bmm(q_CV[:, None], ratio_CV[:, :, None])[:, 0]
            self._gradient_CV = q_CV.mul_(ratio_CV.add_(self._kl_C1)).mul_(-warmth)

    def divergence(self, _lse_C1: Tensor) -> Tensor:
        return self._kl_C1

    def pull(self, q_CV: Tensor, share_C1: Tensor) -> None:
        q_CV.mul_(1 - share_C1).addcmul_(self._gradient_CV, share_C1)
