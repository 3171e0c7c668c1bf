"""How likely a model finds a document: the negative log-likelihood of its tokens, the end of the text included.

What comes first (the tokenizer's prefix, else the first token) is context only. A document longer than the window is
read in windows that overlap by half: each token is scored once, with at least half a window before it.

Shapes: B windows, T tokens, N scored positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from structdsl_runtime.training.objective import PredictingHead

WINDOW: Final = 2048  # tokens, or the model's positions where they are fewer
BATCH_TOKENS: Final = 8192
BATCH_LOGITS: Final = 1 << 27  # of a batch: half a gigabyte in 32 bits


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


def _batches(order: Sequence[Window], vocabulary: int) -> Iterator[list[Window]]:
    most = min(BATCH_TOKENS, BATCH_LOGITS // vocabulary)
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
    """Nats of each scored token. Padding stands to the right, where causal attention keeps it out of sight."""
    longest = max(window.length for window in batch)
    input_BT = torch.zeros((len(batch), longest), dtype=torch.long)
    predict: list[int] = []
    for line, window in enumerate(batch):
        input_BT[line, : window.length] = torch.tensor(documents[window.document][window.start : window.stop])
        predict.extend(line * longest + place - 1 for place in range(window.scored - window.start, window.length))
    predict_N = torch.tensor(predict, dtype=torch.long, device=model.device)
    input_BT = input_BT.to(model.device)
    with head.keep(predict_N):
        logits_NV = model(input_ids=input_BT, use_cache=False).logits
    target_N = input_BT.reshape(-1)[predict_N + 1]
    flat = iter(functional.cross_entropy(logits_NV.float(), target_N, reduction="none").tolist())
    return [[next(flat) for _ in range(window.stop - window.scored)] for window in batch]
