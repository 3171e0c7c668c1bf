"""What a plan may name is there, and is loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from structdsl_runtime.files import replace
from structdsl_runtime.operations import OPERATIONS

LOADED = """
import sys
from structdsl_runtime.operations import OPERATIONS
known = "train" in OPERATIONS, "nothing" in OPERATIONS
print(*known, any(name.startswith("structdsl_runtime.operations.") for name in sys.modules))
"""


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_its_name(name: str) -> None:
    assert OPERATIONS[name].__name__ == name


def test_to_ask_for_a_name_loads_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False", "False"]


def test_two_who_write_one_file(tmp_path: Path) -> None:
    file, failed = tmp_path / "sign.json", []

    def write(text: str) -> None:
        try:
            for _ in range(300):
                replace(file, text)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(text * 1000,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert file.read_text() in ("a" * 1000, "b" * 1000)
    assert list(tmp_path.iterdir()) == [file]
