"""What happens in a run, as values: the journal writes them down, the progress display shows them.

An observer is a function of one event. Order within a run: `RunStarted`, then for each step either `StepSkipped` or
`StepStarted` … `StepFinished` | `StepFailed`, at last `RunFinished`, whatever the end was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from structdsl.plan import Place, Step
from structdsl_runtime.operation import Fault

Status = Literal["running", "done", "failed", "interrupted", "killed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a step failed, as a diagnostic: code, message and the place in the spec that is to blame."""

    address: str
    code: str
    message: str
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    place: Place


class StepError(Exception):
    """A step met a mistake of the user or of a source; only the executor sees it, as the end of a step."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def blamed(step: Step, fault: Fault, place: Place) -> Failure:
    """The failure of a step that met a fault."""
    return Failure(
        address=step.address, code=fault.code, message=fault.message, notes=fault.notes, helps=fault.helps, place=place
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    run_id: str
    spec: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    address: str
    op: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    address: str
    done: int
    total: int | None
    unit: str
    said: tuple[str, ...] = ()  # the same in fewer and fewer words: the first for which there is room is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    address: str
    op: str
    rows: int | None
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped:
    """A step whose result was in the store."""

    address: str
    op: str
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    address: str
    op: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    address: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """Where all the documents of a corpus went."""

    corpus: str  # its address
    kept: int
    held_out: int
    dropped: dict[str, int]  # by what


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The end of a run; views are in none of the numbers, for nothing is computed for them."""

    run_id: str
    status: Status
    ran: int
    reused: int
    left: int
    seconds: float


Event = (
    RunStarted | StepStarted | StepProgress | StepFinished | StepSkipped | StepFailed | Warned | Accounted | RunFinished
)
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """The observer that shows nothing."""
