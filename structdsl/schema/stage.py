"""`stage`: one training run, from a model or an earlier stage to new weights."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from typing import Literal as Exactly

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, OneOf
from structdsl.schema.distill import DISTILLATIONS, Kd, Lssd
from structdsl.schema.model import TEMPLATES, Template
from structdsl.schema.optimizer import AdamW
from structdsl.schema.reader import Reader, choice_word
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Boolean, Choice, Count, Integer, Number, Ratio, String
from structdsl.syntax.tree import Call, Expression, Quantity, Sequence

MODELS = RefTo(("model", "stage"))

TRACKERS = ("tensorboard", "trackio", "wandb")


class About(Schema):
    """`about(64Ki tokens)`: the nearest batch that the machine can share out evenly."""

    tokens: Annotated[int, Count("tokens")] = Field(description="Positions per optimizer step, more or less.")


class Easiest(Schema):
    """`easiest(corpus.chat, take = 10k docs)`: the rows of lowest perplexity."""

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="Whose rows are chosen from.")
    take: Annotated[int, Count("docs")] = Field(description="How many are taken, if there are so many.")
    by: Annotated[str | None, MODELS] = Field(
        default=None, description="Who is asked [the nearest cpt or scpt before the stage, else what it starts from]."
    )


class Fas(Schema):
    """`fas(corpus.chat, take = 10k docs)`: rows that are known, and whose format is new (Format Alignment Score)."""

    corpus: Annotated[str, RefTo(("corpus",))] = Field(description="Whose rows are chosen from.")
    take: Annotated[int, Count("docs")] = Field(description="How many are taken, if there are so many.")
    by: Annotated[str | None, MODELS] = Field(
        default=None, description="Who is asked [the nearest cpt or scpt before the stage, else what it starts from]."
    )


SELECTIONS = {"easiest": Easiest, "fas": Fas}

Selection = Easiest | Fas


class Lora(Schema):
    """`lora(rank = 16)`: low-rank updates beside frozen weights."""

    rank: Annotated[int, Integer(minimum=1)] = Field(default=16, description="The rank of each update.")
    alpha: Annotated[Decimal | None, Number(above=Decimal(0))] = Field(
        default=None, description="Updates are scaled by alpha / rank [`rank`: by one]."
    )
    dropout: Annotated[Decimal, Ratio()] = Field(default=Decimal(0), description="Inputs of an update that are zeroed.")
    targets: Annotated[
        Exactly["all_linear"] | tuple[str, ...],
        OneOf(((Sequence, ListOf(String(minimum=1))), (object, Choice(("all_linear",))))),
    ] = Field(default="all_linear", description="Names of the layers that have one, or all linear ones but the head.")


class Tracked:
    """A tracker, or a corpus whose loss is followed."""

    _tracker = Choice(TRACKERS)
    _corpus = RefTo(("corpus",), tables=("heldout",))

    def read(self, value: Expression, at: Reader) -> object:
        """The name of the tracker, or the table."""
        return (self._tracker if choice_word(value) else self._corpus).read(value, at)

    def describe(self) -> str:
        return f"{self._tracker.describe()}, or a corpus whose loss is followed"


class Stage(Schema):
    """What every training stage has."""

    from_: Annotated[str, MODELS] = Field(alias="from", description="What it starts from.")
    optimizer: Annotated[AdamW, CallOf({"adamw": AdamW})] = Field(default=AdamW(), description="The optimizer.")
    label_smoothing: Annotated[Decimal, Ratio()] = Field(default=Decimal(0), description="Mass taken from the label.")
    activation_checkpointing: Annotated[bool, Boolean()] = Field(
        default=False, description="Recompute instead of store."
    )
    batch: Annotated[int | About, OneOf(((Quantity, Count("tokens")), (object, CallOf({"about": About}))))] = Field(
        default=64 * 1024, description="Positions per optimizer step, rows × `length`; exact unless `about(…)`."
    )
    length: Annotated[int, Count("tokens", minimum=8)] = Field(default=2048, description="Positions in a row.")
    steps: Annotated[int | None, Count("steps")] = Field(default=None, description="A cap on optimizer steps.")
    distill: Annotated[Lssd | Kd | None, CallOf(dict(DISTILLATIONS))] = Field(
        default=None, description="What is learned from a teacher besides the text, in cpt and scpt."
    )
    adapter: Annotated[
        Lora | Exactly["continue"] | None,
        OneOf(((Call, CallOf({"lora": Lora})), (object, Choice(("continue",))))),
    ] = Field(
        default=None,
        description="`lora(…)` trains an adapter, which is merged at the end; `continue` trains that of the stage"
        " before on [all weights are trained].",
    )
    track: Annotated[tuple[str, ...], ListOf(Tracked())] = Field(
        default=(),
        description="Where metrics go besides `stage.<name>_log`, and corpora whose loss is followed on the way.",
    )
    evaluate_every: Annotated[int | None, Count("steps")] = Field(
        default=None, description="How often the corpora in `track` are measured [before the first and after the last]."
    )
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where it runs [one process]."
    )

    @property
    def positions(self) -> int:
        """Positions of an optimizer step, as the spec says it."""
        return self.batch.tokens if isinstance(self.batch, About) else self.batch

    @property
    def trackers(self) -> tuple[str, ...]:
        return tuple(name for name in self.track if name in TRACKERS)

    @property
    def probes(self) -> tuple[str, ...]:
        """Tables of documents whose loss is followed."""
        return tuple(name for name in self.track if name not in TRACKERS)


class Packed(Stage):
    """A stage whose samples share rows."""

    pack: Annotated[
        Exactly["best_fit", "first_fit", "first_fit_decreasing", "none"],
        Choice(("best_fit", "first_fit", "first_fit_decreasing", "none")),
    ] = Field(default="best_fit", description="How samples share rows, 256 rows' worth at a time; none sees another.")


class Cpt(Packed):
    """Continual pre-training: every token of the mixture is supervised."""

    data: Annotated[str, RefTo(("mixture",))] = Field(description="The mixture it reads.")


class Scpt(Cpt):
    """Structure-aware continual pre-training: each chunk under its mind map, loss on the text alone."""

    structure: Annotated[str, RefTo(("taxonomy",))] = Field(description="The taxonomy whose maps precede the chunks.")


class Sft(Packed):
    """Supervised fine-tuning on questions and answers, loss on the answer."""

    data: Annotated[str | Selection, OneOf(((Call, CallOf(dict(SELECTIONS))), (object, RefTo(("corpus",)))))] = Field(
        description="An instruction corpus, or `easiest(…)`, `fas(…)` of one."
    )
    epochs: Annotated[int, Count("epochs")] = Field(default=1, description="Passes over the data.")
    template: Annotated[Template | None, CallOf(dict(TEMPLATES))] = Field(
        default=None, description="The chat template around question and answer [none: a line each]."
    )


class Ssft(Sft):
    """Structure-aware SFT: each question plain, and once more with its place in the taxonomy before the answer."""

    structure: Annotated[str | None, RefTo(("taxonomy",))] = Field(
        default=None, description="The taxonomy that is revealed [the one that a synthetic corpus is written along]."
    )
    reveal: Annotated[Exactly["map", "path", "none"], Choice(("map", "path", "none"))] = Field(
        default="map", description="What precedes the answer."
    )


class Dpo(Stage):
    """Direct preference optimization: better answers against worse ones, held near the model that it starts from."""

    data: Annotated[str | Selection, OneOf(((Call, CallOf(dict(SELECTIONS))), (object, RefTo(("corpus",)))))] = Field(
        description="A preference corpus, or `easiest(…)`, `fas(…)` of one."
    )
    epochs: Annotated[int, Count("epochs")] = Field(default=1, description="Passes over the data.")
    template: Annotated[Template | None, CallOf(dict(TEMPLATES))] = Field(
        default=None, description="The chat template around prompt and answers [none: a line each]."
    )
    beta: Annotated[Decimal, Number(above=Decimal(0))] = Field(
        default=Decimal("0.1"), description="How firmly it is held near the model that it starts from."
    )


class Merge(Schema):
    """Weights between two models: base + weight · (tuned − base)."""

    base: Annotated[str, MODELS] = Field(description="The model at 0%.")
    tuned: Annotated[str, MODELS] = Field(description="The model at 100%.")
    weight: Annotated[Decimal, Ratio()] = Field(default=Decimal("0.5"), description="How far from one to the other.")
