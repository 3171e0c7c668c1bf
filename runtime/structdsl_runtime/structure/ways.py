"""Samples that may be put in several ways: the first way of each that fits, and its ids.

All are tried in one round at their first way, which most often fits; those that are still open are tried in the next.
What was tried in vain is let go of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from structdsl_runtime.operation import Fault
from structdsl_runtime.text.ragged import Numbers, Ragged, joined
from structdsl_runtime.text.tokens import Tokenizer

Way = tuple[str, str]  # a prompt and a response


@dataclass(frozen=True, slots=True)
class Fitted:
    prompts: list[str]  # of a sample each
    responses: list[str]
    ids: Ragged  # prompt and response of each sample in turn


def fit(
    first: Sequence[Way],
    others: Callable[[int], Iterator[Way]],
    reserves: Sequence[int | None],
    room: int,
    tokenizer: Tokenizer,
    fault: Callable[[int, int, int], Fault],
) -> Fitted:
    """The first way to put each sample in which prompt and response together have at most `room` tokens.

    After the `first` way of a sample come those that `others` has of its number. A response is taken to have `reserve`
    tokens at least; where that is none, any size fits. Raises the fault of a sample that fits in no way, given its
    number, and the tokens of the prompt and the response that came last.
    """
    texts = [text for way in first for text in way]
    ids = tokenizer.encode_flat(texts)
    least = np.array(reserves, np.float64)  # none becomes NaN, which is more than nothing
    open_ = _too_long(np.arange(len(first)), ids, least, room)
    ways = {number: others(number) for number in open_.tolist()}
    while len(open_):
        taken = np.arange(len(texts))
        fresh: dict[str, int] = {}
        for number in open_.tolist():
            way = next(ways[number], None)
            if way is None:
                raise fault(number, *ids.sizes[2 * number : 2 * number + 2].tolist())
            for place, text in enumerate(way, start=2 * number):
                if text != texts[place]:
                    texts[place] = text
                    taken[place] = len(texts) + fresh.setdefault(text, len(fresh))
        ids = joined([ids, tokenizer.encode_flat(list(fresh))]).take(taken)
        open_ = _too_long(open_, ids, least, room)
    return Fitted(texts[::2], texts[1::2], ids)


def _too_long(numbers: Numbers, ids: Ragged, least: np.typing.NDArray[np.float64], room: int) -> Numbers:
    """Which of these samples do not fit."""
    prompt, response = ids.sizes.reshape(-1, 2)[numbers].T
    too_long: Numbers = numbers[prompt + np.maximum(least[numbers], response) > room]
    return too_long
