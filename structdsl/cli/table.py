"""Rows as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

Rows = Sequence[Sequence[Any]]

WIDEST = 60  # of a cell in a table
NARROWEST = 8  # of a cell that is cut
NUMBERS = (int, float, Decimal)
UNCUT = (*NUMBERS, date, time, timedelta)  # less of one would be another
PICTURES = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    **dict.fromkeys((0x0A, 0x2028, 0x2029), "⏎"),
    0x7F: "␡",
    **dict.fromkeys(range(0x80, 0xA0), "�"),
}
"""What is shown of a character that would do something to a terminal."""


def show(columns: Sequence[str], rows: Rows, room: int | None = None) -> str:
    """A table with a rule under its head; numbers to the right, long texts cut with `…`, and no control characters.

    `room` is how many columns of a terminal there are. Texts are cut further to make a table fit, the longest first;
    where that would leave next to nothing of them, each row becomes lines of its own.
    """
    names = [name.translate(PICTURES) for name in columns]
    cells = [[_clipped(_cell(value), WIDEST) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[i]) for row in cells)]) for i, name in enumerate(names)]
    right = [_all_of(NUMBERS, [row[i] for row in rows]) for i in range(len(names))]
    if room is not None:
        uncut = [_all_of(UNCUT, [row[i] for row in rows]) for i in range(len(names))]
        least = [
            width if whole else min(width, max(NARROWEST, _width(name)))
            for width, whole, name in zip(widths, uncut, names, strict=True)
        ]
        free = room - 2 * (len(names) - 1)
        if sum(least) > free and cells:
            return _records(names, rows, room)
        widths = _fitted(widths, least, free)
        cells = [[_clipped(value, width) for value, width in zip(row, widths, strict=True)] for row in cells]

    def line(values: Sequence[str]) -> str:
        padded = (
            " " * (width - _width(value)) + value if to_right else value + " " * (width - _width(value))
            for value, width, to_right in zip(values, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(names), "  ".join("─" * width for width in widths), *map(line, cells)])


def _records(columns: Sequence[str], rows: Rows, room: int) -> str:
    """A line for each value, under a rule for each row."""
    width = max(map(_width, columns))
    lines = []
    for number, row in enumerate(rows, 1):
        lines.append(f"── {number} ".ljust(width + 2, "─"))
        for name, value in zip(columns, row, strict=True):
            cell = _cell(value)
            shown = cell if isinstance(value, UNCUT) else _clipped(cell, max(NARROWEST, room - width - 2))
            lines.append(f"{name}{' ' * (width - _width(name))}  {shown}".rstrip())
    return "\n".join(lines)


def _fitted(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that add up to `room`, the widest made narrower first, and none narrower than its least."""
    fitted = list(widths)
    while sum(fitted) > room and (free := [at for at in range(len(fitted)) if fitted[at] > least[at]]):
        widest = max(fitted[at] for at in free)
        for at in free:
            if fitted[at] == widest and sum(fitted) > room:
                fitted[at] -= 1
    return fitted


def as_csv(columns: Sequence[str], rows: Rows) -> str:
    """Comma-separated values with a head; lists and structs as JSON, NULL empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if value is None else _plain(value) for value in row] for row in rows])
    return text.getvalue().rstrip("\n")


def as_json(columns: Sequence[str], rows: Rows) -> str:
    """One JSON array of objects; no column is lost to another of its name, NaN and infinity are null."""
    names = distinct(columns)
    objects = [dict(zip(names, map(_plain_json, row), strict=True)) for row in rows]
    return json.dumps(objects, ensure_ascii=False, indent=2, default=str, allow_nan=False)


def distinct(names: Sequence[str]) -> list[str]:
    """Column names as keys of an object: `a`, `a` become `a`, `a_1`, or the first that no column has."""
    found: list[str] = []
    for name in names:
        choices = (f"{name}_{number}" for number in itertools.count(1))
        found.append(name if name not in found else next(c for c in choices if c not in found and c not in names))
    return found


def _plain_json(value: Any) -> Any:
    """The value with null for numbers that JSON does not have (NaN, infinity), at whatever depth."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case list() | tuple():
            return [_plain_json(item) for item in value]
        case dict():
            return {str(key): _plain_json(item) for key, item in value.items()}
        case _:
            return value


FORMATS: dict[str, Callable[[Sequence[str], Rows], str]] = {"table": show, "csv": as_csv, "json": as_json}


def _all_of(kinds: tuple[type, ...], values: Sequence[object]) -> bool:
    """Whether a column holds values of these kinds and nothing else but NULL."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, kinds) for value in known)


def _plain(value: object) -> object:
    if not isinstance(value, list | dict | tuple):
        return value
    return json.dumps(_plain_json(value), ensure_ascii=False, default=str)


def _cell(value: object) -> str:
    match value:
        case None:
            text = "∅"
        case float():
            text = f"{value:.6g}"
        case datetime():
            text = value.isoformat(sep=" ", timespec="seconds")
        case _:
            text = str(_plain(value))
    return text.translate(PICTURES)


def _clipped(text: str, room: int) -> str:
    """As much of a text as there is room for, with `…` where that is not all."""
    if text.isascii():
        return text if len(text) <= room else text[: room - 1] + "…"
    used = fit = 0
    for at, character in enumerate(text, 1):
        used += _columns(character)
        if used < room:
            fit = at
        elif used > room:
            return text[:fit] + "…"
    return text


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    """None for what joins the character before it, or only tells how to lay out others."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
