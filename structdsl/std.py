"""The standard library of specs: recipes that any spec can import as `std:name`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PREFIX = "std:"


@cache
def _folder() -> Path:
    """In the wheel beside this module; in a checkout, `specs/std`."""
    shipped = Path(__file__).with_name("library")
    return shipped if shipped.is_dir() else Path(__file__).parents[1] / "specs" / "std"


def names() -> list[str]:
    """What can be imported."""
    return sorted(path.stem for path in _folder().glob("*.adapt"))


def read_std(name: str) -> str:
    """The text of one of them."""
    return (_folder() / f"{name}.adapt").read_text(encoding="utf-8")
