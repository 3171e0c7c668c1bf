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
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from structdsl_runtime.training.isolation import forward_arguments


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

    def __call__(self, model: Any, config: Any, batch: dict[str, Any]) -> Tensor:
        """The pass's part of the loss in nats per token, times the number of processes: a scalar that carries grad."""
        arguments = forward_arguments(config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])
        with self._head.keep(batch["predict_N"]):
            logits_NV: Tensor = model(**arguments).logits
        total = functional.cross_entropy(
            logits_NV.float(), batch["target_N"], reduction="sum", label_smoothing=self._label_smoothing
        )
        loss: Tensor = total * (self._processes / max(1, batch["predictions"]))
        return loss


def precision_of(model: nn.Module) -> torch.dtype:
    """The type of the model's floating-point parameters."""
    return next(parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
