"""Rows as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

Rows = Sequence[Sequence[Any]]

WIDEST = 60


def show(columns: Sequence[str], rows: Rows) -> str:
    """A table with a rule under its head; numbers to the right, long cells cut with `…`."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    right = [_numbers([row[i] for row in rows]) for i in range(len(columns))]

    def line(values: Sequence[str]) -> str:
        padded = (
            " " * (width - _width(value)) + value if to_right else value + " " * (width - _width(value))
            for value, width, to_right in zip(values, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(columns), "  ".join("─" * width for width in widths), *map(line, cells)])


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


def _numbers(values: Sequence[object]) -> bool:
    """Whether a column holds numbers and nothing else but NULL."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _plain(value: object) -> object:
    if not isinstance(value, list | dict | tuple):
        return value
    return json.dumps(_plain_json(value), ensure_ascii=False, default=str)


def _cell(value: object) -> str:
    if value is None:
        return "∅"
    text = f"{value:.6g}" if isinstance(value, float) else str(_plain(value))
    text = text.replace("\n", "⏎")
    if _width(text) <= WIDEST:
        return text
    while _width(text) >= WIDEST:
        text = text[: len(text) - max(1, (_width(text) - WIDEST) // 2)]
    return text + "…"


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
