"""`evaluation`: what models are asked, and how well they must answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, MapOf, OneOrMany
from structdsl.schema.quantities import NUMBER, amount_of
from structdsl.schema.reader import ERROR, Reader
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Count, Integer, Number, String
from structdsl.schema.texts import Word
from structdsl.syntax.tree import Expression, Quantity

MODELS = RefTo(("model", "stage"))
TEXT = RefTo(("corpus",), tables=("heldout",))


class Task(Schema):
    """What every task says of its scores: their metrics, the one that `require` takes first."""

    METRICS: ClassVar[tuple[str, ...]]
    SHARE: ClassVar[bool] = True  # whether they are shares, counted in points, of which more is better


class ClosedBook(Task):
    """`closed_book(corpus.exam)`: questions answered from memory, scored by exact match."""

    METRICS = ("exact_match",)

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="A corpus of role exam.")
    max: Annotated[int, Count("tokens")] = Field(default=32, description="The longest answer.")


class MultipleChoice(Task):
    """`multiple_choice(corpus.exam)`: the likeliest of the options of each question."""

    METRICS = ("accuracy",)

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="A corpus of role exam that has `options`.")


class Perplexity(Task):
    """`perplexity(corpus.web)`: how well a text is predicted."""

    METRICS = ("perplexity", "bits_per_byte")
    SHARE = False

    corpus: Annotated[str, TEXT] = Field(description="A corpus that no stage trains on, or what one holds out.")


class Divergence(Task):
    """`divergence(corpus.web_heldout, from = model.base)`: how far the predictions on a text have moved."""

    METRICS = ("divergence",)
    SHARE = False

    corpus: Annotated[str, TEXT] = Field(description="A corpus that no stage trains on, or what one holds out.")
    from_: Annotated[str, MODELS] = Field(alias="from", description="The model whose predictions are the measure.")


class Recall(Task):
    """`recall(taxonomy.topics)`: how much of a map, or of the answers of an exam, is said from memory."""

    METRICS = ("recall",)

    over: Annotated[str, RefTo(("taxonomy", "corpus"))] = Field(
        description="A taxonomy, whose nodes are to be listed, or a corpus of role exam."
    )
    max: Annotated[int, Count("tokens")] = Field(default=256, description="The longest answer.")


class LmEval(Task):
    """`lm_eval("mmlu")`: a task of the Language Model Evaluation Harness."""

    METRICS = ("acc",)

    name: Annotated[str, String(minimum=1)] = Field(description="Its name there.")


TASKS = {
    "closed_book": ClosedBook,
    "multiple_choice": MultipleChoice,
    "perplexity": Perplexity,
    "divergence": Divergence,
    "recall": Recall,
    "lm_eval": LmEval,
}

AnyTask = ClosedBook | MultipleChoice | Perplexity | Divergence | Recall | LmEval


@dataclass(frozen=True, slots=True)
class Points:
    """Hundredths of a share."""

    count: int


class Amount:
    """Points of a share, or a number in the unit of the metric."""

    def read(self, value: Expression, at: Reader) -> object:
        """Points are `Points`, a number is a `Decimal`."""
        dimension = amount_of(value).dimension if isinstance(value, Quantity) else None
        if dimension == "points":
            count = Count("points", minimum=0).read(value, at)
            return ERROR if count is ERROR else Points(count)
        return Number(minimum=Decimal(0)).read(value, at) if dimension == NUMBER else at.mismatch(self, value)

    def describe(self) -> str:
        return "`5 points`, or a number such as `0.05` for perplexity and divergence"


TASK = Word("the name of a task, such as `exam`")
METRIC = Word("the name of a metric, such as `accuracy`")


class Gain(Schema):
    """`gain(exam, at_least = 5 points)`: how much better one model must be than another."""

    task: Annotated[str, TASK] = Field(description="The task, by its name here.")
    at_least: Annotated[Points | Decimal, Amount()] = Field(description="The least gain.")
    of: Annotated[str | None, MODELS] = Field(default=None, description="Whose [the last of `models`].")
    over: Annotated[str | None, MODELS] = Field(default=None, description="Over whom [the first of `models`].")
    metric: Annotated[str | None, METRIC] = Field(default=None, description="Of which metric [that of the task].")


class Drop(Schema):
    """`drop(mmlu, at_most = 1 points)`: how much worse one model may be than another."""

    task: Annotated[str, TASK] = Field(description="The task, by its name here.")
    at_most: Annotated[Points | Decimal, Amount()] = Field(description="The greatest drop.")
    of: Annotated[str | None, MODELS] = Field(default=None, description="Whose [the last of `models`].")
    over: Annotated[str | None, MODELS] = Field(default=None, description="Against whom [the first of `models`].")
    metric: Annotated[str | None, METRIC] = Field(default=None, description="Of which metric [that of the task].")


class AtLeast(Schema):
    """`at_least(exam, 55 points)`: how good a model must be."""

    task: Annotated[str, TASK] = Field(description="The task, by its name here.")
    value: Annotated[Points | Decimal, Amount()] = Field(description="The least score.")
    of: Annotated[str | None, MODELS] = Field(default=None, description="Which model [the last of `models`].")
    metric: Annotated[str | None, METRIC] = Field(default=None, description="Which metric [that of the task].")


REQUIREMENTS = {"gain": Gain, "drop": Drop, "at_least": AtLeast}

Requirement = Gain | Drop | AtLeast


class Evaluation(Schema):
    """Models and tasks; every model does every task."""

    models: Annotated[tuple[str, ...], ListOf(MODELS)] = Field(
        description="Models to compare, the first is the reference."
    )
    tasks: Annotated[dict[str, AnyTask], MapOf(None, CallOf(dict(TASKS)), minimum=1)] = Field(
        description="Names and tasks."
    )
    shots: Annotated[int, Integer()] = Field(default=0, description="Worked examples before each question.")
    require: Annotated[tuple[Requirement, ...], OneOrMany(CallOf(dict(REQUIREMENTS)))] = Field(
        default=(), description="What must come out; a run in which it does not ends with exit code 5."
    )
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where it runs [one process]."
    )
