"""The plan: a list of typed steps in an order in which they can run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from structdsl.identity import Effect
from structdsl.plan.operations import Operation, Partition


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Place(Record):
    """The line of the spec that asked for something; `start` and `end` are byte offsets."""

    file: str  # relative to the folder of the spec
    line: int
    column: int
    start: int
    end: int


class Column(Record):
    name: str
    type: str  # of DuckDB
    doc: str = ""


class Output(Record):
    """A table, under the name that SQL knows it by, or a folder (a model, a tokenizer)."""

    kind: Literal["table", "folder"] = "table"
    table: str | None = None  # "corpus.notes_chunks"; none for a folder
    columns: tuple[Column, ...] = ()
    doc: str = ""


class Guard(Record):
    """A query that must return no row before a step may start; each row is a reason in its `message` column."""

    code: str
    sql: str
    helps: Annotated[tuple[str, ...], Effect.LABEL] = ()
    place: Annotated[Place, Effect.LABEL]


class Placement(Record):
    """Where the spec wants a step to run: how many machines, and processes over all of them."""

    nodes: int
    processes: int


class Step(Record):
    """One node of the plan.

    `inputs` maps the name that the operation knows an input by to `address:output`; for SQL the name is
    the name of the table. `sources` are globs of outside files whose content decides the result.
    """

    address: str  # "corpus.notes.chunk"
    operation: Operation
    inputs: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    outputs: dict[str, Output]
    guards: tuple[Guard, ...] = ()
    recipe: str
    place: Place
    places: dict[str, Place] = {}  # of attributes that stand on lines of their own
    placement: Placement | None = None  # of a step of data; none is one process of this machine
    doc: str = ""

    @property
    def upstream(self) -> tuple[str, ...]:
        """Addresses of the steps that this one reads from."""
        return tuple(dict.fromkeys(reference.rpartition(":")[0] for reference in self.inputs.values()))

    @property
    def partition(self) -> Partition:
        """How its work may be divided."""
        return self.operation.division


class GraphNode(Record):
    """A stage: what it starts from, what it reads, who trains it where, and what comes out."""

    stage: str
    variant: str
    step: str  # address of the step that makes its model
    trainer: Literal["train", "dpo", "merge_models"]  # the operation of that step
    model: str  # address:output of the folder it starts from
    teacher: str | None = None  # address:output of the folder of a frozen model
    data: str | None = None  # table of packed rows; none where nothing is trained
    world: int  # processes
    nodes: int = 1  # machines
    deepspeed: str | None = None  # path of the JSON, relative to the build folder
    outputs: dict[str, str]  # the folder of the model as address:output, and tables


class GraphEdge(Record):
    source: str
    target: str
    relation: Literal["from", "teacher", "data"]


class Graph(Record):
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class Note(Record):
    """Something that a run says once before it starts."""

    code: str
    message: str
    place: Place | None = None


class Plan(Record):
    """All that the runtime needs to know of a spec."""

    format: Literal[1] = 1
    edition: int
    compiler: str
    name: str  # of the spec: its file name without suffix
    spec: str  # its file name
    parameters: dict[str, str]  # as resolved, in canonical form
    profile: str | None = None  # that was laid over the spec
    steps: tuple[Step, ...]
    training: Graph
    reports: tuple[str, ...]  # score tables that a finished run prints
    notes: tuple[Note, ...] = ()
