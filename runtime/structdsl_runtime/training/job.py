"""What a worker process is told: one JSON file, written by the operation, read by every rank.

A worker sees paths and arguments, never tables: the operation lays the rows out beforehand and reads the log back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from structdsl.plan.operations import ClosedBook, Perplexity, Train


class Job(BaseModel):
    """`events` is the folder that the worker reports to; the worker ends itself when the process `executor` is gone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path  # Hugging Face folder to start from
    events: Path
    executor: int


class TrainJob(Job):
    arguments: Train
    rows: Path  # folder of memory-mapped arrays: see `rows.py`
    output: Path  # existing, empty folder for the trained model
    kept: Path  # folder of states that survive the step until it is committed: see `unfinished.py`
    resume: Path | None = None  # one of them, to go on from
    decides: dict[str, Any] = {}  # all that decides the result, by name


class EvaluateJob(Job):
    arguments: Annotated[ClosedBook | Perplexity, Field(discriminator="op")]
    items: Path  # JSON lines
