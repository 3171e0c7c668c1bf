"""`project`: who owns the spec and the seed of all that is random in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Integer, String


class Project(Schema):
    """The spec as a whole."""

    owner: Annotated[str | None, String()] = Field(default=None, description="Whom to ask.")
    title: Annotated[str | None, String()] = Field(default=None, description="What the spec is called.")
    seed: Annotated[int, Integer(maximum=2**32 - 1)] = Field(
        default=0, description="Seed of every draw that has none of its own."
    )
    tokenizer: Annotated[str | None, RefTo(("model",))] = Field(
        default=None,
        description="The model whose tokenizer counts `n_tokens`, where stages of two tokenizers meet [the stages'].",
    )
