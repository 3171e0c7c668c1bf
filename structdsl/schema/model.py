"""`model`: weights to start from or a server to ask, and the tokenizer that reads for them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Boolean, Choice, Integer, String
from structdsl.schema.texts import FilePath, Secret


class Hf(Schema):
    """`hf("org/name")`: a model of the Hugging Face Hub."""

    id: Annotated[str, String(minimum=1)] = Field(description="The repository, as `org/name`.")
    revision: Annotated[str | None, String(minimum=1)] = Field(
        default=None, description="A branch, tag or commit [the one that the lock pins, else `main`]."
    )
    token: Annotated[str | None, Secret()] = Field(
        default=None, description='Access to a gated repository: `secret("HF_TOKEN")`.'
    )


class Scratch(Schema):
    """`scratch(hidden = 64, layers = 2, heads = 4)`: a fresh model, for trials and tests."""

    arch: Annotated[Literal["llama"], Choice(("llama",))] = Field(default="llama", description="The architecture.")
    hidden: Annotated[int, Integer(minimum=8)] = Field(description="Width of the residual stream.")
    layers: Annotated[int, Integer(minimum=1)] = Field(description="Number of transformer blocks.")
    heads: Annotated[int, Integer(minimum=1)] = Field(description="Attention heads; they divide `hidden`.")
    positions: Annotated[int, Integer(minimum=8)] = Field(default=2048, description="The longest sequence.")


class Path(Schema):
    """`path("models/base")`: a Hugging Face model folder on disk."""

    path: Annotated[str, FilePath()] = Field(description="The folder, relative to the file that declares it.")


class Endpoint(Schema):
    """`endpoint("http://127.0.0.1:8000/v1", model = "…")`: a server that speaks the OpenAI protocol."""

    url: Annotated[str, String(minimum=1)] = Field(description="Where it listens, up to and including `/v1`.")
    model: Annotated[str, String(minimum=1)] = Field(description="The name of the model on that server.")
    key: Annotated[str | None, Secret()] = Field(default=None, description='Its key: `secret("LLM_KEY")`.')


SOURCES = {"hf": Hf, "path": Path, "endpoint": Endpoint, "scratch": Scratch}

Source = Hf | Path | Endpoint | Scratch


class Bpe(Schema):
    """`bpe(vocab = 4096, over = [corpus.notes])`: byte-level BPE trained on the spot."""

    vocab: Annotated[int, Integer(minimum=300)] = Field(description="The most entries it may have.")
    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        description="Corpora whose text it is trained on."
    )


class Of(Schema):
    """`of(model.x)`: that of another model."""

    model: Annotated[str, RefTo(("model",))] = Field(description="The other model.")


class Chatml(Schema):
    """`chatml`: turns between `<|im_start|>` and `<|im_end|>`."""


class Own(Schema):
    """`own`: the chat template of the model, or of its tokenizer."""


class Jinja(Schema):
    """`file("chat.jinja")`: a chat template beside the spec, as transformers reads it."""

    path: Annotated[str, FilePath()] = Field(description="Its path, relative to the file that declares it.")


Template = Chatml | Own | Of | Jinja

TEMPLATES = {"chatml": Chatml, "own": Own, "of": Of, "file": Jinja}


class Model(Schema):
    """A model to start from, to learn from, or to ask."""

    source: Annotated[Source, CallOf(dict(SOURCES))] = Field(description="Where the weights come from.")
    tokenizer: Annotated[Bpe | Of | Path | None, CallOf({"bpe": Bpe, "of": Of, "path": Path})] = Field(
        default=None, description="The tokenizer [the model's own]."
    )
    template: Annotated[Chatml | Of | Jinja | None, CallOf({k: v for k, v in TEMPLATES.items() if k != "own"})] = Field(
        default=None, description="The chat template that `own` stands for [the one in its tokenizer]."
    )
    trust_remote_code: Annotated[bool, Boolean()] = Field(
        default=False, description="Whether Python code in the model's repository may be run."
    )
