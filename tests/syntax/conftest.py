"""What the tests of the syntax share: a way to read a text, and specs to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from structdsl.diagnostics import Diagnostic, Sink
from structdsl.syntax import parse
from structdsl.syntax.source import Source
from structdsl.syntax.tree import File

Read = Callable[[str], tuple[File, list[Diagnostic]]]


@pytest.fixture(scope="session")
def read() -> Read:
    """The tree of a text and what was said about it, in the order of the text."""

    def run(text: str) -> tuple[File, list[Diagnostic]]:
        sink = Sink()
        file = parse(Source(Path("test.adapt"), text), sink)
        return file, list(sink)

    return run


@pytest.fixture(params=["small", "production"])
def spec(request: pytest.FixtureRequest) -> str:
    """The two specs of the language's description."""
    return (Path(__file__).parent / "specs" / f"{request.param}.adapt").read_text(encoding="utf-8")
