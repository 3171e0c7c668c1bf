"""What is minimised: the mean negative log-likelihood of the supervised tokens of the whole optimizer step.

Micro-batches, accumulation and ranks differ in how many tokens they supervise; a mean of their means would weigh a
token by its neighbours. So each pass adds its *sum* over the step's count, which every rank knows beforehand.
DeepSpeed averages gradients over P ranks: the sum is scaled by P.

The output head sees predicting positions alone: logits of prompts and padding are never made.

Shapes: B rows, T positions, D hidden, N predicting positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from structdsl_runtime.training.isolation import forward_arguments


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
        head: nn.Module = cast("Any", model).get_output_embeddings()
        head.register_forward_pre_hook(self._select)

    @contextmanager
    def keep(self, index_N: Tensor) -> Iterator[None]:
        """Within, logits are (N, V): those of the flat positions `index_N`."""
        self._index_N = index_N
        try:
            yield
        finally:
            self._index_N = None

    def _select(self, _module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._index_N is None:
            return None
        hidden_BTD, *rest = arguments
        return (hidden_BTD.flatten(0, 1).index_select(0, self._index_N), *rest)


class NextToken:
    """Cross entropy of the next token, `label_smoothing` ε mixing in the uniform distribution (ε of its weight)."""

    def __init__(self, head: PredictingHead, *, label_smoothing: float, processes: int) -> None:
        self._head = head
        self._label_smoothing = label_smoothing
        self._processes = processes

    def __call__(self, model: Any, config: Any, batch: dict[str, Any]) -> Loss:
        """In nats per token."""
        arguments = forward_arguments(config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])
        with self._head.keep(batch["predict_N"]):
            logits_NV: Tensor = model(**arguments).logits
        logits_NV = logits_NV.float()
        smooth_N = functional.cross_entropy(
            logits_NV, batch["target_N"], reduction="none", label_smoothing=self._label_smoothing
        )
        ntp_N = smooth_N.detach()
        if self._label_smoothing:
            ntp_N = functional.cross_entropy(logits_NV.detach(), batch["target_N"], reduction="none")
        return Loss(total=smooth_N.sum() * (self._processes / max(1, batch["predictions"])), ntp_N=ntp_N)


def precision_of(model: nn.Module) -> torch.dtype:
    """The type of the model's floating-point parameters."""
    return next(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
