"""What the nodes of a run tell each other: a file each in `nodes/` of the store, that only its node writes.

A file says how its node stands, and is written anew every second whether or not anything changed: a node whose file
stays as it is has died. Clocks of two machines are never compared; a reader goes by its own since it last saw a change.
A store that many machines share may show a change late (NFS: up to a minute), which is what `SILENCE` allows for.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from structdsl_runtime.events import Status
from structdsl_runtime.files import replace
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.orders import patience

BEAT_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.1
SILENCE: Final = 120.0


class Sign(BaseModel):
    """How a node stands; `beat` counts."""

    model_config = ConfigDict(frozen=True)

    beat: int = 0


class Order(BaseModel):
    """A stage that node 0 has begun, for the other nodes to start their share of."""

    model_config = ConfigDict(frozen=True)

    number: int  # from 1, within a run
    address: str  # of the step
    module: str
    job: Path
    events: Path
    log: Path  # of node 0: see `log_of`
    processes: int
    nodes: int
    meet: str
    port: str


class OfLead(Sign):
    """Of node 0."""

    run: str
    state: Status = "running"
    admitted: dict[int, str] = {}  # the token of each node that the run counts on
    order: Order | None = None
    code: str | None = None  # of what failed the run
    said: str | None = None  # in words


class OfNode(Sign):
    """Of another node."""

    token: str  # drawn anew by each process: a file that a dead one left is not taken for it
    host: str
    plan: str  # see `torchrun.mark`
    store: str
    order: int = 0  # the last that it took up
    code: int | None = None  # how its share of that ended; none while it goes on
    asked: bool = False  # to stop
    left: bool = False


S = TypeVar("S", bound=Sign)


def path_of(store: Path, rank: int) -> Path:
    return store / "nodes" / f"{rank}.json"


def log_of(log: Path, rank: int) -> Path:
    """Where a node writes what the processes of a step print on it, beside the log of node 0."""
    return log.with_suffix(f".node-{rank}.log") if rank else log


def silence() -> float:
    """Seconds without a sign after which a node is taken for dead."""
    return min(SILENCE, patience())


def lost(message: str, *notes: str) -> Fault:
    """What to raise where a node is waited for in vain."""
    return Fault(
        "E0835",
        message,
        notes=notes,
        helps=("look at what that node has printed, and at whether all nodes see the same store",),
    )


class Teller(Generic[S]):
    """Writes the sign of this node: at once when something changed, and every second.

    A sign that cannot be written (a full disk) is one that the others miss: they take the node for dead if it goes on.
    """

    def __init__(self, path: Path, sign: S) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sign = sign
        self.say(sign)
        self._thread = threading.Thread(target=self._beat, name="node-sign", daemon=True)
        self._thread.start()

    @property
    def sign(self) -> S:
        return self._sign

    def say(self, sign: S) -> None:
        with self._lock:
            self._sign = sign
            self._write()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with self._lock:
                try:
                    self._write()
                except OSError:  # said above: the others miss it
                    continue

    def _write(self) -> None:
        self._sign = self._sign.model_copy(update={"beat": self._sign.beat + 1})
        replace(self._path, self._sign.model_dump_json() + "\n")


class Watch(Generic[S]):
    """Reads the sign of another node."""

    def __init__(self, path: Path, kind: type[S]) -> None:
        self._path = path
        self._kind = kind
        self._text: bytes | None = None
        self._seen = 0
        self._changed = time.monotonic()

    def look(self) -> S | None:
        """The sign as it is; none where there is none yet, or one that this version does not write."""
        try:
            text = self._path.read_bytes()
        except OSError:  # not there, or just replaced on another machine (ESTALE)
            return None
        if text != self._text:
            self._text, self._seen, self._changed = text, self._seen + 1, time.monotonic()
        try:
            return self._kind.model_validate_json(text)
        except ValidationError:
            return None

    @property
    def lives(self) -> bool:
        """Whether it has changed before our eyes: a file alone may be of a process that died."""
        return self._seen > 1

    @property
    def silent(self) -> float:
        """Seconds since the last change."""
        return time.monotonic() - self._changed
