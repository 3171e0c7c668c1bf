"""What a run takes of a machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from structdsl_runtime.machine import SHARE, memory_limit

GIB = 1 << 30


@pytest.mark.parametrize("limit", ["RLIMIT_DATA", "RLIMIT_AS"])
def test_memory_is_that_of_the_process(limit: str) -> None:
    code = (
        f"import resource; resource.setrlimit(resource.{limit}, ({GIB}, {GIB}))\n"
        "from structdsl_runtime.machine import memory_limit\nprint(memory_limit())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(said.stdout) == int(GIB * SHARE) < memory_limit()
