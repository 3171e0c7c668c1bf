"""One pass over texts: a cheap test of all of them at once, then a closer look at those that it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

Result = tuple[str, int]
"""What a text becomes, and in how many places it was changed."""


class Hits(Protocol):
    def __call__(self, texts: pa.LargeStringArray, /) -> pa.BooleanArray:
        """For each text whether the pass may change it; false only where it does not."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    kind: str | None  # of what is redacted; none where nothing is counted
    hits: Hits
    apply: Callable[[Sequence[str]], list[Result]]


def having(part: str) -> Hits:
    """Texts with this in them."""
    return lambda texts: _found(pc.match_substring(texts, part))


def matching(pattern: str) -> Hits:
    """Texts in which RE2 finds the pattern."""
    return lambda texts: _found(pc.match_substring_regex(texts, pattern))


def _found(hits: object) -> pa.BooleanArray:
    assert isinstance(hits, pa.BooleanArray), "of an array comes an array"
    return hits


def each(change: Callable[[str], str]) -> Callable[[Sequence[str]], list[Result]]:
    """Texts one by one; how many places change is not looked at."""

    def apply(texts: Sequence[str]) -> list[Result]:
        changed = [change(text) for text in texts]
        return [(new, int(new != old)) for new, old in zip(changed, texts, strict=True)]

    return apply
