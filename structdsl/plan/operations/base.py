"""What every operation has in common.

A version is bumped when the same arguments and inputs would yield other rows. Fields are data unless marked
`Effect.COST` (the same rows, another price) or `Effect.LABEL` (the same rows, another name).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["domain", "replay", "instruction", "preference", "exam", "probe"]


class Partition(BaseModel):
    """How the work of a step may be divided; what comes out is the same, however many share it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(BaseModel):
    """The rows of another input that a part reads: `key` lies between the least `first` and the greatest `last` of its
    own rows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str
    key: str
    first: str
    last: str


class Rows(Partition):
    """Any split of the rows of one input: the step makes of the whole what it makes of the parts, put together."""

    by: Literal["rows"] = "rows"
    input: str
    reads: Range | None = None  # else a part may read all of any other input

    def __str__(self) -> str:
        return f"by rows of {self.input}"


class Files(Partition):
    """The files of the source, and stretches of large ones; order and numbers of rows are those of the source."""

    by: Literal["files"] = "files"

    def __str__(self) -> str:
        return "by files"


class Hashed(Partition):
    """Rows that agree in a key stay together; the number of parts is the plan's, never that of the workers."""

    by: Literal["hash"] = "hash"
    key: str  # an expression over the rows
    parts: int = 64

    def __str__(self) -> str:
        return f"by hash({self.key}), {self.parts} parts"


class Ordered(Partition):
    """Rows come out in the order of a column, a whole number; those of any range of it can be made apart."""

    by: Literal["order"] = "order"
    key: str  # a column of the result

    def __str__(self) -> str:
        return f"by ranges of {self.key}"


class Single(Partition):
    """All at once: over narrow tables only."""

    by: Literal["single"] = "single"

    def __str__(self) -> str:
        return "at once"


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    partition: ClassVar[Partition] = Single()

    @property
    def division(self) -> Partition:
        """How the work may be divided under these arguments."""
        return self.partition
