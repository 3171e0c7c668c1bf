"""Finer and finer pieces of a text that is too long for a chunk: sentences, words, runs of characters.

Each function returns pieces that concatenate to the text; white space stays with what it follows, or, between words,
with the word that it precedes, as byte-level BPE wants it.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_LINE: Final = r"\n(?=[ \t]*(?:[|>*+-]|\d+[.)][ \t]))"  # rows of tables, items of lists
_STOP: Final = (
    r"(?<![^\w][A-Z]\.)(?<=[.!?…])[\"'”’»)\]]*\s+(?=[^\sa-z])"  # "E. coli" and "A. Jones" go on
    r"|[。！？｡…]+[”’」』）】》]*\s*(?=\S)"  # Chinese, Japanese
    r"|[।॥؟۔።።፧។៕။]+\s*(?=\S)"  # Devanagari, Arabic, Urdu, Ethiopic, Khmer, Burmese
)
_SENTENCE: Final = re.compile(f"{_LINE}|{_STOP}")
_FENCED: Final = re.compile(r"\s*(?:`{3}|~{3})")
_NEW_LINE: Final = re.compile(r"\n(?=.)")
_WORD: Final = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")


def sentences(paragraph: str) -> list[str]:
    """Sentences, rows of a table, items of a list, or lines of fenced code."""
    boundary = _NEW_LINE if _FENCED.match(paragraph) else _SENTENCE
    cuts = [0, *(match.end() for match in boundary.finditer(paragraph)), len(paragraph)]
    return [paragraph[start:end] for start, end in pairwise(cuts) if start < end]


def words(sentence: str) -> list[str]:
    """Runs of characters that are not white space, each with the white space before it."""
    return _WORD.findall(sentence)


def runs(word: str, number: int) -> list[str]:
    """`number` runs of characters of equal length, or single characters where there are fewer."""
    size = max(1, -(-len(word) // number))
    return [word[start : start + size] for start in range(0, len(word), size)]
