"""Folders in which the small world lies, before and after a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.end_to_end.folder import Folder, new


@pytest.fixture
def fresh(tmp_path: Path) -> Folder:
    return new(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder in which the spec has been run once, for all workers; tests leave its results as they are."""
    own = tmp_path_factory.getbasetemp()
    path = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    with FileLock(path.with_suffix(".lock")):
        folder = Folder(path)
        if not path.exists():
            folder = new(path)
            folder.shell("run")
    return folder
