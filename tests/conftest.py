"""Fixtures that every layer shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

settings.register_profile("house", deadline=None)  # a test that is slow once, on a busy machine, is not wrong
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what golden tests would compare with")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to write the expected files instead of comparing with them."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def quickstart() -> Path:
    """The folder of the quickstart; tests that write copy it first."""
    return ROOT / "examples" / "quickstart"


@pytest.fixture(scope="session")
def spec_text(quickstart: Path) -> str:
    """A whole spec that compiles: the quickstart's."""
    return (quickstart / "quickstart.adapt").read_text(encoding="utf-8")
