"""How the process ends where what it says cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STRUCTDSL = Path(sys.executable).with_name("structdsl")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--version", 0),
        ("--version >&-", 0),
        ("--version 2>&-", 0),
        ("nosuch 2>&-", 2),
        ("explain E0101 >&-", 0),
        ("fmt - <<< 'language 1'", 0),
        ("fmt - <<< 'language 1' > /dev/full", 120),
        ("--version > /dev/full", 120),
    ],
)
def test_what_is_said_to_nobody_leaves_the_exit_code(command: str, code: int) -> None:
    ended = subprocess.run(["bash", "-c", f"{STRUCTDSL} {command}"], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
