"""`model`: weights to start from and the tokenizer that reads for them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, RefTo
from structdsl.schema.scalars import Choice, Integer, String


class Scratch(Schema):
    """`scratch(hidden = 64, layers = 2, heads = 4)`: a fresh model, for trials and tests."""

    arch: Annotated[Literal["llama"], Choice(("llama",))] = Field(default="llama", description="The architecture.")
    hidden: Annotated[int, Integer(minimum=8)] = Field(description="Width of the residual stream.")
    layers: Annotated[int, Integer(minimum=1)] = Field(description="Number of transformer blocks.")
    heads: Annotated[int, Integer(minimum=1)] = Field(description="Attention heads; they divide `hidden`.")
    positions: Annotated[int, Integer(minimum=8)] = Field(default=2048, description="The longest sequence.")


class Path(Schema):
    """`path("models/base")`: a Hugging Face model folder on disk."""

    path: Annotated[str, String(minimum=1)] = Field(description="The folder, relative to that of the spec.")


class Bpe(Schema):
    """`bpe(vocab = 4096, over = [corpus.notes])`: byte-level BPE trained on the spot."""

    vocab: Annotated[int, Integer(minimum=300)] = Field(description="The most entries it may have.")
    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        description="Corpora whose text it is trained on."
    )


class Of(Schema):
    """`of(model.x)`: the tokenizer of another model."""

    model: Annotated[str, RefTo(("model",))] = Field(description="The model whose tokenizer it shares.")


class Model(Schema):
    """A model to start from."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"template", "trust_remote_code"})

    source: Annotated[Scratch | Path, CallOf({"scratch": Scratch, "path": Path}, planned=("hf", "endpoint"))] = Field(
        description="Where the weights come from."
    )
    tokenizer: Annotated[Bpe | Of | Path | None, CallOf({"bpe": Bpe, "of": Of, "path": Path})] = Field(
        default=None, description="The tokenizer [the model's own]."
    )
