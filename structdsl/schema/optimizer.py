"""What moves the weights, and how fast over the steps of a stage."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf
from structdsl.schema.reader import Reader
from structdsl.schema.scalars import Count, Number, Ratio
from structdsl.syntax.tree import Expression, Quantity


class WarmUp:
    """A share of the steps (`3%`), or a number of them (`20 steps`)."""

    def read(self, value: Expression, at: Reader) -> Any:
        """Ratios stay `Decimal`, steps become `int`."""
        type_ = Count("steps", minimum=0) if isinstance(value, Quantity) and value.unit else Ratio()
        return type_.read(value, at)

    def describe(self) -> str:
        return "a ratio such as `3%`, or `20 steps`"


class Cosine(Schema):
    """`cosine(warmup = 3%, floor = 10%)`: linear warm-up, then half a cosine down to the floor."""

    warmup: Annotated[Decimal | int, WarmUp()] = Field(default=Decimal("0.03"), description="How long the rate rises.")
    floor: Annotated[Decimal, Ratio()] = Field(
        default=Decimal("0.1"), description="The last rate, as a share of the peak."
    )


class Constant(Schema):
    """`constant(warmup = 3%)`: linear warm-up, then flat."""

    warmup: Annotated[Decimal | int, WarmUp()] = Field(default=Decimal("0.03"), description="How long the rate rises.")


class AdamW(Schema):
    """`adamw(lr = 2e-5)`: Adam with decoupled weight decay."""

    lr: Annotated[Decimal, Number(above=Decimal(0))] = Field(default=Decimal("2e-5"), description="Peak learning rate.")
    weight_decay: Annotated[Decimal, Number(minimum=Decimal(0))] = Field(
        default=Decimal(0), description="Decoupled, on matrices only."
    )
    clip: Annotated[Decimal, Number(above=Decimal(0))] = Field(
        default=Decimal(1), description="Largest norm of the gradient."
    )
    schedule: Annotated[Cosine | Constant, CallOf({"cosine": Cosine, "constant": Constant})] = Field(
        default=Cosine(), description="The learning rate over the steps."
    )
