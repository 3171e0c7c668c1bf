"""Rows as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
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
    """One JSON array of objects."""
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    return json.dumps(objects, ensure_ascii=False, indent=2, default=str)


FORMATS: dict[str, Callable[[Sequence[str], Rows], str]] = {"table": show, "csv": as_csv, "json": as_json}


def _numbers(values: Sequence[object]) -> bool:
    """Whether a column holds numbers and nothing else but NULL."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict | tuple) else value


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
