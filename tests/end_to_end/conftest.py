"""Folders in which the small world lies, before and after a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.folder import Folder, new


@pytest.fixture
def fresh(tmp_path: Path) -> Folder:
    return new(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder in which the spec has been run once; tests leave its results as they are."""
    folder = new(tmp_path_factory.mktemp("finished"))
    folder.shell("run")
    return folder
