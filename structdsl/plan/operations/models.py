"""Models and tokenizers."""

from __future__ import annotations

from typing import Literal

from structdsl.plan.operations.base import Arguments


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
