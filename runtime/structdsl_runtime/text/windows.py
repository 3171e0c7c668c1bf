"""Windows over a text that have as many tokens as a cap lets them, and end between words.

Short pieces of the text are counted in one batch; between two of their ends tokens are taken to be spread evenly, so
that a window ends about where it is full. Each is then counted as a whole. Where some are above the cap, their text is
cut again, by shorter pieces as long as there are any, then under a smaller estimate.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, repeat
from typing import Final

from structdsl_runtime.operation import Fault
from structdsl_runtime.text.sentences import UNSPACED

Count = Callable[[Iterable[str]], Sequence[int]]
"""Tokens of each text."""

Span = tuple[int, int, int]
"""A window: the characters of the text from and to, and the tokens between."""

_UNKNOWN: Final = -1
_SHORTEST: Final = 16  # characters of a piece
_MARGIN: Final = 64  # the part of a window that is left free at first, for the counts of pieces do not quite add up
_WORD: Final = 64  # characters that are looked through for the begin of a word
_UNSPACED: Final = re.compile(f"[{UNSPACED}]")


def windows(texts: Sequence[str], *, cap: int, overlap: int, count: Count) -> list[list[Span]]:
    """The windows of each text, none above `cap` tokens; raises Fault E0710 where a single character is.

    Each begins about `overlap` tokens before the one before it ends, and goes beyond it.
    """
    scales = _measured([_Scale([text], [0]) for text in texts], _sizes(cap)[0], count)
    rooms = [cap - cap // _MARGIN] * len(texts)
    known: list[dict[tuple[int, int], int]] = [{} for _ in texts]
    found: list[list[Span]] = [[] for _ in texts]
    open_ = [position for position, text in enumerate(texts) if text]
    for size in chain(_sizes(cap)[1:], repeat(0)):
        for at in open_:
            spans = _slide(texts[at], scales[at], rooms[at], min(overlap, rooms[at] - 1))
            found[at] = [(a, b, known[at].get((a, b), _UNKNOWN)) for a, b in spans]
        fresh = [(at, a, b) for at in open_ for a, b, tokens in found[at] if tokens == _UNKNOWN]
        for (at, a, b), tokens in zip(fresh, count([texts[at][a:b] for at, a, b in fresh]), strict=True):
            known[at][a, b] = tokens
        for at in open_:
            found[at] = [(a, b, known[at][a, b]) for a, b, _ in found[at]]
        open_ = [at for at in open_ if any(tokens > cap for *_, tokens in found[at])]
        if not open_:
            break
        if size:
            finer = _measured([scales[at] for at in open_], size, count, [_above(found[at], cap) for at in open_])
            for at, scale in zip(open_, finer, strict=True):
                scales[at] = scale
            continue
        for at in open_:
            _check(texts[at], found[at], cap)
            rooms[at] = max(0, rooms[at] - max(tokens - cap for *_, tokens in found[at]))
    return found


def _sizes(cap: int) -> tuple[int, ...]:
    """Characters of the pieces that are counted: first everywhere, then where a window is above the cap."""
    return tuple(sorted({min(size, max(cap, _SHORTEST)) for size in (256, 64, _SHORTEST)}, reverse=True))


def _above(spans: Sequence[Span], cap: int) -> list[tuple[int, int]]:
    return [(start, end) for start, end, tokens in spans if tokens > cap]


def _check(text: str, spans: Sequence[Span], cap: int) -> None:
    for start, end, tokens in spans:
        if tokens > cap and end - start == 1:
            raise too_small(cap, text[start], tokens)


def too_small(cap: int, character: str, tokens: int) -> Fault:
    """What is said of a cap that has no room for one character."""
    return Fault(
        "E0710",
        f"one character takes {tokens} tokens, more than a chunk of at most {cap} may have",
        notes=(f"the character is {character!r}",),
        helps=("raise `max` of `chunk`",),
    )


class _Scale:
    """Where pieces of a text end, in characters and in tokens."""

    def __init__(self, pieces: Sequence[str], counts: Sequence[int]) -> None:
        self.pieces, self.counts = pieces, counts
        self.characters = list(accumulate(map(len, pieces), initial=0))
        self.tokens = list(accumulate(counts, initial=0))

    def token(self, character: int) -> float:
        """How many tokens are before a character."""
        return _between(self.characters, self.tokens, character)

    def character(self, token: float) -> int:
        """Which character so many tokens are before."""
        return int(_between(self.tokens, self.characters, token))


def _measured(
    scales: Sequence[_Scale], size: int, count: Count, spans: Sequence[Sequence[tuple[int, int]]] | None = None
) -> list[_Scale]:
    """The same scales with pieces of at most `size` characters: everywhere, or in these spans of each."""
    piece = re.compile(rf"(?s:.{{1,{size}}})(?=\s)|(?s:.{{1,{size}}})")
    found: list[tuple[list[str], list[int]]] = []
    for number, scale in enumerate(scales):
        pieces: list[str] = []
        counts: list[int] = []
        within = iter(spans[number]) if spans is not None else iter([(0, scale.characters[-1])])
        start, end = next(within, (0, 0))
        for at, (text, tokens) in enumerate(zip(scale.pieces, scale.counts, strict=True)):
            while end <= scale.characters[at] and end:
                start, end = next(within, (0, 0))
            finer = piece.findall(text) if start < scale.characters[at + 1] and end else [text]
            pieces += finer
            counts += [_UNKNOWN] * len(finer) if len(finer) > 1 or spans is None else [tokens]
        found.append((pieces, counts))
    wanted = [text for pieces, counts in found for text, n in zip(pieces, counts, strict=True) if n == _UNKNOWN]
    counted = iter(count(wanted))
    return [_Scale(pieces, [next(counted) if n == _UNKNOWN else n for n in counts]) for pieces, counts in found]


def _between(xs: Sequence[int], ys: Sequence[int], x: float) -> float:
    """The value at x of the line through (xs, ys), which rise; the last value behind them."""
    at = bisect_right(xs, x)
    if at == len(xs):
        return ys[-1]
    if at == 0:
        return ys[0]
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return ys[at - 1] + share * (ys[at] - ys[at - 1])


def _slide(text: str, scale: _Scale, room: int, overlap: int) -> list[tuple[int, int]]:
    """Windows of so many tokens as there is room for, by the scale; of one character at the least."""
    spans: list[tuple[int, int]] = []
    start = end = 0
    while end < len(text):
        full = scale.character(scale.token(start) + room)
        end = max(end + 1, _before_word(text, full, end) if full < len(text) else len(text))
        spans.append((start, end))
        if overlap > 0 and end < len(text):
            back = scale.character(scale.token(end) - overlap)
            start = max(start + 1, min(end, _behind_word(text, max(back, 0), end)))
        else:
            start = end
    return spans


def _before_word(text: str, at: int, after: int) -> int:
    """The last place between words up to `at`; `at` itself where there is none near it, and behind `after`."""
    for place in range(at, max(after, at - _WORD), -1):
        if _is_between(text, place):
            return place
    return at


def _behind_word(text: str, at: int, before: int) -> int:
    """The first place between words from `at` on, as far as `before`."""
    for place in range(at, min(before, at + _WORD)):
        if place and _is_between(text, place):
            return place
    return before if before - at <= _WORD else at


def _is_between(text: str, place: int) -> bool:
    """Whether a word ends before a place: white space goes with the word behind it, where it is written."""
    if text[place].isspace():
        return not text[place - 1].isspace()
    return _UNSPACED.match(text[place]) is not None
