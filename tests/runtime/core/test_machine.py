"""What a run takes of a machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from structdsl_runtime.machine import LEAST, REST, SHARE, memory_limit

GIB = 1 << 30


def limited(limit: str, size: int, code: str) -> str:
    """What code prints in a process with a limit."""
    code = f"import resource; resource.setrlimit(resource.{limit}, ({size}, {size}))\n{code}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("limit", ["RLIMIT_DATA", "RLIMIT_AS"])
@pytest.mark.parametrize(
    ("size", "expected"), [(GIB // 2, GIB // 2 * LEAST), (GIB, GIB - REST), (4 * GIB, 4 * GIB * SHARE)]
)
def test_memory_is_that_of_the_process(limit: str, size: int, expected: float) -> None:
    code = "from structdsl_runtime.machine import memory_limit\nprint(memory_limit())"
    assert int(limited(limit, size, code)) == int(expected) < memory_limit()


@pytest.mark.parametrize(("limit", "asked"), [("RLIMIT_DATA", "retain:false"), ("RLIMIT_FSIZE", "None")])
def test_duckdb_is_asked_to_unmap_what_is_free_where_addresses_are_counted(limit: str, asked: str) -> None:
    code = (
        "import os\nfrom structdsl_runtime.machine import unmap_what_is_free\nunmap_what_is_free()\n"
        "print(os.environ.get('DUCKDB_JE_MALLOC_CONF'))"
    )
    assert limited(limit, 4 * GIB, code) == asked
