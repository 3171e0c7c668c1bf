"""What every operation has in common.

A version is bumped when the same arguments and inputs would yield other rows. Fields are data unless marked
`Effect.COST` (the same rows, another price) or `Effect.LABEL` (the same rows, another name).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["domain", "replay", "instruction", "preference", "exam", "probe"]


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    row_input: ClassVar[str | None] = None
    """The input whose rows the operation takes one by one, so that it may be given them in parts; none: all at once."""
