"""Greedy answers, many prompts at a time: left padding, one forward pass per new token over a key-value cache.

Prompts are sorted by length and cut into batches, so that padding stays small. Padding is masked and positions count
from a prompt's own first token: a prompt gets the same answer in any company (a test compares with each alone).

Shapes: B prompts, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch

from structdsl_runtime.text.tokens import Tokenizer

BATCH: Final = 64
BATCH_TOKENS: Final = 16_384  # prompt tokens of a batch, padding included


@torch.inference_mode()
def answers(
    model: Any,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int]],
    *,
    max_tokens: int,
    ends: frozenset[int],
    stop: str = "",
) -> Iterator[tuple[int, str, int]]:
    """Number of a prompt, what the model says to it, and in how many tokens; in the order in which they are done.

    Prompts are ids, from the tokenizer's prefix on where they have it; of one that is too long the end is kept.
    An answer ends before a token of `ends`, before the text `stop` where that is given (its tokens are counted), at the
    end of its first line with any text, or at `max_tokens`.
    """
    room = max(1, getattr(model.config, "max_position_embeddings", 1 << 30) - max_tokens)
    fitting = [_fitting(ids, room, list(tokenizer.prefix)) for ids in prompts]
    order = sorted(range(len(fitting)), key=lambda number: len(fitting[number]))
    for batch in batches(order, [len(ids) for ids in fitting]):
        found = _greedy(model, tokenizer, [fitting[number] for number in batch], max_tokens, ends, stop)
        for number, ids in zip(batch, found, strict=True):
            text = tokenizer.decode(ids)
            yield number, text.split(stop, 1)[0] if stop else text, len(ids)


def _fitting(ids: list[int], room: int, prefix: list[int]) -> list[int]:
    if len(ids) <= room:
        return ids
    kept = prefix if ids[: len(prefix)] == prefix else []
    return [*kept, *ids[-(room - len(kept)) :]]


def batches(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Runs of `order`, which ascends by length, of at most `BATCH` prompts and `BATCH_TOKENS` tokens."""
    batch: list[int] = []
    for number in order:
        if batch and (len(batch) == BATCH or (len(batch) + 1) * lengths[number] > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _greedy(
    model: Any,
    tokenizer: Tokenizer,
    prompts: list[list[int]],
    max_tokens: int,
    ends: frozenset[int],
    stop: str,
) -> list[list[int]]:
    longest = max(map(len, prompts))
    padding = [longest - len(ids) for ids in prompts]
    input_BT = torch.tensor([[0] * pad + ids for pad, ids in zip(padding, prompts, strict=True)], device=model.device)
    mask_BT = torch.arange(longest, device=model.device) >= torch.tensor(padding, device=model.device)[:, None]
    position_BT = (mask_BT.long().cumsum(1) - 1).clamp(min=0)
    mask_BT = mask_BT.long()
    answers: list[list[int]] = [[] for _ in prompts]
    open_ = set(range(len(prompts)))
    cache = None
    for _ in range(max_tokens):
        output = model(
            input_ids=input_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        input_BT = output.logits[:, -1].argmax(-1, keepdim=True)
        for number, token in enumerate(input_BT[:, 0].tolist()):
            if number in open_ and not _goes_on(answers[number], token, tokenizer, ends, stop):
                open_.remove(number)
        if not open_:
            break
        mask_BT = torch.cat((mask_BT, mask_BT.new_ones((len(prompts), 1))), 1)
        position_BT = position_BT[:, -1:] + 1
    return answers


def _goes_on(answer: list[int], token: int, tokenizer: Tokenizer, ends: frozenset[int], stop: str) -> bool:
    """Add a token to an answer; False where that ends it."""
    if token in ends:
        return False
    answer.append(token)
    if stop and stop in tokenizer.decode(answer[-len(stop.encode()) :]):  # a token is one byte or more
        return False
    return "\n" not in tokenizer.decode([token]) or "\n" not in tokenizer.decode(answer).lstrip()
