"""What each operation is told: one model per operation, its name and hand-bumped version included.

A version is bumped when the same arguments and inputs would yield other rows. Fields are data unless marked
`Effect.COST` (the same rows, another price) or `Effect.LABEL` (the same rows, another name).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from structdsl.identity import Effect

Role = Literal["domain", "replay", "instruction", "exam", "probe"]


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ReadFiles(Arguments):
    """Files matching a glob, as documents: Markdown and text whole, JSON Lines row by row."""

    op: Literal["read_files"] = "read_files"
    version: Literal[1] = 1
    corpus: str
    role: Role
    pattern: str  # POSIX glob, relative to the folder of the spec unless absolute
    columns: dict[str, str] = {}  # our name -> the name in the file
    limit: int | None = None  # first N documents


class TrainTokenizer(Arguments):
    """Byte-level BPE trained on the text of its inputs, a corpus each."""

    op: Literal["train_tokenizer"] = "train_tokenizer"
    version: Literal[1] = 1
    vocab: int  # upper bound on the number of entries


class LoadTokenizer(Arguments):
    """The tokenizer of a Hugging Face folder."""

    op: Literal["load_tokenizer"] = "load_tokenizer"
    version: Literal[1] = 1
    path: str


class ScratchModel(Arguments):
    """A freshly initialised model, in the vocabulary of its tokenizer."""

    op: Literal["scratch_model"] = "scratch_model"
    version: Literal[1] = 1
    arch: Literal["llama"]
    hidden: int
    layers: int
    heads: int
    positions: int
    seed: int


class LoadModel(Arguments):
    """A Hugging Face model folder on disk (safetensors), linked into the store."""

    op: Literal["load_model"] = "load_model"
    version: Literal[1] = 1
    path: str


class CountTokens(Arguments):
    """Tokens of the text of each document."""

    op: Literal["count_tokens"] = "count_tokens"
    version: Literal[1] = 1


class Query(Arguments):
    """One SELECT over the inputs, materialised."""

    op: Literal["query"] = "query"
    version: Literal[1] = 1
    sql: str


class View(Arguments):
    """One SELECT over the inputs that stays a view."""

    op: Literal["view"] = "view"
    version: Literal[1] = 1
    sql: str


class Chunk(Arguments):
    """Documents cut at headings and paragraphs; outputs the chunks and the headings."""

    op: Literal["chunk"] = "chunk"
    version: Literal[1] = 1
    max_tokens: int


class BuildOutline(Arguments):
    """The nodes of a taxonomy from the headings of its corpora."""

    op: Literal["build_outline"] = "build_outline"
    version: Literal[1] = 1
    root: Literal["document", "corpus"]
    depth: int  # deepest heading level that becomes a node
    titles: tuple[tuple[str, str], ...]  # each corpus of `over`, in its order, and the title of its root


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


class ClosedBook(Arguments):
    """Answers to the questions of an exam, greedily generated with no passage at hand."""

    op: Literal["closed_book"] = "closed_book"
    version: Literal[1] = 1
    model: str  # address of the model or stage, as the tables show it
    task: str
    shots: int
    max_tokens: int
    seed: int


class Perplexity(Arguments):
    """Negative log-likelihood of each document of a corpus."""

    op: Literal["perplexity"] = "perplexity"
    version: Literal[1] = 1
    model: str
    task: str


Operation = Annotated[
    ReadFiles
    | TrainTokenizer
    | LoadTokenizer
    | ScratchModel
    | LoadModel
    | CountTokens
    | Query
    | View
    | Chunk
    | BuildOutline
    | RenderScpt
    | RenderSsft
    | Tokenise
    | Pack
    | Train
    | ClosedBook
    | Perplexity,
    Field(discriminator="op"),
]
