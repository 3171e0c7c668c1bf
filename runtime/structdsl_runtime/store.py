"""The store: immutable folders of Parquet and models, each committed by its manifest.

`<tables|checkpoints>/<address>/<key>/` holds what one step made of one set of arguments and inputs. The manifest is
written last, by rename: a folder with a manifest is complete and never changes; one without is garbage, which the
next attempt clears. Whoever reads needs no lock.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from structdsl.plan import Step
from structdsl_runtime.files import flush, replace

PARTS = "parts"
SHARED: Final = "shared"
"""The folder of what steps take up of each other: all of it could be computed again, and no result needs it."""


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Consumed(Record):
    """An input as it was: `address:output`, and the digest of its content."""

    ref: str
    digest: str


class Part(Record):
    """Some of the rows of a table: files of their own, and sums from which the digest of the table follows."""

    files: tuple[str, ...]
    rows: int
    bytes: int
    upper: int
    lower: int


class Produced(Record):
    """An output as it is; files are relative to the folder of the manifest."""

    kind: Literal["table", "folder", "view"]
    table: str | None
    columns: dict[str, str]  # name -> type
    files: tuple[str, ...]
    rows: int | None  # none for folders, and for views, which are not counted
    bytes: int
    digest: str
    parts: tuple[Part, ...] = ()  # where it was made in parts: all files, in their order


class Manifest(Record):
    """What a step was given, what it made, and what that cost."""

    address: str
    op: str
    version: int
    recipe: str
    key: str
    arguments: dict[str, Any]  # those that decide the data
    guards: tuple[dict[str, Any], ...]  # code and SQL of those that let it start
    inputs: dict[str, Consumed]
    sources: dict[str, str]  # glob -> digest of what it matched
    outputs: dict[str, Produced]
    seconds: float
    peak_memory: int  # bytes; of the run's own process up to the end of the step: workers of a pool are not seen
    versions: dict[str, str]
    started_at: datetime
    finished_at: datetime

    @property
    def rows(self) -> int | None:
        """Rows of the first table: the one the step is there for."""
        return next((made.rows for made in self.outputs.values() if made.kind == "table"), None)

    @property
    def bytes(self) -> int:
        return sum(made.bytes for made in self.outputs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A step and what it made, now or before."""

    step: Step
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Paths and commits below one folder, `.structdsl/<spec>`."""

    AREAS: ClassVar = ("tables", "checkpoints")

    root: Path

    def folder(self, step: Step, key: str) -> Path:
        """Where one result of a step lives, made or not."""
        return self._attic(step) / key

    def part(self, step: Step, key: str) -> Path:
        """Where what a step makes of one part of its rows lives, made or not; results name it by `PARTS/<key>`."""
        return self._attic(step) / PARTS / key

    def scratch(self, run: Path) -> Path:
        """What a run has while it goes on, and nobody afterwards; `run` is the folder of its record."""
        return self.root / "scratch" / run.name

    def find(self, step: Step, key: str) -> Manifest | None:
        """The result under a key, if it is committed, whole, and of the shape that the plan expects."""
        folder = self.folder(step, key)
        manifest = _read(folder / "manifest.json")
        if manifest is None or not _fits(step, manifest) or not _whole(folder, manifest):
            return None
        return manifest

    def latest(self, step: Step) -> Manifest | None:
        """The most recently committed result of a step, under whichever key."""
        stamps = [(path.stat().st_mtime_ns, path) for path in self._attic(step).glob("*/manifest.json")]
        return _read(max(stamps)[1]) if stamps else None

    def clear(self, step: Step, key: str) -> Path:
        """An empty folder for a result; what an earlier attempt left there is removed, its manifest first."""
        folder = self.folder(step, key)
        (folder / "manifest.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def sweep(self) -> None:
        """Remove parts that were not committed: of a run that was killed, or of a task that failed."""
        for draft in self.root.glob(f"*/*/{PARTS}/.*"):
            shutil.rmtree(draft, ignore_errors=True)

    def commit(self, step: Step, manifest: Manifest) -> None:
        """Have all files on disk, then write the manifest: from here on the result exists."""
        folder = self.folder(step, manifest.key)
        for made in manifest.outputs.values():
            for name in () if made.parts else made.files:  # parts were flushed when they were committed
                flush(folder / name)
        replace(folder / "manifest.json", manifest.model_dump_json(indent=1) + "\n", durable=True)
        flush(folder.parent)

    def _attic(self, step: Step) -> Path:
        kept = any(output.kind == "folder" for output in step.outputs.values())
        return self.root / ("checkpoints" if kept else "tables") / step.address


def _read(path: Path) -> Manifest | None:
    """A manifest, or none: missing, or written by a version of ours that knew other fields."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _fits(step: Step, manifest: Manifest) -> bool:
    """Whether the outputs have the names and columns of the plan (columns of an open set are not compared)."""
    if manifest.outputs.keys() != step.outputs.keys():
        return False
    return all(
        not output.columns or tuple(manifest.outputs[name].columns) == tuple(column.name for column in output.columns)
        for name, output in step.outputs.items()
    )


def _whole(folder: Path, manifest: Manifest) -> bool:
    """Whether all files are there in their full size; contents are trusted, for nobody writes below a manifest."""
    try:
        return all(
            sum((folder / name).stat().st_size for name in made.files) == made.bytes
            for made in manifest.outputs.values()
        )
    except FileNotFoundError:
        return False
