"""What a worker process is told: one JSON file, written by the operation, read by every rank.

A worker sees paths and arguments, never tables: the operation lays the rows out beforehand and reads the log back.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from structdsl.plan.operations import CacheTeacher, ClosedBook, Divergence, EmbedDocuments, Perplexity, Train


class Job(BaseModel):
    """`events` is the folder that workers report to; those on `host` end themselves when `executor` is gone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path  # Hugging Face folder to start from
    events: Path
    executor: int
    host: str = Field(default_factory=socket.gethostname)


class TrainJob(Job):
    arguments: Train
    rows: Path  # folder of memory-mapped arrays: see `rows.py`
    sources: tuple[str, ...]  # corpora by their numbers in the rows
    followed: dict[str, Path] = {}  # rows of the corpora whose loss is followed, by the name of their table
    output: Path  # existing, empty folder for the trained model
    teacher: Path | None = None  # Hugging Face folder of who is learned from
    targets: Path | None = None  # folder of what was kept of the teacher: see `targets.py`
    kept: Path  # folder of states that survive the step until it is committed: see `unfinished.py`
    resume: Path | None = None  # one of them, to go on from
    decides: dict[str, Any] = {}  # all that decides the result, by name
    adapter: Path | None = None  # folder of the updates that the stage continues
    adapter_output: Path | None = None  # existing, empty folder for the updates that it trains


class TeacherJob(Job):
    arguments: CacheTeacher
    rows: Path  # folder of arrays: see `operations.cache_teacher`
    output: Path  # existing folder for what is kept, with what an earlier worker kept


class EvaluateJob(Job):
    arguments: Annotated[ClosedBook | Perplexity | Divergence | EmbedDocuments, Field(discriminator="op")]
    items: Path  # JSON lines
    reference: Path | None = None  # Hugging Face folder of whose predictions a divergence is from
