"""How likely a model finds a document: the negative log-likelihood of its tokens, the end of the text included; and how
far its predictions of them are from those of another.

What comes first (the tokenizer's prefix, else the first token) is context only. A document longer than the window is
read in windows that overlap by half: each token is scored once, with at least half a window before it.

Shapes: B windows, T tokens, N scored positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from structdsl_runtime.training.objective import PredictingHead

WINDOW: Final = 2048  # tokens, or the model's positions where they are fewer
BATCH_TOKENS: Final = 8192
BATCH_LOGITS: Final = 1 << 27  # of a batch: half a gigabyte in 32 bits
PIECE_LOGITS: Final = 1 << 26  # of a batch of which two models tell their distributions


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start` to `stop` of a document, scored from `scored` on."""

    document: int
    start: int
    stop: int
    scored: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def windows(document: int, length: int, context: int, size: int) -> Iterator[Window]:
    """The windows of a document of `length` tokens, the first `context` of which are not scored."""
    stop = min(size, length)
    yield Window(document, 0, stop, context)
    while stop < length:
        scored = stop
        stop = min(length, stop + size // 2)
        yield Window(document, stop - size, stop, scored)


@torch.inference_mode()
def document_losses(
    model: Any,
    head: PredictingHead,
    documents: Sequence[Sequence[int]],
    *,
    context: int,
) -> list[tuple[float, int]]:
    """Nats and scored tokens of each document, given as ids from prefix to end of text."""
    size = min(WINDOW, getattr(model.config, "max_position_embeddings", None) or WINDOW)
    parts = [window for number, ids in enumerate(documents) for window in windows(number, len(ids), context, size)]
    nats, counts = [0.0] * len(documents), [0] * len(documents)
    for batch in _batches(sorted(parts, key=lambda window: window.length), model.config.vocab_size):
        for window, losses in zip(batch, _losses(model, head, documents, batch), strict=True):
            nats[window.document] += sum(losses)
            counts[window.document] += len(losses)
    return list(zip(nats, counts, strict=True))


@torch.inference_mode()
def document_divergences(
    model: tuple[Any, PredictingHead],
    reference: tuple[Any, PredictingHead],
    documents: Sequence[Sequence[int]],
    *,
    context: int,
) -> list[tuple[float, int]]:
    """KL(reference ‖ model) in nats, summed over the tokens that `document_losses` scores, and their number.

    Both read the same windows of the same tokens and know the same vocabulary. The distributions of a pass are bounded:
    a window with too many of them is read in pieces.
    """
    config = model[0].config
    size = min(
        WINDOW, *(getattr(one.config, "max_position_embeddings", None) or WINDOW for one, _ in (model, reference))
    )
    whole = [window for number, ids in enumerate(documents) for window in windows(number, len(ids), context, size)]
    parts = [part for window in whole for part in pieces(window, max(1, PIECE_LOGITS // config.vocab_size))]
    nats, counts = [0.0] * len(documents), [0] * len(documents)
    for batch in _batches(sorted(parts, key=lambda window: window.length), config.vocab_size, PIECE_LOGITS):
        input_BT, predict_N = _inputs(documents, batch, model[0].device)
        own_NV, their_NV = (
            functional.log_softmax(_logits(*one, input_BT, predict_N).float(), -1) for one in (model, reference)
        )
        kl_N = functional.kl_div(own_NV, their_NV, reduction="none", log_target=True).sum(-1)
        flat = iter(kl_N.tolist())
        for window in batch:
            nats[window.document] += sum(next(flat) for _ in range(window.stop - window.scored))
            counts[window.document] += window.stop - window.scored
    return list(zip(nats, counts, strict=True))


def pieces(window: Window, most: int) -> Iterator[Window]:
    """A window in parts that score at most so many tokens, each after all that the window has before it."""
    for scored in range(window.scored, window.stop, most):
        yield Window(window.document, window.start, min(window.stop, scored + most), scored)


def _batches(order: Sequence[Window], vocabulary: int, logits: int = BATCH_LOGITS) -> Iterator[list[Window]]:
    most = min(BATCH_TOKENS, logits // vocabulary)
    batch: list[Window] = []
    for window in order:
        if batch and (len(batch) + 1) * window.length > most:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _losses(
    model: Any,
    head: PredictingHead,
    documents: Sequence[Sequence[int]],
    batch: list[Window],
) -> list[list[float]]:
    """Nats of each scored token."""
    input_BT, predict_N = _inputs(documents, batch, model.device)
    logits_NV = _logits(model, head, input_BT, predict_N)
    target_N = input_BT.reshape(-1)[predict_N + 1]
    flat = iter(functional.cross_entropy(logits_NV.float(), target_N, reduction="none").tolist())
    return [[next(flat) for _ in range(window.stop - window.scored)] for window in batch]


def _inputs(documents: Sequence[Sequence[int]], batch: list[Window], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (B, T) of windows, and the flat positions (N) before each scored token.

    Padding stands to the right, where causal attention keeps it out of sight.
    """
    longest = max(window.length for window in batch)
    input_BT = torch.zeros((len(batch), longest), dtype=torch.long)
    predict: list[int] = []
    for line, window in enumerate(batch):
        input_BT[line, : window.length] = torch.tensor(documents[window.document][window.start : window.stop])
        predict.extend(line * longest + place - 1 for place in range(window.scored - window.start, window.length))
    return input_BT.to(device), torch.tensor(predict, dtype=torch.long, device=device)


def _logits(model: Any, head: PredictingHead, input_BT: Tensor, predict_N: Tensor) -> Tensor:
    """Logits (N, V) at the flat positions `predict_N`."""
    with head.keep(predict_N):
        logits_NV: Tensor = model(input_ids=input_BT, use_cache=False).logits
    return logits_NV
