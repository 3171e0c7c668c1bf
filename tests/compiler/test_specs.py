"""The specs that the repository ships compile without a word, and build what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.emit.build import artefacts
from tests.conftest import ROOT

SPECS = [*sorted((ROOT / "specs").rglob("*.adapt")), *sorted((ROOT / "examples").glob("*/*.adapt"))]
PARAMS = {"textbook": {"book": "book"}}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_spec_compiles(path: Path) -> None:
    plan, sink = compile_text(path.read_text(encoding="utf-8"), path, PARAMS.get(path.stem))
    assert not list(sink)
    assert plan is not None
    files = artefacts(plan)
    assert {node.deepspeed for node in plan.training.nodes if node.trainer != "merge_models"} <= set(files)


def test_the_quickstart_fits_on_a_page(quickstart: Path) -> None:
    assert len((quickstart / "quickstart.adapt").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_world_of_the_quickstart_is_written_by_its_generator(quickstart: Path, tmp_path: Path) -> None:
    space: dict[str, object] = {"__name__": "world", "__file__": str(tmp_path / "world.py")}
    exec(compile((quickstart / "world.py").read_text(encoding="utf-8"), "world.py", "exec"), space)
    write = space["write"]
    assert callable(write)
    write(tmp_path / "data")
    kept = {path.relative_to(quickstart / "data"): path.read_bytes() for path in (quickstart / "data").rglob("*.*")}
    made = {path.relative_to(tmp_path / "data"): path.read_bytes() for path in (tmp_path / "data").rglob("*.*")}
    assert made == kept
