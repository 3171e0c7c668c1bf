"""`mixture`: how many tokens of each corpus a stage reads."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from typing import Literal as Exactly

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, MapOf, OneOf
from structdsl.schema.quantities import amount_of
from structdsl.schema.reader import ERROR, Reader
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Choice, Count, Integer, Literal, Number, Ratio
from structdsl.syntax.tree import Call, Expression, Keyword, Mapping, Quantity, Reference


class Natural(Schema):
    """`natural`: every corpus in proportion to its size, as if all had been poured together."""

    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="The corpora [all of the spec that may be trained on]."
    )


class Temperature(Schema):
    """`temperature(2)`: shares proportional to size to the power of 1/t: 1 is `natural`, more lifts the small."""

    t: Annotated[Decimal, Number(above=Decimal(0))] = Field(description="The temperature.")
    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="The corpora [all of the spec that may be trained on]."
    )


@dataclass(frozen=True, slots=True)
class Epochs:
    """A budget in passes over everything."""

    count: int


class Budget:
    """Tokens, or passes over everything."""

    def read(self, value: Expression, at: Reader) -> object:
        """Tokens are an `int`, passes are `Epochs`."""
        if isinstance(value, Quantity) and amount_of(value).dimension == "epochs":
            count = Count("epochs").read(value, at)
            return ERROR if count is ERROR else Epochs(count)
        return Count("tokens").read(value, at)

    def describe(self) -> str:
        return "a count of tokens, such as `20M tokens`, or of epochs with `weights = natural`"


class Score:
    """What rows are ordered by: a column of theirs, or what a model finds hard."""

    _column = Choice(("n_tokens",))
    _model = RefTo(("model",))

    def read(self, value: Expression, at: Reader) -> object:
        """The name of the column, or the address of the model."""
        dotted = isinstance(value, Reference) and len(value.parts) > 1
        return (self._model if dotted else self._column).read(value, at)

    def describe(self) -> str:
        return f"{self._column.describe()} or {self._model.describe()}"


class Curriculum(Schema):
    """`curriculum(by = n_tokens)`: from easy to hard within each epoch's share."""

    by: Annotated[str, Score()] = Field(
        description="What makes a row hard: its length (`n_tokens`), or the loss of a model (`model.base`) on it."
    )


WEIGHTING = {"natural": Natural, "temperature": Temperature}


class Mixture(Schema):
    """Shares of a token budget."""

    weights: Annotated[
        dict[str, Decimal | Exactly["rest"]] | Natural | Temperature,
        OneOf(
            (
                (Mapping, MapOf(RefTo(("corpus",)), OneOf(((Keyword, Literal("rest")), (object, Ratio()))))),
                ((Call, Reference), CallOf(WEIGHTING)),
            )
        ),
    ] = Field(
        description="The share of each corpus, together 100% or one of them `rest`; or `natural`, `temperature(t)`."
    )
    budget: Annotated[int | Epochs, Budget()] = Field(
        description="Tokens of source text to draw; with `natural` also passes over everything: `2 epochs`."
    )
    max_epochs: Annotated[int, Count("epochs")] = Field(default=4, description="How often a row may be repeated.")
    order: Annotated[
        Exactly["shuffled"] | Curriculum,
        OneOf(((Call, CallOf({"curriculum": Curriculum})), (object, Choice(("shuffled",))))),
    ] = Field(default="shuffled", description="The order of the rows: by lot, or `curriculum(by = …)`.")
    seed: Annotated[int | None, Integer(maximum=2**32 - 1)] = Field(
        default=None, description="Of the draw [the project's]."
    )
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where it is drawn [one process of this machine]."
    )
