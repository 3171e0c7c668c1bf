"""What a stage learns from besides its text: the distribution of a frozen teacher over the same tokens."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from typing import Literal as Exactly

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, OneOf
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Choice, Integer, Literal, Number, Ratio
from structdsl.syntax.tree import Keyword, Sequence

TRAINED_ROLES = ("domain", "replay", "instruction", "preference")

TrainedRole = Exactly["domain", "replay", "instruction", "preference"]


class Always(Schema):
    """`always`: wherever the teacher's first choice is not the token that follows."""


class Threshold(Schema):
    """`threshold(0.1)`: only where the teacher gives its first choice so much more probability than the token."""

    above: Annotated[Decimal, Ratio()] = Field(description="The least difference of the two probabilities.")


class Top(Schema):
    """`top(5)`: only where the token is among the teacher's first choices."""

    k: Annotated[int, Integer(minimum=2)] = Field(description="How many of them.")


class Hidden(Schema):
    """`hidden`: the teacher's last hidden state; exact, and small for narrow models."""


class TopK(Schema):
    """`topk(64)`: the most probable tokens, what is left of the probability in one remainder."""

    k: Annotated[int, Integer(minimum=1)] = Field(description="How many of them.")


class Sample(Schema):
    """`sample(50)`: tokens drawn from the teacher; unbiased."""

    n: Annotated[int, Integer(minimum=1)] = Field(description="How many, with replacement.")


Swap = Always | Threshold | Top

Cache = Hidden | TopK | Sample


class Kd(Schema):
    """`kd(weight = 50%)`: plain distillation; the loss is (1 − weight) · next token + weight · divergence."""

    weight: Annotated[Decimal, Ratio()] = Field(
        default=Decimal("0.5"), description="The share of the loss that is the teacher's."
    )
    teacher: Annotated[str | None, RefTo(("model", "stage"))] = Field(
        default=None, description="Who is learned from, frozen [what the stage starts from]."
    )
    temperature: Annotated[Decimal, Number(above=Decimal(0))] = Field(
        default=Decimal(1), description="What logits of both are divided by."
    )
    kl: Annotated[Exactly["forward", "reverse"], Choice(("forward", "reverse"))] = Field(
        default="forward", description="The direction of the divergence: teacher to student, or back."
    )
    on: Annotated[
        Exactly["all"] | tuple[TrainedRole, ...],
        OneOf(((Sequence, ListOf(Choice(TRAINED_ROLES))), (object, Choice(("all",))))),
    ] = Field(default="all", description="On whose tokens: of all rows, or of corpora with these roles.")
    cache: Annotated[
        Cache | Exactly["none"],
        OneOf(
            ((Keyword, Literal("none")), (object, CallOf({"hidden": Hidden, "topk": TopK, "sample": Sample}))),
        ),
    ] = Field(
        default="none",
        description="What is kept of the teacher, to be computed once: `hidden`, `topk(k)`, `sample(n)`.",
    )


class Lssd(Kd):
    """`lssd(weight = 50%)`: logit swap self-distillation; the teacher's first choice and the token change places."""

    swap: Annotated[Swap, CallOf({"always": Always, "threshold": Threshold, "top": Top})] = Field(
        default=Always(), description="Where the two change places."
    )


DISTILLATIONS = {"lssd": Lssd, "kd": Kd}
