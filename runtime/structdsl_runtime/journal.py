"""The record of one run: `runs/<run id>/`.

`events.jsonl` is the history, a line an event. `state.json` is the present, replaced as a whole: which step stands
where and under which key its result is. `plan.json` is what was asked for. From these three every table of that run
can be found again, and `meta.runs`, `meta.steps` and `meta.lineage` are views over them: a run that changed
nothing needs no database.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from structdsl.plan import Plan, Step
from structdsl_runtime.events import Event, Status, StepProgress
from structdsl_runtime.files import replace
from structdsl_runtime.store import Manifest

Standing = Literal["pending", "running", "done", "reused", "failed", "left"]


KILLED: Final[Mapping[Standing, tuple[Standing, str | None]]] = {
    "pending": ("left", None),
    "running": ("failed", "killed"),
}
"""What becomes of a step when its run is killed, and why."""


class StepState(BaseModel):
    """A step as a run left it; times are those of the work, whenever that was done."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    address: str
    op: str
    recipe: str
    upstream: tuple[str, ...]
    status: Standing = "pending"
    key: str | None = None
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


class RunState(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    run_id: str
    spec: str
    parameters: dict[str, str]
    status: Status = "running"
    started_at: datetime
    finished_at: datetime | None = None
    steps: tuple[StepState, ...]


class Journal:
    """Writes the record of one run."""

    def __init__(self, runs: Path, plan: Plan, steps: Iterable[Step]) -> None:
        now = datetime.now(UTC)
        run_id = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"
        self.folder = runs / run_id
        (self.folder / "logs").mkdir(parents=True)
        self.state = RunState(
            run_id=run_id,
            spec=plan.spec,
            parameters=plan.parameters,
            started_at=now,
            steps=tuple(
                StepState(address=step.address, op=step.operation.op, recipe=step.recipe, upstream=step.upstream)
                for step in steps
            ),
        )
        self._steps = {step.address: step for step in self.state.steps}
        replace(self.folder / "plan.json", plan.model_dump_json() + "\n")
        self._events = (self.folder / "events.jsonl").open("a", encoding="utf-8", buffering=1)
        self.save()

    def observe(self, event: Event) -> None:
        """The event as one line, written at once; progress within a step is not kept."""
        if not isinstance(event, StepProgress):
            line = {"time": _now(), "event": _snake(type(event).__name__), **asdict(event)}
            self._events.write(json.dumps(line, ensure_ascii=False) + "\n")

    def mark(self, address: str, status: Standing, *, error: str | None = None) -> None:
        step = self._steps[address]
        step.status, step.error = status, error

    def resolve(self, manifest: Manifest, status: Literal["done", "reused"]) -> None:
        """The step has a result, made now or before."""
        step = self._steps[manifest.address]
        step.status, step.key = status, manifest.key
        step.rows, step.bytes, step.seconds = manifest.rows, manifest.bytes, round(manifest.seconds, 3)
        step.started_at, step.finished_at = manifest.started_at, manifest.finished_at

    def finish(self, status: Status) -> None:
        self.state.status, self.state.finished_at = status, datetime.now(UTC)
        for step in self.state.steps:
            if step.status == "pending":
                step.status = "left"
        self.save()
        self._events.close()

    def save(self) -> None:
        replace(self.folder / "state.json", self.state.model_dump_json() + "\n")


def bury(runs: Path) -> None:
    """Mark the last run as killed if it never said how it ended; to be called under the lock of the store."""
    for run_id in reversed(run_ids(runs)):
        path = runs / run_id / "state.json"
        state = read_state(path)
        if state is None or state.status != "running":
            return
        as_killed(state)
        replace(path, state.model_dump_json() + "\n")


def as_killed(state: RunState) -> None:
    """What the record of a run says that never said how it ended, once its process is gone."""
    state.status = "killed"
    for step in state.steps:
        if step.status in KILLED:
            step.status, step.error = KILLED[step.status]


def run_ids(runs: Path) -> list[str]:
    """The runs of a store, oldest first."""
    return sorted(path.parent.name for path in runs.glob("*/state.json"))


def read_state(path: Path) -> RunState | None:
    try:
        return RunState.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
