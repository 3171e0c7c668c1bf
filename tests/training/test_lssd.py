"""Logit swap self-distillation: its identities, a reference in plain NumPy, and the chunked form that trains."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from structdsl.plan.operations import Swap
from structdsl_runtime.training import chunked
from structdsl_runtime.training.chunked import chunked_loss
from structdsl_runtime.training.lssd import ALWAYS, NEVER, Recipe, kd_loss, lssd_loss, swapped, token_losses

N, V, D = 12, 9, 5
SWAPS = {
    "never": NEVER,
    "always": ALWAYS,
    "threshold": Swap(where="threshold", above=0.2),
    "top": Swap(where="top", k=3),
}
FORMS = {
    f"{name} {kl} {temperature}": Recipe(weight=0.3, swap=swap, kl=kl, temperature=temperature)
    for name, swap in SWAPS.items()
    for kl in ("forward", "reverse")
    for temperature in (1.0, 2.5)
}
Numbers = Any


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(count: int = N, *, seed: int = 0) -> Tensor:
    """Some of them the teacher's first choice; every fifth ignored."""
    found = torch.randint(V, (count,), generator=torch.Generator().manual_seed(seed))
    found[::3] = draw(count, V, seed=1)[::3].argmax(-1)
    found[4::5] = -100
    return found


STUDENT, TEACHER, LABELS = draw(N, V), draw(N, V, seed=1), labels()


def softmax(logits: list[float]) -> list[float]:
    exponentials = [math.exp(logit) for logit in logits]
    return [value / sum(exponentials) for value in exponentials]


def by_hand(student: Tensor, teacher: Tensor, targets: Tensor, recipe: Recipe) -> float:
    """The definition, token by token and entry by entry."""
    losses = []
    for z, given, y in zip(student.tolist(), teacher.tolist(), targets.tolist(), strict=True):
        if y == -100:
            continue
        t = [entry / recipe.temperature for entry in given]
        p = softmax(t)
        a = int(np.argmax(t))
        swap = {
            "never": False,
            "always": True,
            "threshold": p[a] - p[y] > (recipe.swap.above or 0),
            "top": sorted(t, reverse=True).index(t[y]) < (recipe.swap.k or 0),
        }[recipe.swap.where]
        if swap:
            t[a], t[y] = t[y], t[a]
        p, q = softmax(t), softmax([entry / recipe.temperature for entry in z])
        if recipe.kl == "reverse":
            p, q = q, p
        kl = sum(p_v * math.log(p_v / q_v) for p_v, q_v in zip(p, q, strict=True))
        ntp = -math.log(softmax(z)[y])
        losses.append((1 - recipe.weight) * ntp + recipe.weight * recipe.temperature**2 * kl)
    return float(np.mean(losses))


def loss_of(recipe: Recipe, student: Tensor, teacher: Tensor = TEACHER, targets: Tensor = LABELS) -> Tensor:
    return lssd_loss(
        student,
        teacher,
        targets,
        weight=recipe.weight,
        temperature=recipe.temperature,
        kl=recipe.kl,
        swap=recipe.swap,
    )


@pytest.mark.parametrize("recipe", FORMS.values(), ids=FORMS)
def test_lssd_is_its_definition(recipe: Recipe) -> None:
    assert loss_of(recipe, STUDENT).item() == pytest.approx(by_hand(STUDENT, TEACHER, LABELS, recipe), rel=1e-13)


@pytest.mark.parametrize("recipe", FORMS.values(), ids=FORMS)
def test_lssd_gradients_by_finite_differences(recipe: Recipe) -> None:
    student = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss_of(recipe, logits), (student,), atol=1e-7)
    teacher = TEACHER.clone().requires_grad_()
    torch.autograd.backward(loss_of(recipe, student, teacher))
    assert teacher.grad is None


KEPT = LABELS != -100
P, Q = TEACHER[KEPT].softmax(-1), STUDENT[KEPT].softmax(-1)
Y = LABELS[KEPT]
A = P.argmax(-1)
ROW = torch.arange(len(Y))


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum(-1)


def p_swapped() -> Tensor:
    return swapped(TEACHER[KEPT], Y, ALWAYS).softmax(-1)


