"""How time and memory grow with the corpus, from 0.1 to 4 GB.

`python -m benchmarks.data.scale --scratch DIR --venvs DIR [--job a] [--name structdsl] [--sizes 0.1 … 4] [-n 1]`. The
smaller corpora are the first files of the largest. The exponent is the slope of a line through the logarithms of bytes
and of the median seconds: 1 is linear; that of processor seconds depends less on what else runs. `--cap MB` limits the
data of each process as `ulimit -d` does: what asks for more ends with an error, and should have gone to disk.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any, Final

from benchmarks.data.jobs import JOBS
from benchmarks.data.run import HEADS, Bench, Line, cells, heading, parser_of, prepare, run

SIZES: Final = (0.1, 0.3, 1.0, 2.0, 4.0)  # GB


def part(whole: Bench, gigabytes: float) -> Bench:
    """The first files of a corpus, as many as it takes, in a folder of links."""
    folder = whole.scratch / f"part-{gigabytes:g}"
    folder.mkdir(exist_ok=True)
    for link in folder.iterdir():
        link.unlink()
    size = 0
    for path in sorted(whole.corpus.glob("part-*.jsonl")):
        if size >= gigabytes * 1e9:
            break
        (folder / path.name).symlink_to(path)
        size += path.stat().st_size
    (folder / "truth.parquet").symlink_to(whole.corpus / "truth.parquet")
    return replace(whole, corpus=folder, size=size)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--job", choices=JOBS, default="a")
    parser.add_argument("--name", default="structdsl")
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="GB")
    parser.add_argument("-n", "--runs", type=int, default=1)
    parser.add_argument("--cap", type=int, metavar="MB", help="data that a process may have")
    parser.add_argument(
        "--checked", type=float, default=1.0, metavar="GB", help="up to here what is left is held against the reference"
    )
    asked: Any = parser.parse_args()
    job = JOBS[asked.job]
    if asked.name not in job.contenders:
        parser.error(f"{asked.name} is none of {', '.join(job.contenders)}")
    whole, made = prepare(asked, 1000 * max(asked.sizes))
    whole = replace(whole, cap=asked.cap)
    print(f"{heading('benchmarks.data.scale', made, whole.venvs)}\n\n{asked.job}: {job.title}\n")
    print(f"| GB | {' | '.join(HEADS[1:])} |\n|{'---|' * len(HEADS)}", flush=True)
    points: list[tuple[float, float, float]] = []
    for size in sorted(asked.sizes):
        bench, line = replace(part(whole, size), checked=size <= asked.checked), Line()
        for _ in range(asked.runs):
            if not line.refused:
                run(bench, job, job.contenders[asked.name], line)
        given = bench.bytes_of(job)
        print(f"| {' | '.join((f'{given / 1e9:.2f}', *cells(asked.job, asked.name, line, given)[1:]))} |", flush=True)
        if line.costs:
            seconds = statistics.median(cost.seconds for cost in line.costs)
            cpu = statistics.median(cost.cpu for cost in line.costs)
            points.append((math.log(given), math.log(seconds), math.log(cpu)))
    if len(points) > 1:
        size, seconds_, cpu_ = zip(*points, strict=True)
        time, work = (statistics.linear_regression(size, each).slope for each in (seconds_, cpu_))
        print(f"\nTime grows with the power {time:.2f} of the bytes, processor time with {work:.2f}.")


if __name__ == "__main__":
    main()
