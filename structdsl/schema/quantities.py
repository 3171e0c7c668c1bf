"""Numbers with units, exact: from `300M tokens`, `55%`, `30min`, `80GiB` to a value in canonical units."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from structdsl.syntax.tree import Quantity

NUMBER, RATIO, BYTES, DURATION = "number", "ratio", "bytes", "duration"

COUNT_UNITS = frozenset({"tokens", "docs", "steps", "epochs", "points", "bytes"})

_MULTIPLIERS = {"k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_BYTES = {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)
}
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}


@dataclass(frozen=True, slots=True)
class Amount:
    """A value in canonical units: bytes, nanoseconds, shares of one, or a count of `dimension`."""

    value: Decimal
    dimension: str


def amount_of(quantity: Quantity) -> Amount:
    """What a literal says; a unit that the language does not know stays as its own dimension."""
    number, suffix = Decimal(quantity.number), quantity.suffix
    if suffix == "%":
        return Amount(number / 100, RATIO)
    if suffix in _BYTES:
        return Amount(number * _BYTES[suffix], BYTES)
    if suffix in _NANOSECONDS:
        return Amount(number * _NANOSECONDS[suffix], DURATION)
    value = number * _MULTIPLIERS.get(suffix, 1)
    return Amount(value, quantity.unit or NUMBER)


def plain(value: Decimal) -> str:
    """Decimal text without an exponent or trailing zeros: `2e-5` becomes `0.00002`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
