"""`test`: rows in, rows out; what the data half of a spec does with a fixture of a few lines."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.check import TABLE
from structdsl.schema.containers import ListOf, MapOf
from structdsl.schema.free import FreeMap
from structdsl.schema.references import RefTo


class Test(Schema):
    """A fixture and what comes of it."""

    given: Annotated[
        dict[str, tuple[dict[str, Any], ...]],
        MapOf(RefTo(("corpus",)), ListOf(FreeMap(), unique=False), minimum=1),
    ] = Field(description="Corpora and the rows that stand in for their sources; columns are named, the rest is empty.")
    expect: Annotated[
        dict[str, tuple[dict[str, Any], ...]],
        MapOf(TABLE, ListOf(FreeMap(), unique=False, empty=True), minimum=1),
    ] = Field(description="Tables and the rows that they must have: the named columns, in any order.")
