"""A number with what is known of it: counted, bounded, estimated, or not knowable yet, and why.

An estimate is only worth what its weakest part is worth, so arithmetic carries the basis along; what nobody can know
before a run stays unknown, with a sentence that says when it will be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Basis = Literal["exact", "most", "about", "unknown"]

ORDER: tuple[Basis, ...] = ("exact", "most", "about", "unknown")  # from strong to weak
MARKS = {"exact": "", "most": "≤ ", "about": "~"}

DECIMAL = ((1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
FLOPS = (
    (1e24, "YFLOP"),
    (1e21, "ZFLOP"),
    (1e18, "EFLOP"),
    (1e15, "PFLOP"),
    (1e12, "TFLOP"),
    (1e9, "GFLOP"),
    (1e6, "MFLOP"),
)
BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
DAYS = 3  # from here on a time is told in days


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity in its base unit (tokens, bytes, FLOPs, seconds); `why` is what it rests on, or what it waits for."""

    value: float | None
    basis: Basis
    why: str = ""

    def text(self, write: Callable[[float], str]) -> str:
        """As people read it: `~1.2M`, or `?` where it is unknown."""
        if self.value is None:
            return "?"
        written = write(self.value)
        return written if written.startswith("<") else f"{MARKS[self.basis]}{written}"


def exact(value: float, why: str = "") -> Figure:
    return Figure(value, "exact", why)


def most(value: float, why: str = "") -> Figure:
    return Figure(value, "most", why)


def about(value: float, why: str = "") -> Figure:
    return Figure(value, "about", why)


def unknown(why: str) -> Figure:
    return Figure(None, "unknown", why)


ZERO = exact(0)


def derive(function: Callable[..., float], *figures: Figure) -> Figure:
    """What follows from these: as well founded as the weakest of them, unknown where one of them is."""
    basis: Basis = max((figure.basis for figure in figures), key=ORDER.index, default="exact")
    why = "; ".join(dict.fromkeys(figure.why for figure in figures if figure.why and figure.basis == basis))
    values = [figure.value for figure in figures]
    known = [value for value in values if value is not None]
    return Figure(function(*known), basis, why) if len(known) == len(values) else Figure(None, "unknown", why)


def total(figures: Iterable[Figure]) -> Figure:
    """Their sum; unknown where one of them is."""
    return derive(lambda *values: sum(values), *figures)


def count(value: float) -> str:
    """`812`, `12.4k`, `1.2M`, `300M`, `8B`."""
    if value < 1000:
        return f"{value:.0f}"
    return _scaled(value, DECIMAL, "")


def flops(value: float) -> str:
    """`3.4 PFLOP`."""
    return _scaled(value, FLOPS, " ", least="FLOP")


def size(value: float) -> str:
    """`18.2 GB`; a gigabyte is 10⁹ bytes."""
    return _scaled(value, BYTES, " ", least="bytes")


def span(seconds: float) -> str:
    """`2.1 h`, `12 min`, `3.4 d`."""
    for length, unit in SPANS:
        if seconds >= length * (DAYS if unit == "d" else 1):
            return f"{_short(seconds / length)} {unit}"
    return "< 1 s"


def _scaled(value: float, scale: tuple[tuple[float, str], ...], gap: str, least: str = "") -> str:
    for factor, unit in scale:
        if value >= factor * 0.9995:
            return f"{_short(value / factor)}{gap}{unit}"
    return f"{value:.0f}{gap}{least}"


def _short(value: float) -> str:
    """Three digits at most, without a zero at the end."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}".removesuffix(".0")
