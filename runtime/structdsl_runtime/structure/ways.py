"""Samples that may be put in several ways: the first way of each that fits, and its ids.

All samples that are open are tried in one round, and a text is encoded once, whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from structdsl_runtime.operation import Fault
from structdsl_runtime.text.ragged import Ragged, joined
from structdsl_runtime.text.tokens import Tokenizer

Way = tuple[str, str]  # a prompt and a response


@dataclass(frozen=True, slots=True)
class Fitted:
    ways: list[Way]  # a sample each
    ids: Ragged  # prompt and response of each sample in turn


def fit(
    ways: Sequence[Iterator[Way]],
    reserves: Sequence[int | None],
    room: int,
    tokenizer: Tokenizer,
    fault: Callable[[int, int, int], Fault],
) -> Fitted:
    """The first way to put each sample in which prompt and response together have at most `room` tokens.

    A response is taken to have `reserve` tokens at least; where that is none, any size fits. Raises the fault of a
    sample that fits in no way, given its number, and the tokens of the prompt and the response that came last.
    """
    chosen: list[Way] = [("", "")] * len(ways)
    least = np.array(reserves, np.float64)  # none becomes NaN, which is more than nothing
    number_of: dict[str, int] = {}  # each text
    encoded: list[Ragged] = []
    sizes, needed = np.empty(0, np.int64), np.empty((0, 2), np.int64)
    open_ = np.arange(len(ways))
    while len(open_):
        before, texts = len(number_of), []
        for at, number in enumerate(open_.tolist()):
            way = next(ways[number], None)
            if way is None:
                raise fault(number, *needed[at].tolist())
            chosen[number] = way
            texts += [number_of.setdefault(text, len(number_of)) for text in way]
        encoded.append(tokenizer.encode_flat(list(islice(number_of, before, None))))
        sizes = np.append(sizes, encoded[-1].sizes)
        needed = sizes[texts].reshape(-1, 2)
        too_long = needed[:, 0] + np.maximum(least[open_], needed[:, 1]) > room
        open_, needed = open_[too_long], needed[too_long]
    numbers = np.array([number_of[text] for way in chosen for text in way], np.int64)
    return Fitted(chosen, joined(encoded).take(numbers))
