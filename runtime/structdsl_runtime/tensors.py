"""Weights of a Hugging Face folder by name, read and written a block at a time, without torch.

A safetensors file is eight bytes that say how long its header is, the header (JSON: type, shape and place of each
tensor) and the numbers. Floats of 16 bits are widened to 32 and rounded back to the nearest, ties to even, as torch
does; so a model of any size is gone through in the memory of one block.

Source: the format, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
BLOCK: Final = 1 << 22  # numbers
LARGEST_HEADER: Final = 100 << 20  # bytes; the bound that safetensors itself sets
BYTES: Final = dict.fromkeys(("F8_E4M3", "F8_E5M2", "BOOL", "I8", "U8"), 1) | {
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}  # of one number
STORED: Final[dict[str, np.dtype[Any]]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
"""Types that can be computed with, as NumPy reads them; BF16 as the upper half of a 32-bit float."""

Numbers = npt.NDArray[Any]


class BadWeights(ValueError):  # noqa: N818 - a state of affairs
    """A file that holds no weights; the message says why, worded to stand behind the name of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Where a weight lies."""

    file: Path
    dtype: str  # as in the header: "BF16"
    shape: tuple[int, ...]
    start: int  # of its first byte in the file

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * BYTES[self.dtype]


def shards(folder: Path) -> tuple[str, ...]:
    """Names of the weight files of a folder, as its index lists them; raises `BadWeights` for a broken index."""
    if not (folder / INDEX).is_file():
        return (SINGLE,)
    try:
        names = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()
        return tuple(sorted(set(names)))
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"`{INDEX}` maps no weights to files"
        raise BadWeights(message) from None


def tensors(folder: Path) -> dict[str, Tensor]:
    """All weights of a folder, by their names, file by file in the order of their bytes; raises `BadWeights`."""
    return {name: tensor for shard in shards(folder) for name, tensor in header(folder / shard).items()}


def header(path: Path) -> dict[str, Tensor]:
    """The weights of a file; raises `BadWeights` where the file is not whole or none of its kind."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(LARGEST_HEADER, size - 8):
            message = f"`{path.name}` is no safetensors file, or cut short"
            raise BadWeights(message)
        try:
            entries: dict[str, dict[str, Any]] = json.loads(file.read(length))
            entries.pop("__metadata__", None)
            found = {
                name: Tensor(
                    file=path,
                    dtype=entry["dtype"],
                    shape=tuple(entry["shape"]),
                    start=8 + length + entry["data_offsets"][0],
                )
                for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"])
            }
            end = max((tensor.start + tensor.bytes for tensor in found.values()), default=8 + length)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            message = f"the header of `{path.name}` cannot be read"
            raise BadWeights(message) from None
    if end != size:
        message = f"`{path.name}` has {size:,} bytes where its header speaks of {end:,}"
        raise BadWeights(message)
    return found


def blocks(tensor: Tensor) -> Iterator[Numbers]:
    """The numbers of a weight in order, in blocks, as 32-bit floats (64-bit ones as they are)."""
    stored = STORED[tensor.dtype]
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        for first in range(0, tensor.size, BLOCK):
            count = min(BLOCK, tensor.size - first)
            yield widened(np.frombuffer(file.read(count * stored.itemsize), stored), tensor.dtype)


def raw(tensor: Tensor) -> Iterator[bytes]:
    """The bytes of a weight of any type, in blocks."""
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        for first in range(0, tensor.bytes, BLOCK):
            yield file.read(min(BLOCK, tensor.bytes - first))


def widened(stored: Numbers, dtype: str) -> Numbers:
    if dtype == "BF16":
        return cast("Numbers", stored.astype(np.uint32) << 16).view(np.float32)
    return stored if dtype == "F64" else stored.astype(np.float32)


def narrowed(numbers: Numbers, dtype: str) -> Numbers:
    """Numbers as they are stored; to the nearest, ties to even, and what is no number stays none."""
    if dtype != "BF16":
        with np.errstate(over="ignore"):  # infinite in 16 bits, as in torch
            return numbers.astype(STORED[dtype])
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.where(np.isnan(numbers), np.uint16(0x7FC0), rounded).astype("<u2")


def preamble(like: dict[str, Tensor]) -> bytes:
    """The start of a file whose weights have these types and shapes, in this order, up to the first of them."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, tensor in like.items():
        offsets = [place, place + tensor.bytes]
        entries[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        place = offsets[1]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
