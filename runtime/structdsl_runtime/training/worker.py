"""One rank of a training stage: `python -m structdsl_runtime.training.worker job.json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from structdsl_runtime.training import ranks, startup
from structdsl_runtime.training.events import Reporter, failures
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launchers import settings
from structdsl_runtime.training.orders import Orders, executor


def main(path: str) -> None:
    job = TrainJob.model_validate_json(Path(path).read_bytes())
    ranks.adopt(os.environ)
    rank = int(os.environ["RANK"])
    for name, value in settings(int(os.environ["LOCAL_WORLD_SIZE"])).items():
        os.environ.setdefault(name, value)  # ssh brings none of them to another machine
    orders = Orders(job.events, executor(job.host, job.executor), rank)
    with failures(job.events, rank):
        with startup.imports():
            import torch  # noqa: PLC0415 - see `startup`

            if not torch.cuda.is_available():
                os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when DeepSpeed is imported
            from structdsl_runtime.training import stage  # noqa: PLC0415 - see `startup`
        stage.train(job, Reporter(job.events, rank), orders)


if __name__ == "__main__":
    main(sys.argv[1])
