"""Whole-process times of what a user waits for: help, compile, plan, a run with nothing to do, a query.

Run `python benchmarks/startup.py` with the environment of `make setup`. The quickstart must have been run (`make
quickstart`) for the last three; otherwise they are left out, and that is said. Prints minimum, median and maximum of
the wall time in seconds, and the largest peak memory, over the counted runs that follow one warm-up.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
STRUCTDSL = str(Path(sys.executable).with_name("structdsl"))

COMMANDS = {
    "structdsl --help": [STRUCTDSL, "--help"],
    "structdsl compile quickstart.adapt": [STRUCTDSL, "compile", "quickstart.adapt"],
    "structdsl plan quickstart.adapt": [STRUCTDSL, "plan", "quickstart.adapt"],
    "structdsl run quickstart.adapt (nothing to do)": [STRUCTDSL, "run", "quickstart.adapt"],
    "structdsl query (one table)": [STRUCTDSL, "query", "SELECT * FROM mixture.knowledge_summary"],
}


def measure(command: list[str], runs: int) -> tuple[list[float], float]:
    """Wall seconds of each counted run, and the peak resident memory in MB."""
    seconds, peak = [], 0.0
    for _ in range(runs + 1):
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=QUICKSTART, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - started)
        if status:
            raise SystemExit(f"{' '.join(command)} failed; run `make quickstart` first")
        peak = max(peak, usage.ru_maxrss / 1024)
    return seconds[1:], peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=10, help="counted runs of each command")
    runs = parser.parse_args().runs
    versions = ", ".join(f"{name} {version(name)}" for name in ("structdsl", "duckdb", "lark", "pydantic", "sqlglot"))
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}; {runs} runs")
    finished = (QUICKSTART / ".structdsl" / "quickstart" / "catalog.duckdb").exists()
    for name, command in COMMANDS.items():
        if not finished and command[1] in {"plan", "run", "query"}:
            print(f"{name:<50} left out: the quickstart was not run here")
            continue
        seconds, peak = measure(command, runs)
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"{name:<50} {low:.3f} / {middle:.3f} / {high:.3f} s   {peak:.0f} MB")


if __name__ == "__main__":
    main()
