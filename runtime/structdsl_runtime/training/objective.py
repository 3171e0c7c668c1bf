"""What is minimised: the mean negative log-likelihood of the supervised tokens of the whole optimizer step.

Micro-batches, accumulation and ranks differ in how many tokens they supervise; a mean of their means would weigh a
token by its neighbours. So each pass adds its *sum* over the step's count, which every rank knows beforehand.
DeepSpeed averages gradients over P ranks: the sum is scaled by P.

The output head sees predicting positions alone: logits of prompts and padding are never made. Those of the others are
made a few tokens at a time (`chunked`), inside of the head's own forward pass, so that what hangs on it (hooks of
ZeRO-3, tied weights) stays what it is. A model that does something to its logits behind the head would make another
loss of them: what trains is asked for that before the first step, and such a model has its logits made whole.

Shapes: B rows, T positions, D hidden, N predicting positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, cast

import torch
from torch import Tensor, nn

from structdsl_runtime.training import chunked
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.lssd import Recipe, token_losses

PROBED: Final = 8  # tokens of the question whether logits stay as the head makes them


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a forward pass gives: `total`, a scalar that carries grad, and of each predicting position without grad
    `ntp_N`, the negative log-likelihood of what it predicts, and `kl_N`, the divergence from a teacher; in nats.
    """

    total: Tensor
    ntp_N: Tensor  # noqa: N815 - shape suffix
    kl_N: Tensor | None = None  # noqa: N815 - shape suffix


class Objective(Protocol):
    """What a stage minimises; `batch` is what `PackedRows` hands out, on the device of the model."""

    def __call__(self, model: Any, config: Any, batch: dict[str, Any]) -> Loss:
        """The pass's part of the loss of the optimizer step, times the number of processes."""
        ...


class PredictingHead:
    """Hands the output head of `model` only the hidden states of the positions chosen by `keep`.

    A forward pre-hook and no wrapper: names of parameters, ZeRO-3's gathering and a model's own scaling of its logits
    stay what they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self._index_N: Tensor | None = None
        self.module: Any = cast("Any", model).get_output_embeddings()
        self.module.register_forward_pre_hook(self._select)

    @contextmanager
    def keep(self, index_N: Tensor, instead: Callable[[Tensor], Tensor] | None = None) -> Iterator[None]:
        """Within, logits are (N, V): those of the flat positions `index_N`; or what `instead` makes of their hidden
        states (N, D), with the head's weights at hand.
        """
        self._index_N = index_N
        if instead is not None:
            self.module.forward = instead
        try:
            yield
        finally:
            self._index_N = None
            if instead is not None:
                del self.module.forward

    def _select(self, _module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._index_N is None:
            return None
        hidden_BTD, *rest = arguments
        return (hidden_BTD.flatten(0, 1).index_select(0, self._index_N), *rest)

    def says_all(self, model: Any, config: Any, device: torch.device) -> bool:
        """Whether the logits of `model` are, bit for bit, what a plain linear head makes of hidden states.

        Under ZeRO-3 a forward pass is collective: all ranks ask at once.
        """
        if type(self.module) is not nn.Linear or "forward" in vars(self.module):
            return False
        made: list[Tensor] = []
        input_BT = torch.arange(PROBED, device=device)[None] % config.vocab_size
        place_BT = torch.arange(PROBED, device=device)[None]
        hook = self.module.register_forward_hook(lambda _module, _arguments, output: made.append(output))
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), self.keep(place_BT[0]):
                logits_NV = model(**forward_arguments(config, input_BT, torch.zeros_like(input_BT), place_BT)).logits
        finally:
            model.train(training)
            hook.remove()
        return torch.equal(made[-1].to(logits_NV.dtype), logits_NV)


class Answers(Protocol):
    """Where a teacher's distributions come from."""

    def __call__(self, student: Any, config: Any, batch: dict[str, Any]) -> AbstractContextManager[chunked.Teacher]:
        """Within, its logits of any run of the predicting positions of a batch; `student` is the model that trains."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A forward pass that is to be made of `model`: what it is given, what it predicts, and who else is heard."""

    model: Any
    arguments: dict[str, Any]  # of the model's forward pass
    predict_N: Tensor  # noqa: N815 - shape suffix
    target_N: Tensor  # noqa: N815 - shape suffix
    teacher: chunked.Teacher | None
    distilled_N: Tensor | None  # noqa: N815 - shape suffix


