"""`mixture`: how many tokens of each corpus a stage reads."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar
from typing import Literal as Exactly

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, MapOf, OneOf, RefTo
from structdsl.schema.scalars import Choice, Count, Integer, Literal, Ratio
from structdsl.syntax.tree import Call, Keyword, Reference


class Mixture(Schema):
    """Shares of a token budget."""

    PLANNED: ClassVar[frozenset[str]] = frozenset()

    weights: Annotated[
        dict[str, Decimal | Exactly["rest"]],
        OneOf(
            (
                (Reference, Choice((), planned=("natural",))),
                (Call, CallOf({}, planned=("temperature",))),
                (object, MapOf(RefTo(("corpus",)), OneOf(((Keyword, Literal("rest")), (object, Ratio()))))),
            )
        ),
    ] = Field(description="The share of each corpus; together 100%, or one of them `rest`.")
    budget: Annotated[int, Count("tokens", planned=("epochs",))] = Field(description="Tokens of source text to draw.")
    max_epochs: Annotated[int, Count("epochs")] = Field(default=4, description="How often a row may be repeated.")
    order: Annotated[Exactly["shuffled"], Choice(("shuffled",), planned=("curriculum",))] = Field(
        default="shuffled", description="The order of the rows."
    )
    seed: Annotated[int | None, Integer(maximum=2**32 - 1)] = Field(
        default=None, description="Of the draw [the project's]."
    )
