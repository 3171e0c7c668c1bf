"""`stage`: one training run, from a model or an earlier stage to new weights."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, OneOf, RefTo
from structdsl.schema.reader import Reader
from structdsl.schema.scalars import Boolean, Choice, Count, Number, Ratio
from structdsl.syntax.tree import Call, Expression, Quantity

SELECTIONS = ("easiest", "fas")  # of the language, not built yet


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


class Stage(Schema):
    """What every training stage has."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"distill", "adapter", "template", "track", "evaluate_every"})

    from_: Annotated[str, RefTo(("model", "stage"))] = Field(alias="from", description="What it starts from.")
    optimizer: Annotated[AdamW, CallOf({"adamw": AdamW})] = Field(default=AdamW(), description="The optimizer.")
    label_smoothing: Annotated[Decimal, Ratio()] = Field(default=Decimal(0), description="Mass taken from the label.")
    activation_checkpointing: Annotated[bool, Boolean()] = Field(
        default=False, description="Recompute instead of store."
    )
    batch: Annotated[int, OneOf(((Quantity, Count("tokens")), (object, CallOf({}, planned=("about",)))))] = Field(
        default=64 * 1024, description="Positions per optimizer step: rows × `length`."
    )
    length: Annotated[int, Count("tokens", minimum=8)] = Field(default=2048, description="Positions in a row.")
    pack: Annotated[Literal["best_fit"], Choice(("best_fit",), planned=("first_fit", "none"))] = Field(
        default="best_fit", description="How samples share rows; none sees another."
    )
    steps: Annotated[int | None, Count("steps")] = Field(default=None, description="A cap on optimizer steps.")
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where it runs [one process]."
    )


class Cpt(Stage):
    """Continual pre-training: every token of the mixture is supervised."""

    data: Annotated[str, OneOf(((Call, CallOf({}, planned=SELECTIONS)), (object, RefTo(("mixture",)))))] = Field(
        description="The mixture it reads."
    )


class Scpt(Cpt):
    """Structure-aware continual pre-training: each chunk under its mind map, loss on the text alone."""

    structure: Annotated[str, RefTo(("taxonomy",))] = Field(description="The taxonomy whose maps precede the chunks.")


class Sft(Stage):
    """Supervised fine-tuning on questions and answers, loss on the answer."""

    data: Annotated[str, OneOf(((Call, CallOf({}, planned=SELECTIONS)), (object, RefTo(("corpus",)))))] = Field(
        description="An instruction corpus."
    )
    epochs: Annotated[int, Count("epochs")] = Field(default=1, description="Passes over the data.")


class Ssft(Sft):
    """Structure-aware SFT: each question plain, and once more with its place in the taxonomy before the answer."""

    structure: Annotated[str, RefTo(("taxonomy",))] = Field(description="The taxonomy that is revealed.")
    reveal: Annotated[Literal["map", "path", "none"], Choice(("map", "path", "none"))] = Field(
        default="map", description="What precedes the answer."
    )
