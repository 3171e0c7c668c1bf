"""Asks a teacher once for every predicting position: `python -m structdsl_runtime.training.teacher_worker job.json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from structdsl_runtime.training import startup
from structdsl_runtime.training.events import Reporter, end_with, failures
from structdsl_runtime.training.job import TeacherJob


def main(path: str) -> None:
    job = TeacherJob.model_validate_json(Path(path).read_bytes())
    end_with(job.executor)
    with failures(job.events, rank=0):
        with startup.imports():
            import torch  # noqa: PLC0415 - see `startup`

            if not torch.cuda.is_available():
                os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when DeepSpeed is imported
            from structdsl_runtime.training import keeping  # noqa: PLC0415 - see `startup`
        keeping.keep(job, Reporter(job.events, rank=0))


if __name__ == "__main__":
    main(sys.argv[1])
