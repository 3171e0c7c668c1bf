"""One evaluation task: `python -m structdsl_runtime.evaluation.worker job.json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from structdsl_runtime.training import orders, ranks, startup
from structdsl_runtime.training.events import Reporter, end_with, failures
from structdsl_runtime.training.job import EvaluateJob


def main(path: str) -> None:
    job = EvaluateJob.model_validate_json(Path(path).read_bytes())
    executor = orders.executor(job.host, job.executor)
    if executor is not None:
        end_with(executor)
    ranks.adopt(os.environ)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    with failures(job.events, rank):
        with startup.imports():
            from structdsl_runtime.evaluation import tasks  # noqa: PLC0415 - see `startup`
        tasks.evaluate(job, tasks.Share(Reporter(job.events, rank, alone=True), rank, world))


if __name__ == "__main__":
    main(sys.argv[1])
