"""How long compiling takes: specs of 30 lines to 5,000 blocks, and SQLMesh on the same tables.

Run `python -m benchmarks.compile.run` in the root of the repository, with the environment of `make setup`. For the
comparison make another one (`python -m venv sqlmesh && sqlmesh/bin/pip install sqlmesh`) and pass `--sqlmesh
sqlmesh/bin/python`. Every figure is the wall time of a cold process, in seconds: minimum, median and maximum of the
counted runs behind one warm-up, which alternate between the tools. SQLMesh keeps parsed models in a cache; it is
removed before each cold run.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks.compile.project import spec
from benchmarks.compile.sqlmesh_project import write
from structdsl.compile import compile_text

HERE = Path(__file__).parent
STRUCTDSL = str(Path(sys.executable).with_name("structdsl"))
SMALL = HERE.parents[1] / "tests" / "syntax" / "specs" / "small.adapt"


def seconds(command: list[str], prepare: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds of a process, and its peak resident memory in MB."""
    prepare()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def measure(commands: dict[str, tuple[list[str], Callable[[], object]]], runs: int) -> dict[str, list[float]]:
    """Seconds of each counted run of each command, and a line printed for each."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for number in range(runs + 1):
        for name, (command, prepare) in commands.items():
            took, peak = seconds(command, prepare)
            peaks[name] = max(peaks[name], peak)
            if number:
                found[name].append(took)
    for name, times in found.items():
        low, middle, high = min(times), statistics.median(times), max(times)
        print(f"  {name:<40} {low:8.2f} / {middle:7.2f} / {high:7.2f} s   {peaks[name]:5.0f} MB", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=3, help="counted runs of each command")
    parser.add_argument("--blocks", type=int, nargs="+", default=[100, 1000, 5000], help="sizes of specs")
    parser.add_argument("--sqlmesh", help="the Python of an environment with SQLMesh")
    parser.add_argument("--most", type=int, default=1000, help="blocks up to which SQLMesh is run as well")
    asked = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("structdsl", "duckdb", "lark", "pydantic", "sqlglot"))
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}")
    if asked.sqlmesh:
        text = "from importlib.metadata import version as v; print('sqlmesh', v('sqlmesh'), 'sqlglot', v('sqlglot'))"
        print(subprocess.run([asked.sqlmesh, "-c", text], check=True, capture_output=True, text=True).stdout.strip())  # noqa: S603 - asked for
    medians: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(SMALL, folder / "small.adapt")
        print("a spec of 32 lines")
        measure({"structdsl compile": ([STRUCTDSL, "compile", str(folder / "small.adapt")], lambda: None)}, 8)
        for blocks in asked.blocks:
            medians[blocks] = _compare(blocks, folder / str(blocks), asked)
    for (few, short), (many, long) in zip(list(medians.items())[:-1], list(medians.items())[1:], strict=True):
        print(f"{few} → {many} blocks: time grows with the power {math.log(long / short) / math.log(many / few):.2f}")


def _compare(blocks: int, folder: Path, asked: argparse.Namespace) -> float:
    """Measure one size; the median of ours."""
    folder.mkdir()
    path = folder / "large.adapt"
    path.write_text(spec(blocks), encoding="utf-8")
    plan, _ = compile_text(path.read_text(encoding="utf-8"), path)
    assert plan is not None
    tables = sum(output.table is not None for step in plan.steps for output in step.outputs.values())
    print(f"{blocks} blocks: {len(plan.steps)} steps, {tables} tables")
    commands: dict[str, tuple[list[str], Callable[[], object]]] = {
        "structdsl compile": ([STRUCTDSL, "compile", str(path)], lambda: None)
    }
    if asked.sqlmesh and blocks <= asked.most:
        project = folder / "project"
        models, depth = write(plan, project)
        print(f"  as a SQLMesh project: {models} models, at most {depth} deep")
        load = [asked.sqlmesh, str(HERE / "sqlmesh_load.py"), str(project)]
        commands["SQLMesh, load and render"] = (
            load,
            lambda: shutil.rmtree(project / ".cache", ignore_errors=True),
        )
        commands["SQLMesh, the same with its cache"] = (load, lambda: None)
    times = measure(commands, asked.runs)
    ours = statistics.median(times.pop("structdsl compile"))
    for name, others in times.items():
        print(f"  {name}: {statistics.median(others) / ours:.1f} times as long as structdsl")
    return ours


if __name__ == "__main__":
    main()
