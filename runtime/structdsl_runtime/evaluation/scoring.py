"""Whether an answer is right: exact match after a normalisation that never loses the answer.

Known traps, each a test: a parser that turns "The answer is B." into nothing; punctuation rules that make 3.5 equal 35
and -5 equal 5; dropped articles that make "vitamin A" equal "vitamin". Letters of all scripts stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

ARTICLES: Final = frozenset({"a", "an", "the"})
LEAD_IN: Final = re.compile(
    r"^\W*(?:(?:so|thus|hence|therefore)\W+)?(?:(?:the|my)\s+)?(?:(?:correct|right|final|best)\s+)?"
    r"(?:answer|option|choice)\s*(?:is\s*[:\-]?|:|=|-)\s*(?=\S)",
    re.IGNORECASE,
)


def parse(output: str) -> str:
    """The first line with any text, stripped; empty only where the output has none."""
    return next((line.strip() for line in output.splitlines() if line.strip()), "")


def normalise(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces: what answers are compared by.

    Kept: letters and digits of every script, symbols (+, °, <), a sign or a point that belongs to a number, an article
    that ends the text ("hepatitis A") and, where nothing else is left, the text itself.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    folded = re.sub(r"(?<=\d),(?=\d{3}\b)", "", folded)  # 1,000
    kept = "".join(_kept(folded, place) for place in range(len(folded)))
    words = kept.split()
    content = [word for place, word in enumerate(words) if word not in ARTICLES or place == len(words) - 1]
    return " ".join(content) or folded


def exact_match(parsed: str, accepted: Iterable[str]) -> bool:
    """Whether a parsed answer, with or without a lead-in such as "The answer is", equals one that is accepted."""
    wanted = {normalise(answer) for answer in accepted} - {""}
    return not wanted.isdisjoint({normalise(parsed), normalise(LEAD_IN.sub("", parsed, count=1))})


def _kept(text: str, place: int) -> str:
    """What becomes of one character: itself, a space for a dash or a slash, or nothing."""
    character = text[place]
    if not unicodedata.category(character).startswith("P"):
        return character
    before, after = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    if character in ".,:" and before.isdigit() and after.isdigit():
        return character  # 3.5, 10:30
    if character == "-" and after.isdigit() and (not before or before.isspace()):
        return character  # -5
    return " " if unicodedata.category(character) == "Pd" or character in "/\\" else ""
