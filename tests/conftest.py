"""Fixtures that every layer shares."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def quickstart() -> Path:
    """The folder of the quickstart; tests that write copy it first."""
    return ROOT / "examples" / "quickstart"


@pytest.fixture(scope="session")
def spec_text(quickstart: Path) -> str:
    """A whole spec that compiles: the quickstart's."""
    return (quickstart / "quickstart.adapt").read_text(encoding="utf-8")
