"""The folder of a spec, and its store."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a spec with three small documents, one of them empty."""
    data = tmp_path / "data"
    data.mkdir()
    for name, text in (("a.txt", "alpha beta"), ("b.txt", "gamma"), ("c.txt", "")):
        (data / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def store(root: Path) -> Path:
    return root / ".structdsl" / "toy"
