"""Models and tokenizers.

A secret is the name of an environment variable: a label, so that another name is the same model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from structdsl.identity import Effect
from structdsl.plan.operations.base import Arguments

Vocabulary = Literal["own", "given"]
"""Whose tokens the embeddings stand for: the model's own, or those of the input `tokenizer`."""


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


class FetchTokenizer(Arguments):
    """The tokenizer of a model of the Hugging Face Hub."""

    op: Literal["fetch_tokenizer"] = "fetch_tokenizer"
    version: Literal[1] = 1
    id: str
    revision: str | None = None  # none where the lock has to say it
    trust_remote_code: bool = False
    token: Annotated[str | None, Effect.LABEL] = None  # name of an environment variable


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
    vocabulary: Vocabulary = "own"
    trust_remote_code: bool = False


class FetchModel(Arguments):
    """A model of the Hugging Face Hub."""

    op: Literal["fetch_model"] = "fetch_model"
    version: Literal[1] = 1
    id: str
    revision: str | None = None  # none where the lock has to say it
    vocabulary: Vocabulary = "own"
    trust_remote_code: bool = False
    token: Annotated[str | None, Effect.LABEL] = None  # name of an environment variable


class Endpoint(Arguments):
    """A server that speaks the OpenAI protocol; the output says how it is reached."""

    op: Literal["endpoint"] = "endpoint"
    version: Literal[1] = 1
    model: str  # its name on the server
    url: Annotated[str, Effect.COST]
    key: Annotated[str | None, Effect.LABEL] = None  # name of an environment variable


class MergeModels(Arguments):
    """base + weight · (tuned − base), weight by weight."""

    op: Literal["merge_models"] = "merge_models"
    version: Literal[1] = 1
    weight: float