def test_lssd_identity_1_logits_swapped_are_probabilities_swapped() -> None:
    expected = P.clone()
    expected[ROW, A], expected[ROW, Y] = P[ROW, Y], P[ROW, A]
    assert torch.allclose(p_swapped(), expected, atol=1e-15, rtol=0)
    assert not torch.allclose(P, expected, atol=1e-3)


def test_lssd_identity_2_it_is_distillation_and_a_margin() -> None:
    margin = (P[ROW, A] - P[ROW, Y]) * (Q[ROW, A] / Q[ROW, Y]).log()
    assert torch.allclose(kl(p_swapped(), Q), kl(P, Q) + margin, atol=1e-14, rtol=0)
    entropy, after = (-(p * p.log()).sum(-1) for p in (P, p_swapped()))
    assert torch.allclose(entropy, after, atol=1e-14, rtol=0)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_lssd_identity_3_it_is_one_cross_entropy(weight: float) -> None:
    student = STUDENT.clone().requires_grad_()
    (found,) = torch.autograd.grad(lssd_loss(student, TEACHER, LABELS, weight=weight), student)
    target = weight * p_swapped()
    target[ROW, Y] += 1 - weight
    assert torch.allclose(found[KEPT] * len(Y), Q - target, atol=1e-15, rtol=0)
    assert not found[~KEPT].any()


def test_lssd_identity_4_the_token_is_always_first() -> None:
    target = 0.5 * p_swapped()
    target[ROW, Y] += 0.5
    assert torch.equal(target.argmax(-1), Y)
    assert torch.allclose(target[ROW, Y], 0.5 + 0.5 * P.amax(-1), atol=1e-15)


def test_lssd_identity_5_the_old_favourite_inherits() -> None:
    assert torch.allclose(p_swapped()[ROW, A], P[ROW, Y], atol=1e-15)
    assert (p_swapped()[ROW, A] <= P[ROW, A] + 1e-15).all()


def test_lssd_where_the_teacher_is_right_is_kd() -> None:
    right = TEACHER.argmax(-1)
    assert torch.equal(lssd_loss(STUDENT, TEACHER, right), kd_loss(STUDENT, TEACHER, right))
    assert not torch.equal(lssd_loss(STUDENT, TEACHER, LABELS), kd_loss(STUDENT, TEACHER, LABELS))


def test_lssd_of_itself_without_a_swap_is_nothing() -> None:
    assert kd_loss(TEACHER, TEACHER, LABELS, weight=1.0).item() == pytest.approx(0.0, abs=1e-15)


def test_lssd_temperature_keeps_the_scale_of_gradients() -> None:
    norms = {}
    for temperature in (1.0, 50.0, 100.0):
        student = STUDENT.clone().requires_grad_()
        loss = kd_loss(student, TEACHER, LABELS, weight=1.0, temperature=temperature)
        norms[temperature] = torch.autograd.grad(loss, student)[0].norm().item()
    assert norms[50.0] == pytest.approx(norms[100.0], rel=0.05)
    assert 0.1 < norms[100.0] / norms[1.0] < 10


