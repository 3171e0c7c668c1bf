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


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The ways to put a sample, in the order in which they are tried.

    A response takes `reserve` tokens at least, so that samples of a kind are treated alike; where it is none, any size
    fits. `fault` says that no way does, given the sizes of the last one's prompt and response.
    """

    ways: Iterator[Way]
    reserve: int | None = 0
    fault: Callable[[int, int], Fault] | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    ways: list[Way]  # a sample each
    ids: Ragged  # prompt and response of each sample in turn


def fit(choices: Sequence[Choice], room: int, tokenizer: Tokenizer) -> Fitted:
    """The first way of each choice whose prompt and response together have at most `room` tokens."""
    ways: list[Way] = [("", "")] * len(choices)
    reserves = np.array([choice.reserve for choice in choices], np.float64)  # none becomes NaN
    number_of: dict[str, int] = {}  # each text
    encoded: list[Ragged] = []
    sizes, needed = np.empty(0, np.int64), np.empty((0, 2), np.int64)
    open_ = np.arange(len(choices))
    while len(open_):
        for at, number in enumerate(open_.tolist()):
            way = next(choices[number].ways, None)
            if way is None:
                raise _fault(choices[number], *needed[at].tolist())
            ways[number] = way
        before = len(number_of)
        texts = [number_of.setdefault(text, len(number_of)) for number in open_.tolist() for text in ways[number]]
        encoded.append(tokenizer.encode_flat(list(islice(number_of, before, None))))
        sizes = np.append(sizes, encoded[-1].sizes)
        needed = sizes[texts].reshape(-1, 2)
        too_long = needed[:, 0] + np.maximum(reserves[open_], needed[:, 1]) > room  # never, where it is NaN
        open_, needed = open_[too_long], needed[too_long]
    numbers = np.array([number_of[text] for way in ways for text in way], np.int64)
    return Fitted(ways, joined(encoded).take(numbers))


def _fault(choice: Choice, prompt: int, response: int) -> Fault:
    assert choice.fault is not None, "a sample that any size fits has a way"
    return choice.fault(prompt, response)
