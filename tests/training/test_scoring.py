"""Exact match: what it forgives, and what it must not lose."""

from __future__ import annotations

import pytest

from structdsl_runtime.evaluation.scoring import exact_match, normalise, parse


@pytest.mark.parametrize(
    ("output", "parsed"),
    [
        ("dumplings\nmore", "dumplings"),
        ("\n\n  dumplings ", "dumplings"),
        ("The answer is B.", "The answer is B."),
        ("   ", ""),
        ("", ""),
    ],
)
def test_the_first_line_with_text_is_the_answer(output: str, parsed: str) -> None:
    assert parse(output) == parsed


@pytest.mark.parametrize(
    ("parsed", "accepted"),
    [
        ("The answer is B.", ("B",)),
        ("answer: (B)", ("B",)),
        ("So the correct answer is: B", ("B",)),
        ("B.", ("B",)),
        ("The Dumplings!", ("dumplings",)),
        ("a  double   bass", ("double bass",)),
        ("beta-blocker", ("beta blocker",)),
        ("Ménière’s disease", ("ménière's disease",)),
        ("Ｈ２Ｏ", ("H2O",)),
        ("日本語。", ("日本語",)),
        ("1,000", ("1000",)),
        ("?", ("?",)),
        ("the", ("The",)),
        ("oboe", ("shawm", "oboe")),
        ("The answer is", ("The answer is",)),
    ],
)
def test_what_counts_as_right(parsed: str, accepted: tuple[str, ...]) -> None:
    assert exact_match(parsed, accepted)


@pytest.mark.parametrize(
    ("parsed", "accepted"),
    [
        ("3.5", ("35",)),
        ("-5", ("5",)),
        ("vitamin A", ("vitamin",)),
        ("", ("",)),
        ("", ("B",)),
        ("dumplings and leeks", ("dumplings",)),
        ("C++", ("C",)),
        ("не знаю", ("знаю",)),
    ],
)
def test_what_does_not(parsed: str, accepted: tuple[str, ...]) -> None:
    assert not exact_match(parsed, accepted)


def test_normalising_never_leaves_nothing() -> None:
    assert all(normalise(text) for text in ("...", "a", "—", "The", "¿?", "(a)"))