class TokenLoss:
    """What each predicted token costs by a recipe: cross entropy, and the divergence from a teacher where there is one.

    `distilled` says of a batch on which of its tokens the teacher is heard [all].
    """

    def __init__(
        self,
        head: PredictingHead,
        recipe: Recipe,
        *,
        processes: int,
        teacher: Answers | None = None,
        distilled: Callable[[dict[str, Any]], Tensor] | None = None,
    ) -> None:
        self._head = head
        self._recipe = recipe
        self._processes = processes
        self._teacher = teacher
        self._distilled = distilled
        self._whole: bool | None = None  # whether logits are made whole

    def __call__(self, model: Any, config: Any, batch: dict[str, Any]) -> Loss:
        """In nats per token."""
        device = batch["input_BT"].device
        if self._whole is None:
            self._whole = not self._head.says_all(model, config, device)
            if self._whole and _first():
                print("the model changes its logits behind the head: they are made whole", flush=True)  # noqa: T201 - it is the log of the step
        asked = nullcontext() if self._teacher is None else self._teacher(model, config, batch)
        with asked as teacher:
            given = Pass(
                model=model,
                arguments=forward_arguments(config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]),
                predict_N=batch["predict_N"],
                target_N=batch["target_N"],
                teacher=teacher,
                distilled_N=None if self._distilled is None else self._distilled(batch).to(device),
            )
            loss = self._from_logits(given) if self._whole else self._from_hidden(given)
        return replace(loss, total=loss.total * (self._processes / max(1, batch["predictions"])))

    def _from_hidden(self, given: Pass) -> Loss:
        """With the *sum* over the tokens as `total`."""
        each: list[tuple[Tensor, Tensor | None]] = []
        head = self._head.module

        def loss_of(hidden_ND: Tensor) -> Tensor:
            total, ntp_N, kl_N = chunked.chunked_loss(
                hidden_ND,
                head.weight,
                head.bias,
                given.target_N,
                recipe=self._recipe,
                teacher=given.teacher,
                distilled_N=given.distilled_N,
            )
            each.append((ntp_N, kl_N))
            return total.reshape(1, 1, 1)

        with self._head.keep(given.predict_N, loss_of):
            sum_: Tensor = given.model(**given.arguments).logits
        ntp_N, kl_N = each[-1]
        return Loss(total=sum_.reshape(()), ntp_N=ntp_N, kl_N=kl_N)

    def _from_logits(self, given: Pass) -> Loss:
        """The same of logits that are made whole."""
        with self._head.keep(given.predict_N):
            logits_NV: Tensor = given.model(**given.arguments).logits
        target_N, recipe = given.target_N, self._recipe
        teacher_NV = None if given.teacher is None else given.teacher(slice(0, len(target_N)))
        loss_N, ntp_N, kl_N = token_losses(logits_NV, teacher_NV, target_N, recipe)
        if given.distilled_N is not None:
            text_N, *_ = token_losses(logits_NV, None, target_N, recipe)
            loss_N = torch.where(given.distilled_N, loss_N, text_N)
        return Loss(total=loss_N.sum(), ntp_N=ntp_N.detach(), kl_N=None if kl_N is None else kl_N.detach())


class NextToken(TokenLoss):
    """Cross entropy of the next token, `label_smoothing` ε mixing in the uniform distribution (ε of its weight)."""

    def __init__(self, head: PredictingHead, *, label_smoothing: float, processes: int) -> None:
        super().__init__(head, Recipe(label_smoothing=label_smoothing), processes=processes)


def _first() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def precision_of(model: nn.Module) -> torch.dtype:
    """The type of the model's floating-point parameters."""
    return next(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
