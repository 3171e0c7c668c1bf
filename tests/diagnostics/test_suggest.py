"""Names that lie near a misspelt one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.diagnostics.suggest import distance, nearest


@pytest.mark.parametrize(
    ("left", "right", "away"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("budget", "budget", 0),
        ("bugdet", "budget", 1),
        ("lerning", "learning", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_distance(left: str, right: str, away: int) -> None:
    assert distance(left, right) == away
    assert distance(right, left) == away


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_bounded(left: str, right: str) -> None:
    assert abs(len(left) - len(right)) <= distance(left, right) <= max(len(left), len(right))


@pytest.mark.parametrize(
    ("word", "candidates", "found"),
    [
        ("textboks", ["textbooks", "pubmed", "web"], ["textbooks"]),
        ("Budget", ["budget", "weights"], ["budget"]),
        ("qualty", ["quality", "doc_id"], ["quality"]),
        ("srource", ["source", "role"], ["source"]),
        ("form", ["from", "over", "data"], ["from"]),
        ("roel", ["role", "over"], ["role"]),
        ("lr", ["lr", "clip"], ["lr"]),
        ("x", ["y", "over"], []),
        ("stage", ["model", "corpus"], []),
        ("notes", ["clinical_notes", "noted"], ["noted", "clinical_notes"]),
        ("aaaa", ["aaab", "aaac", "aaad", "aaae"], ["aaab", "aaac", "aaad"]),
        ("abcd", ["abcd", "abcd"], ["abcd"]),
        ("", ["a"], []),
        ("a", [], []),
    ],
)
def test_nearest(word: str, candidates: list[str], found: list[str]) -> None:
    assert nearest(word, candidates) == found


def test_limit() -> None:
    assert nearest("aaaa", ["aaab", "aaac"], limit=1) == ["aaab"]
