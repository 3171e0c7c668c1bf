"""Choices that look random and are the same on every machine: MD5 of what is decided about, never `hash()`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5
from typing import TypeVar

T = TypeVar("T")


def digest(*parts: object) -> str:
    """MD5 of the parts joined by `/`, in hexadecimal; DuckDB's `md5('a/b')` is the same text."""
    return md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def number(*parts: object) -> int:
    """An integer in [0, 2^64), uniform over the parts."""
    return int(digest(*parts)[:16], 16)


def pick(options: Sequence[T], *parts: object) -> T:
    """One of the options, the same for the same parts."""
    return options[number(*parts) % len(options)]
