"""A stage: samples, tokens, packed rows, training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from structdsl.identity import Effect
from structdsl.plan.operations.base import Arguments


class RenderScpt(Arguments):
    """Rows of a mixture as samples: chunks under their mind map, recall of the map itself, the rest plain."""

    op: Literal["render_scpt"] = "render_scpt"
    version: Literal[1] = 1
    length: int  # positions a sample may take
    reserve: int  # tokens kept for the response: the cap of a chunk
    seed: int


class RenderSsft(Arguments):
    """Questions as samples, each twice: plain, and with its place in the taxonomy before the answer."""

    op: Literal["render_ssft"] = "render_ssft"
    version: Literal[1] = 1
    length: int
    reveal: Literal["map", "path", "none"]
    epochs: int
    seed: int


class Tokenise(Arguments):
    """Samples as token ids; the prompt is masked, the response and its end are supervised."""

    op: Literal["tokenise"] = "tokenise"
    version: Literal[1] = 1
    length: int


class Pack(Arguments):
    """Samples laid side by side in rows of `length` positions, in which none sees another."""

    op: Literal["pack"] = "pack"
    version: Literal[1] = 1
    length: int
    method: Literal["best_fit"]


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


class Train(Arguments):
    """One stage: packed rows and a model in, a model and its log out."""

    op: Literal["train"] = "train"
    version: Literal[1] = 1
    stage: Annotated[str, Effect.LABEL]  # its address
    length: int
    batch: int  # rows of `length` positions per optimizer step, over all processes
    optimizer: Optimizer
    steps: int | None  # a cap on optimizer steps
    label_smoothing: float
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    seed: int
    activation_checkpointing: Annotated[bool, Effect.COST]
    processes: Annotated[int, Effect.COST]
    deepspeed: Annotated[dict[str, Any], Effect.COST]
