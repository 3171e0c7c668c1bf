"""What a worker process is told: one JSON file, written by the operation, read by every rank.

A worker sees paths and arguments, never tables: the operation lays the rows out beforehand and reads the log back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    sources: tuple[str, ...]  # corpora by their numbers in the rows
    followed: dict[str, Path] = {}  # rows of the corpora whose loss is followed, by the name of their table
    output: Path  # existing, empty folder for the trained model
    adapter: Path | None = None  # folder of the updates that the stage continues
    adapter_output: Path | None = None  # existing, empty folder for the updates that it trains


class EvaluateJob(Job):
    arguments: Annotated[ClosedBook | Perplexity, Field(discriminator="op")]
    items: Path  # JSON lines
