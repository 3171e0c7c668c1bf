"""`evaluation`: what models are asked, and how well they must answer."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, MapOf, RefTo
from structdsl.schema.scalars import Count, Integer


class ClosedBook(Schema):
    """`closed_book(corpus.exam)`: questions answered from memory, scored by exact match."""

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="A corpus of role exam.")
    max: Annotated[int, Count("tokens")] = Field(default=32, description="The longest answer.")


class Perplexity(Schema):
    """`perplexity(corpus.web)`: how well a text is predicted."""

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="A corpus that no stage trains on.")


class Evaluation(Schema):
    """Models and tasks; every model does every task."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"require", "cluster"})

    models: Annotated[tuple[str, ...], ListOf(RefTo(("model", "stage")))] = Field(
        description="Models to compare, the first is the reference."
    )
    tasks: Annotated[
        dict[str, ClosedBook | Perplexity],
        MapOf(
            None,
            CallOf(
                {"closed_book": ClosedBook, "perplexity": Perplexity},
                planned=("multiple_choice", "divergence", "recall", "lm_eval"),
            ),
            minimum=1,
        ),
    ] = Field(description="Names and tasks.")
    shots: Annotated[int, Integer()] = Field(default=0, description="Worked examples before each question.")
