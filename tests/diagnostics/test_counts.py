"""Numbers of things in messages."""

from __future__ import annotations

import pytest

from structdsl.counts import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "row", "1 row"),
        (0, "row", "0 rows"),
        (26000, "row", "26,000 rows"),
        (2, "query", "2 queries"),
        (2, "box", "2 boxes"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
        (2, "day", "2 days"),
    ],
)
def test_one_thing_and_several(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
