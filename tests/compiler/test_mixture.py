"""Quotas: whole tokens by the method of the largest remainder."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.lower.mixture import quotas

Weights = dict[str, Decimal | Literal["rest"]]


@pytest.mark.parametrize(
    ("budget", "weights", "expected"),
    [
        (100, {"a": Decimal("0.5"), "b": Decimal("0.5")}, {"a": 50, "b": 50}),
        (10, {"a": Decimal("0.25"), "b": Decimal("0.25"), "c": "rest"}, {"a": 3, "b": 2, "c": 5}),
        (1, {"a": Decimal("0.4"), "b": "rest"}, {"a": 0, "b": 1}),
        (7, {"a": Decimal("0.333"), "b": Decimal("0.333"), "c": Decimal("0.334")}, {"a": 2, "b": 2, "c": 3}),
    ],
)
def test_quotas(budget: int, weights: Weights, expected: dict[str, int]) -> None:
    assert quotas(budget, weights) == expected


@given(st.integers(1, 10**12), st.lists(st.integers(0, 1000), min_size=1, max_size=8))
def test_quotas_total_the_budget_and_differ_from_the_share_by_less_than_one(budget: int, parts: list[int]) -> None:
    total = sum(parts) + 1000
    weights: Weights = {f"c{i}": Decimal(part) / Decimal(total) for i, part in enumerate(parts)}
    given_out = sum((Decimal(part) / Decimal(total) for part in parts), Decimal(0))
    weights["last"] = "rest"
    found = quotas(budget, weights)
    assert sum(found.values()) == budget
    for name, weight in weights.items():
        share = budget * (1 - given_out if weight == "rest" else weight)
        assert abs(found[name] - share) < 1
