"""Importing the operations, which every run does, loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys


def test_operations_import_neither_torch_nor_transformers() -> None:
    program = """
import sys
import structdsl_runtime.operations.models, structdsl_runtime.operations.train, structdsl_runtime.operations.evaluate
heavy = {"torch", "transformers", "deepspeed", "accelerate", "safetensors", "datasets", "pandas"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