@pytest.mark.parametrize("shape", [(12,), (3, 4), (2, 3, 2), (1, 12)])
def test_lssd_takes_any_leading_shape(shape: tuple[int, ...]) -> None:
    found = lssd_loss(STUDENT.reshape(*shape, V), TEACHER.reshape(*shape, V), LABELS.reshape(shape))
    assert found.shape == ()
    assert found.item() == pytest.approx(lssd_loss(STUDENT, TEACHER, LABELS).item(), rel=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_lssd_keeps_the_type(dtype: torch.dtype) -> None:
    student = STUDENT.to(dtype).requires_grad_()
    found = lssd_loss(student, TEACHER.to(dtype), LABELS)
    assert found.dtype == dtype
    assert torch.autograd.grad(found, student)[0].dtype == dtype
    assert found.item() == pytest.approx(lssd_loss(STUDENT, TEACHER, LABELS).item(), rel=2e-2)


@pytest.mark.parametrize("count", [0, 4])
def test_lssd_with_nothing_supervised_is_zero(count: int) -> None:
    student = STUDENT[:count].clone().requires_grad_()
    loss = lssd_loss(student, TEACHER[:count], torch.full((count,), -100))
    assert loss.item() == 0.0
    assert not torch.autograd.grad(loss, student)[0].any()


def test_lssd_ignores_what_is_said_of_ignored_tokens() -> None:
    student, teacher = STUDENT.clone(), TEACHER.clone()
    student[~KEPT], teacher[~KEPT] = torch.nan, torch.inf
    assert torch.equal(lssd_loss(student, teacher, LABELS), lssd_loss(STUDENT, TEACHER, LABELS))


# The chunked form.

HIDDEN, HEAD, BIAS = draw(N, D, seed=2), draw(V, D, seed=3, scale=1.0), draw(V, seed=4)
TARGET = torch.where(LABELS == -100, 1, LABELS)
RECIPES = {
    **FORMS,
    "text alone": Recipe(),
    "smoothed": Recipe(label_smoothing=0.1),
    "both": Recipe(label_smoothing=0.1, weight=0.4, swap=ALWAYS),
    "both, warm": Recipe(label_smoothing=0.1, weight=0.4, swap=ALWAYS, temperature=2.0),
    "teacher alone": Recipe(weight=1.0, swap=ALWAYS),
}


def parts(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(part.to(dtype, copy=True).requires_grad_() for part in (HIDDEN, HEAD, BIAS))  # type: ignore[return-value]


def teacher_of(recipe: Recipe, logits: Tensor = TEACHER) -> chunked.Teacher | None:
    return (lambda run: logits[run].clone()) if recipe.weight else None


@pytest.mark.parametrize("tokens", [5, 100])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_lssd_chunked_is_the_reference(recipe: Recipe, tokens: int) -> None:
    mine, theirs = parts(), parts()
    total, *each = chunked_loss(*mine, TARGET, recipe=recipe, teacher=teacher_of(recipe), tokens=tokens)
    logits = theirs[0] @ theirs[1].t() + theirs[2]
    loss, *expected = token_losses(logits, TEACHER if recipe.weight else None, TARGET, recipe)
    assert total.item() == pytest.approx(loss.sum().item(), rel=1e-13)
    for found, known in zip(each, expected, strict=True):
        assert (found is None) == (known is None)
        assert found is None or known is None or torch.allclose(found, known, rtol=1e-12, atol=1e-14)
    torch.autograd.backward(3 * total)
    torch.autograd.backward(3 * loss.sum())
    for found, known in zip(mine, theirs, strict=True):
        assert torch.allclose(found.grad, known.grad, rtol=1e-12, atol=1e-13)  # type: ignore[arg-type]


@pytest.mark.parametrize("kl", ["forward", "reverse"])
def test_lssd_on_some_tokens_leaves_others_to_the_text(kl: Literal["forward", "reverse"]) -> None:
    recipe, some = Recipe(weight=0.4, swap=ALWAYS, kl=kl), torch.arange(N) % 2 == 0
    hidden, head, bias = parts()
    total, _, kl_N = chunked_loss(
        hidden, head, bias, TARGET, recipe=recipe, teacher=teacher_of(recipe), distilled_N=some, tokens=7
    )
    (found,) = torch.autograd.grad(total, hidden)
    for mask, form in ((some, recipe), (~some, Recipe())):
        alone = HIDDEN[mask].clone().requires_grad_()
        part, *_ = token_losses(alone @ HEAD.t() + BIAS, TEACHER[mask] if form.weight else None, TARGET[mask], form)
        assert torch.allclose(found[mask], torch.autograd.grad(part.sum(), alone)[0], atol=1e-13)
    assert kl_N is not None
    assert kl_N.all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lssd_chunked_in_half_precision(dtype: torch.dtype) -> None:
    recipe = Recipe(weight=0.5, swap=ALWAYS)
    mine, exact = parts(dtype), parts()
    total, *_ = chunked_loss(*mine, TARGET, recipe=recipe, teacher=teacher_of(recipe, TEACHER.to(dtype)), tokens=5)
    expected, *_ = chunked_loss(*exact, TARGET, recipe=recipe, teacher=teacher_of(recipe))
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(expected.item(), rel=2e-2)
    torch.autograd.backward(total)
    torch.autograd.backward(expected)
    for found, known in zip(mine, exact, strict=True):
        assert found.grad is not None
        assert known.grad is not None
        assert found.grad.dtype == dtype
        assert (found.grad - known.grad).norm() < 0.03 * known.grad.norm()


def test_lssd_chunked_far_from_the_token() -> None:
    """A token of which nothing is left in 32 bits has a loss all the same."""
    hidden = torch.tensor([[300.0], [-300.0]], requires_grad=True)
    head = torch.tensor([[1.0], [0.0], [-1.0]])
    recipe = Recipe(weight=0.5, swap=ALWAYS)
    total, ntp_N, kl_N = chunked_loss(
        hidden, head, None, torch.tensor([2, 2]), recipe=recipe, teacher=lambda run: (hidden.detach() @ head.t())[run]
    )
    assert kl_N is not None
    assert ntp_N.tolist() == [600.0, 0.0]
    assert kl_N.tolist() == [600.0, 0.0]
    assert total.item() == 600.0


def test_lssd_chunked_only_computes_what_is_asked_for() -> None:
    hidden, head, bias = parts()
    total, *_ = chunked_loss(hidden, head.detach(), bias.detach(), TARGET, recipe=Recipe())
    torch.autograd.backward(total)
    assert hidden.grad is not None
    assert head.grad is None
    with torch.no_grad():
        alone, *_ = chunked_loss(hidden, head, bias, TARGET, recipe=Recipe())
    assert not alone.requires_grad
    assert torch.equal(alone, total)
    empty, *_ = chunked_loss(hidden[:0], head, bias, TARGET[:0], recipe=Recipe())
    torch.autograd.backward(empty)
    assert empty.item() == 0.0
    assert head.grad is not None
    assert not head.grad.any()


def test_lssd_chunked_gives_its_gradients_once() -> None:
    total, *_ = chunked_loss(*parts(), TARGET, recipe=Recipe())
    torch.autograd.backward(total, retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        torch.autograd.backward(total)


@pytest.mark.parametrize("vocabulary", [1, 63, 4095, 4096, 4097, 5000])
def test_lssd_chunked_finds_first_choices(vocabulary: int) -> None:
    logits = torch.randn(60, vocabulary, generator=torch.Generator().manual_seed(0))
    for row, place in enumerate((0, vocabulary - 1, vocabulary // 2)):
        logits[row, place] = 9.0
    logits[3, vocabulary // 3 :] = 9.0  # many ties, of which the first counts
    logits[4] = 0.0
    assert torch.equal(chunked.first_choice(logits), logits.argmax(-1, keepdim=True))


def largest(tokens: int, vocabulary: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Elements of the largest tensor that a loss and its gradients allocate, gradients themselves excepted."""
    seen: list[int] = []
    given = (torch.randn(tokens, 2), torch.randn(vocabulary, 2))

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = function(*args, **(kwargs or {}))
            several = found if isinstance(found, (tuple, list)) else (found,)
            made = (tensor for tensor in several if isinstance(tensor, Tensor))
            shapes = {part.shape for part in given}
            seen.extend(tensor.untyped_storage().nbytes() for tensor in made if tensor.shape not in shapes)
            return found

    monkeypatch.setattr(chunked, "ELEMENTS", 1 << 16)
    hidden, head = (part.requires_grad_() for part in given)
    recipe = Recipe(weight=0.5, swap=ALWAYS)
    with Watch():  # type: ignore[no-untyped-call]
        total, *_ = chunked_loss(
            hidden,
            head,
            None,
            torch.zeros(tokens, dtype=torch.long),
            recipe=recipe,
            teacher=lambda run: hidden.detach()[run] @ head.detach().t(),
        )
        torch.autograd.backward(total)
    return max(seen)


def test_lssd_memory_does_not_grow_with_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {largest(tokens, 8192, monkeypatch) for tokens in (16, 64, 256)}
    assert len(sizes) == 1
    assert sizes.pop() <= 4 << 16
