"""Makes `toy_plan` importable here and in the processes that these tests start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


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
