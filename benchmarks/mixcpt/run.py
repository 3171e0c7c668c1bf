"""The experiment from nothing to its table: worlds, one sweep of `structdsl run`, analysis.

`python -m benchmarks.mixcpt.run` is the full form: three seeds, three weights, a world and a base for each seed (two
to three hours on two cores). `--reduced` is its shape in a quarter of an hour: a smaller world, a smaller model, one
seed, one weight. Killed and started again it goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.mixcpt import world

HERE: Final = Path(__file__).parent
STRUCTDSL: Final = str(Path(sys.executable).with_name("structdsl"))
REDUCED_OFFSET: Final = 100  # reduced worlds have seeds of their own: 101, 102, …


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--seeds", type=int, help="how many [3, reduced 1]")
    parser.add_argument("--weights", help="of the teacher, as the spec takes them [20%%,50%%,85%%, reduced 50%%]")
    asked: Any = parser.parse_args()
    first = 1 + REDUCED_OFFSET * asked.reduced
    seeds = range(first, first + (asked.seeds or (1 if asked.reduced else 3)))
    for seed in seeds:
        world.write(HERE / "world" / str(seed), seed, world.REDUCED if asked.reduced else world.Size())
    weights = asked.weights or ("50%" if asked.reduced else "20%,50%,85%")
    command = [STRUCTDSL, "run", "mixcpt.adapt", "-p", f"seed={first}..{seeds[-1]}", "-p", f"weight={weights}"]
    form = ["--profile", "reduced"] if asked.reduced else []
    code = subprocess.run([*command, *form], cwd=HERE, check=False).returncode  # noqa: S603 - our own command
    if code:
        raise SystemExit(code)
    analyse = [sys.executable, "-m", "benchmarks.mixcpt.analyse", *(["--reduced"] if asked.reduced else [])]
    raise SystemExit(subprocess.run(analyse, cwd=HERE.parents[1], check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
