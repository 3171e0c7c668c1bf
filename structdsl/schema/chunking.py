"""How documents are cut for training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.scalars import Count


class Paragraphs(Schema):
    """`paragraphs(max = 1024 tokens)`: cut at headings, then filled paragraph by paragraph."""

    max: Annotated[int, Count("tokens")] = Field(default=1024, description="The most tokens a chunk may have.")


class Tokens(Schema):
    """`tokens(max = 1024 tokens, overlap = 128 tokens)`: windows of about that size that no heading stops."""

    max: Annotated[int, Count("tokens")] = Field(default=1024, description="The most tokens a chunk may have.")
    overlap: Annotated[int, Count("tokens", minimum=0)] = Field(
        default=0, description="About how many tokens a window repeats of the one before it; less than `max`."
    )


class Sections(Schema):
    """`sections(max = 4096 tokens)`: what stands between two headings, whole unless it exceeds the cap."""

    max: Annotated[int, Count("tokens")] = Field(default=1024, description="The most tokens a chunk may have.")


CHUNKINGS = {"paragraphs": Paragraphs, "tokens": Tokens, "sections": Sections}

Chunking = Paragraphs | Tokens | Sections
