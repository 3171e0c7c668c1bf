"""Numbers that people read, and what becomes of doubt in arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from structdsl.cost.figure import Figure, about, count, derive, exact, flops, most, size, span, total, unknown


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (count, 0, "0"),
        (count, 812, "812"),
        (count, 12_400, "12.4k"),
        (count, 999_999, "1M"),
        (count, 300e6, "300M"),
        (count, 8.03e9, "8B"),
        (flops, 12, "12 FLOP"),
        (flops, 3.4e15, "3.4 PFLOP"),
        (flops, 2e25, "20 YFLOP"),
        (size, 18.2e9, "18.2 GB"),
        (size, 500, "500 bytes"),
        (span, 0.2, "< 1 s"),
        (span, 59.6, "59.6 s"),
        (span, 720, "12 min"),
        (span, 7560, "2.1 h"),
        (span, 50 * 3600, "50 h"),
        (span, 4 * 86400, "4 d"),
    ],
)
def test_numbers(write: Callable[[float], str], value: float, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("parts", "value", "basis", "why"),
    [
        ((exact(2), exact(3)), 6, "exact", ""),
        ((exact(2), most(3, "a cap")), 6, "most", "a cap"),
        ((about(2, "a guess"), most(3, "a cap")), 6, "about", "a guess"),
        ((unknown("later"), about(2, "a guess")), None, "unknown", "later"),
        ((unknown("a"), unknown("b"), unknown("a")), None, "unknown", "a; b"),
    ],
)
def test_as_good_as_the_weakest_part(parts: tuple[Figure, ...], value: float | None, basis: str, why: str) -> None:
    def product(*values: float) -> float:
        result = 1.0
        for each in values:
            result *= each
        return result

    found = derive(product, *parts)
    assert (found.value, found.basis, found.why) == (value, basis, why)


def test_marks() -> None:
    assert [figure.text(count) for figure in (exact(5), most(5), about(5), unknown("later"))] == ["5", "≤ 5", "~5", "?"]
    assert total([]).value == 0
