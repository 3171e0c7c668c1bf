"""What the benchmarks of training share: shapes, random models, packed rows of random documents, and the first line.

Rows are laid out as a stage lays them out (`structdsl_runtime.training.rows`), so that everything that is compared
reads the same tokens in the same segments. Documents have lengths as text has them: log-normal, most of them short.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers.models.llama import LlamaConfig, LlamaForCausalLM

from structdsl_runtime.training.rows import Rows, create, read

PACKAGES: Final = ("torch", "transformers", "deepspeed", "trl")
END: Final = 0  # token that ends a document


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A LLaMA, and the rows it reads: `batch` of `length` positions a step."""

    hidden: int
    layers: int
    heads: int
    vocab: int
    length: int
    batch: int

    @property
    def inner(self) -> int:
        return -(-8 * self.hidden // (3 * 8)) * 8

    @property
    def layer_parameters(self) -> int:
        return self.layers * (4 * self.hidden**2 + 3 * self.hidden * self.inner)

    @property
    def head_parameters(self) -> int:
        return self.hidden * self.vocab

    @property
    def forward_flops(self) -> int:
        """Of one position: 2 a parameter of layers and head, and attention over half a row on average."""
        return 2 * (self.layer_parameters + self.head_parameters) + 2 * self.layers * self.length * self.hidden

    @property
    def head_share(self) -> float:
        return 2 * self.head_parameters / self.forward_flops

    def __str__(self) -> str:
        return f"d={self.hidden} layers={self.layers} V={self.vocab} rows={self.batch}×{self.length}"


def config(shape: Shape, attention: str = "sdpa") -> LlamaConfig:
    made = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=END,
    )
    made._attn_implementation = attention  # noqa: SLF001 - it has no public name
    return made


def model(shape: Shape, *, seed: int = 0, attention: str = "sdpa") -> Any:
    """With random weights, in the default type and on the default device."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(config(shape, attention))


@dataclass(frozen=True, slots=True)
class Document:
    ids: np.typing.NDArray[np.int32]
    prompt: int  # tokens at its start that are not supervised


def documents(shape: Shape, rows: int, *, prompts: bool, seed: int = 0) -> list[list[Document]]:
    """Documents, the lines of a list for those that share a row; `prompts` leaves the first half unsupervised."""
    generator = np.random.default_rng(seed)
    filled: list[list[Document]] = []
    for _ in range(rows):
        row: list[Document] = []
        room = shape.length
        while room >= 8:
            size = min(room, max(8, int(generator.lognormal(4.5, 0.8))))
            ids = generator.zipf(1.2, size).clip(1, shape.vocab - 1).astype(np.int32)
            ids[-1] = END
            row.append(Document(ids, size // 2 if prompts else 0))
            room -= size
        filled.append(row)
    return filled


def lay_out(packed: Sequence[Sequence[Document]], length: int, folder: Path) -> Rows:
    """The rows as a stage reads them, in `folder`."""
    shape = (len(packed), length)
    input_RT, segment_RT = np.full(shape, END, np.int32), np.full(shape, -1, np.int16)
    predicts_RT = np.zeros(shape, np.bool_)
    for number, row in enumerate(packed):
        start = 0
        for segment, document in enumerate(row):
            stop = start + len(document.ids)
            input_RT[number, start:stop], segment_RT[number, start:stop] = document.ids, segment
            predicts_RT[number, start + max(0, document.prompt - 1) : stop - 1] = True
            start = stop
    source_RT = np.where(segment_RT < 0, -1, 0).astype(np.int16)
    for array, values in zip(create(folder, *shape), (input_RT, segment_RT, predicts_RT, source_RT), strict=True):
        array[:] = values
    return read(folder)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Minimum / median / maximum."""
    return " / ".join(f"{found:.{digits}f}" for found in (min(values), statistics.median(values), max(values)))


def heading(module: str) -> str:
    """The command, the machine and the versions that a table is true of."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if gpu else f"{os.cpu_count()} cores, {platform.machine()}"
    command = " ".join(["python -m", module, *sys.argv[1:]])
    state = f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    return f"`{command}`. {device}, {state}; Python {platform.python_version()}, {versions}."
