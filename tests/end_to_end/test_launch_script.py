"""`training/launch.sh` by itself: from any folder, with nothing made before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.folder import environment, new


@pytest.mark.slow
def test_it_trains_every_stage_in_order(tmp_path: Path) -> None:
    folder = new(tmp_path / "here")
    folder.edit("language 1\n", "language 1\ncluster two { processes = 2, deepspeed { zero = 2 } }\n")
    folder.edit("stage answer: ssft {\n", "stage answer: ssft {\n  cluster = cluster.two\n")
    folder.shell("compile", "tiny.adapt")
    (tmp_path / "structdsl").write_text(f'#!/bin/sh\nexec {sys.executable} -m structdsl "$@"\n')
    (tmp_path / "structdsl").chmod(0o755)
    script = folder.path / "build" / "tiny" / "training" / "launch.sh"
    done = subprocess.run(
        ["bash", str(script)],
        cwd=tmp_path,
        env=environment() | {"STRUCTDSL": str(tmp_path / "structdsl")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("== ")]
    assert [line.split(":")[0] for line in said] == ["== stage.learn", "== stage.answer"]
    assert "--nproc-per-node 2" in said[1]
    steps = [len(folder.rows(f"SELECT step FROM stage.{name}_log")) for name in ("learn", "answer")]
    assert steps == [4, 1]
