"""A stage: samples, tokens, packed rows, training."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from structdsl.identity import Effect
from structdsl.plan.operations.base import Arguments, Partition, Range, Role, Rows


class Template(Arguments):
    """A chat template: one of ours, one in a file, or that of a tokenizer (the input `template`, else `tokenizer`)."""

    kind: Literal["chatml", "file", "tokenizer"]
    path: str | None = None


SMALL_TREE: Final = 24
"""Nodes up to which a tree is shown whole, and recalled whole. Another number is another version of what draws maps."""


class RenderScpt(Arguments):
    """Rows of a stage as samples and as tokens: chunks under their mind map, recall of the map, the rest plain."""

    partition: ClassVar[Partition] = Rows(input="rows")

    op: Literal["render_scpt"] = "render_scpt"
    version: Literal[5] = 5
    length: int  # positions a sample may take
    reserve: int  # tokens kept for the response: the cap of a chunk


class RenderSsft(Arguments):
    """Questions as samples, each twice: plain, and with its place in the taxonomy before the answer."""

    op: Literal["render_ssft"] = "render_ssft"
    version: Literal[2] = 2
    length: int
    reveal: Literal["map", "path", "none"]
    epochs: int
    seed: int
    template: Template | None = None


class RenderChat(Arguments):
    """Samples in a chat template: their `messages`, else prompt and response, up to the last answer and from there."""

    op: Literal["render_chat"] = "render_chat"
    version: Literal[1] = 1
    template: Template


class ScoreSamples(Arguments):
    """The loss of a model on the response of each row of a corpus, plain and in a chat template."""

    op: Literal["score_samples"] = "score_samples"
    version: Literal[1] = 1
    role: Role
    length: int
    template: Template | None = None


class Tokenise(Arguments):
    """Samples as token ids; the prompt is masked, the response and its end are supervised."""

    op: Literal["tokenise"] = "tokenise"
    version: Literal[1] = 1

    partition: ClassVar[Partition] = Rows(input="samples")

    length: int


class LayOut(Arguments):
    """Which samples lie side by side in rows of `length` positions."""

    op: Literal["lay_out"] = "lay_out"
    version: Literal[1] = 1
    length: int
    method: Literal["best_fit", "first_fit", "first_fit_decreasing", "none"]


class Pack(Arguments):
    """Rows of `length` positions as they were laid out: their tokens, and what is learnt of them."""

    op: Literal["pack"] = "pack"
    version: Literal[3] = 3

    partition: ClassVar[Partition] = Rows(
        input="layout", reads=Range(input="tokens", key="position", first="first", last="last")
    )

    length: int


class Schedule(Arguments):
    shape: Literal["cosine", "constant"]
    warmup_ratio: float | None = None  # share of all optimizer steps
    warmup_steps: int | None = None
    floor: float = 0.0  # final learning rate as a share of the peak


class Optimizer(Arguments):
    lr: float
    weight_decay: float
    clip: float
    schedule: Schedule


class Lora(Arguments):
    """Low-rank updates, merged into the weights at the end; the adapter stays beside them, to be continued."""

    rank: int
    alpha: float
    dropout: float = 0.0
    targets: tuple[str, ...] = ()  # names of layers; none for all linear ones but the head


class Swap(Arguments):
    """Where the teacher's first choice and the token that follows change places."""

    where: Literal["never", "always", "threshold", "top"]
    above: float | None = None  # difference of the two probabilities
    k: int | None = None  # first choices of the teacher that the token is among


class Cache(Arguments):
    """What is kept of a teacher's distribution at each supervised position."""

    method: Literal["hidden", "topk", "sample"]
    n: int | None = None  # tokens


class Distill(Arguments):
    """(1 − weight) · next token + weight · divergence from the teacher, an input of that name."""

    weight: float
    swap: Swap
    temperature: float = 1.0
    kl: Literal["forward", "reverse"] = "forward"
    roles: tuple[Role, ...] = ()  # of the corpora whose tokens are distilled on; none for all
    cache: Cache | None = None


class CacheTeacher(Arguments):
    """The teacher's distribution at each supervised position; `ids` begin with the token, then the first choice.

    Hidden states are the same at any temperature, and nothing of them is drawn.
    """

    op: Literal["cache_teacher"] = "cache_teacher"
    version: Literal[2] = 2
    cache: Cache
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # that of the stage
    temperature: float = 1.0  # of `logprobs`
    seed: int | None = None  # of tokens that are drawn


class Checkpoint(Arguments):
    """How often the state of a stage is saved on the way, by steps or by the clock, and how many are kept.

    Without it a stage is saved when it is asked to stop, and at no other time.
    """

    steps: int | None = None
    seconds: int | None = None
    keep: int


class Launcher(Arguments):
    """What starts the processes of a stage."""

    name: Literal["local", "torchrun", "slurm", "pdsh", "openmpi"]
    hostfile: str | None = None


class Training(Arguments):
    """What every training stage is told."""

    stage: Annotated[str, Effect.LABEL]  # its address
    length: int
    batch: int  # rows of `length` positions per optimizer step, over all processes
    about: bool = False  # whether the machine may choose the nearest batch that it can share out
    optimizer: Optimizer
    steps: int | None  # a cap on optimizer steps
    label_smoothing: float
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    seed: int
    adapter: Lora | Literal["continue"] | None = None
    activation_checkpointing: Annotated[bool, Effect.COST]
    processes: Annotated[int, Effect.COST]
    nodes: Annotated[int, Effect.COST] = 1
    launcher: Annotated[Launcher | None, Effect.COST] = None
    deepspeed: Annotated[dict[str, Any], Effect.COST]
    checkpoint: Annotated[Checkpoint | None, Effect.COST] = None
    trackers: Annotated[tuple[str, ...], Effect.LABEL] = ()
    probes: tuple[str, ...] = ()  # inputs whose loss is followed: a result of the step, like its weights
    evaluate_every: int | None = None  # optimizer steps
    corpora: dict[str, Role] = Field(default_factory=dict)  # names that samples come from, and their roles


class Train(Training):
    """One stage: packed rows and a model in; a model, its log and the loss of each corpus out."""

    op: Literal["train"] = "train"
    version: Literal[4] = 4
    distill: Distill | None = None


class Dpo(Training):
    """Direct preference optimization over pairs of rows, the better answer first; held near the model that comes in."""

    op: Literal["dpo"] = "dpo"
    version: Literal[1] = 1
    beta: float = Field(gt=0)
