"""What may import what, and what the command line promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest

from structdsl.cli.main import cli

ROOT = Path(__file__).parents[2]

HEAVY = ("torch", "transformers", "deepspeed", "datasets", "accelerate")


@pytest.mark.parametrize(
    "work",
    [
        "import structdsl.cli.main",
        """
from pathlib import Path
from structdsl.compile import compile_text
from structdsl.emit.build import artefacts
plan, sink = compile_text(Path({spec!r}).read_text(), Path({spec!r}))
assert artefacts(plan)
""",
        "import structdsl_runtime.executor, structdsl_runtime.explain, structdsl_runtime.ask",
    ],
    ids=["import", "compile", "runtime without a step to run"],
)
def test_no_heavy_import(work: str, quickstart: Path) -> None:
    blocker = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocked())
"""
    code = blocker + work.format(spec=str(quickstart / "quickstart.adapt"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def imports(path: Path) -> set[str]:
    """Modules that a file imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


SHARED = ("structdsl.plan", "structdsl.identity", "structdsl")


@pytest.mark.parametrize("path", sorted((ROOT / "runtime").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_runtime_knows_the_plan_and_nothing_else_of_the_compiler(path: Path) -> None:
    ours = {name for name in imports(path) if name.partition(".")[0] == "structdsl"}
    assert all(name in SHARED or name.startswith("structdsl.plan.") for name in ours), ours


@pytest.mark.parametrize(
    "path", sorted((ROOT / "structdsl").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_only_the_command_line_of_the_compiler_knows_the_runtime(path: Path) -> None:
    theirs = {name for name in imports(path) if name.partition(".")[0] == "structdsl_runtime"}
    assert not theirs or path.parent.name == "cli"


COMMAND_LINE = {
    "compile": {"spec", "-p", "--profile", "--diagnostics", "--out"},
    "diff": {"revisions", "spec", "-p", "--profile", "--diagnostics", "--exit-code", "--all", "--format"},
    "explain": {"code", "--list"},
    "fix": {"spec", "-p", "--profile", "--diagnostics", "--diff"},
    "fmt": {"paths", "--check", "--diff"},
    "graph": {"spec", "-p", "--profile", "--diagnostics", "--training", "--format", "--out"},
    "init": {"folder"},
    "export": {"address", "spec", "-p", "--profile", "--diagnostics", "--out", "--adapter"},
    "inspect": {"address", "spec", "-p", "--profile", "--diagnostics", "--format"},
    "lock": {"spec", "-p", "--profile", "--diagnostics", "--check", "--offline"},
    "plan": {"spec", "-p", "--profile", "--diagnostics", "--exit-code", "--all", "--format"},
    "query": {"sql", "--spec", "--run", "--format", "--limit"},
    "run": {"spec", "-p", "--profile", "--diagnostics", "--select", "--locked", "--workers", "--verify"},
    "test": {"spec", "-p", "--profile", "--diagnostics", "--filter"},
}


def test_command_line_is_frozen() -> None:
    context = click.Context(cli)
    found = {
        name: {option.opts[0] if isinstance(option, click.Option) else str(option.name) for option in command.params}
        for name in cli.list_commands(context)
        if (command := cli.get_command(context, name)) is not None
    }
    assert found == COMMAND_LINE
