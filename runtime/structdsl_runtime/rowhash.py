"""The hash of each row of an Arrow batch: the same whatever batch the row came in, and in whichever layout (dictionary,
large, fixed size, slice) Arrow keeps its values.

Rows become bytes first. A value is a head, of as many bytes as its type wants, and a body where values of its type
differ in size. The head of a number is a 1 and its bytes; of a text a 1 and the number of its bytes, which are its
body; of NULL nothing but zeros. The body of a list is its elements, each a row of its own; numbers lie side by side,
and where some of them are NULL the head begins with a 2 and a 0 or 1 for each of them follows. A structure is the
heads and bodies of its fields after a byte for itself. A row is the heads of its columns, then their bodies: given the
types it can be read in one way only, so that other values are other bytes. Bytes are little-endian, as Arrow's are,
and there is one NaN.

Arrow lays the bytes of a batch together without an object a row (nor does it convert an array or a value of Python's,
for which it would import pandas). XXH3 with 128 bits is the same on every machine and in every version; it takes 0.2 µs
a row and hashes 9 GB a second, where MD5 does 0.6.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pyarrow import compute

Array = Any  # a `pa.Array`; the stubs know little of what kernels take and give
kernels: Any = compute


def hashes(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """Of each row: (rows, 2), the upper half first."""
    encoded = _joined(batch.num_rows, batch.columns)
    _, offsets, values = encoded.buffers()
    view = memoryview(values or b"")
    borders = np.frombuffer(offsets, np.int64, len(encoded) + 1).tolist()
    found = b"".join([xxhash.xxh3_128_digest(view[start:stop]) for start, stop in pairwise(borders)])
    return np.frombuffer(found, ">u8").reshape(-1, 2).astype(np.uint64)


@dataclass(slots=True)
class _Encoded:
    """Columns as heads, each (rows, bytes), and bodies, each of one binary value a row."""

    heads: list[NDArray[np.uint8]] = field(default_factory=list)
    bodies: list[Array] = field(default_factory=list)

    def add(self, array: Array) -> None:
        array = _bare(array)
        match array:
            case pa.StructArray():
                self.heads.append(_valid(array)[:, None])
                for values in array.flatten():  # NULL wherever the structure is
                    self.add(values)
            case pa.MapArray():
                self.add(array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field]))))
            case pa.ListArray() | pa.LargeListArray() | pa.FixedSizeListArray():
                self._add_list(array)
            case pa.NullArray():
                self.heads.append(_valid(array)[:, None])
            case _ if _is_sized(array.type):
                self.heads += [_valid(array)[:, None], _fixed(array)]
            case _:
                body = array.cast(pa.large_binary())
                self._add_body(_valid(array), body.fill_null(_NOTHING) if body.null_count else body)

    def _add_list(self, array: Array) -> None:
        elements = _bare(array.flatten())  # without what lies under a NULL
        valid = _valid(array)
        counts = _numbers(kernels.list_value_length(array)) * valid
        borders = _borders(counts)
        if not _is_sized(elements.type):
            _, offsets, joined = _joined(len(elements), [elements]).buffers()
            self._add_body(valid, _binary(joined, np.frombuffer(offsets, np.int64)[borders]))
            return
        values = _fixed(elements)
        body = _binary(values, borders * values.shape[1])
        if elements.null_count:
            there = _valid(elements)
            holed = np.diff(_borders(there)[borders]) < counts
            marks = _binary(there[np.repeat(holed, counts)], _borders(counts * holed))
            body = kernels.binary_join_element_wise(body, marks, _NOTHING)
            valid = valid + holed
        self._add_body(valid, body)

    def _add_body(self, valid: NDArray[np.uint8], body: Array) -> None:
        sizes = _numbers(kernels.binary_length(body))
        self.heads += [valid[:, None], sizes.view(np.uint8).reshape(-1, sizes.itemsize)]
        self.bodies.append(body)


def _joined(rows: int, columns: Iterable[Array]) -> Array:
    """The bytes of each row, as binary values that lie one after the other from the first."""
    encoded = _Encoded()
    for column in columns:
        encoded.add(column)
    head = np.concatenate(encoded.heads, axis=1)
    first = _binary(head, np.arange(rows + 1, dtype=np.int64) * head.shape[1])
    return kernels.binary_join_element_wise(first, *encoded.bodies, _NOTHING) if encoded.bodies else first


def _binary(values: Any, offsets: NDArray[np.int64]) -> Array:
    """Binary values that lie side by side, between these offsets."""
    if isinstance(values, np.ndarray):
        values = np.ascontiguousarray(values).reshape(-1)
    borders: Any = np.ascontiguousarray(offsets)
    buffers = [None, pa.py_buffer(borders), pa.py_buffer(values)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _bare(array: Array) -> Array:
    """The values of an array that keeps them as something else."""
    match array:
        case pa.ExtensionArray():
            return _bare(array.storage)
        case pa.DictionaryArray():
            return _bare(array.dictionary_decode())
        case pa.BooleanArray():
            return array.cast(pa.uint8())
        case _:
            return array


_NOTHING = _binary(b"", np.zeros(2, np.int64))[0]


def _borders(sizes: NDArray[Any]) -> NDArray[np.int64]:
    """Where each of so many things begins that lie side by side, and where the last ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _numbers(array: Array) -> NDArray[np.int64]:
    """Integers; what is NULL is any number."""
    return _fixed(array).view(f"<i{array.type.bit_width // 8}")[:, 0].astype(np.int64)


def _valid(array: Array) -> NDArray[np.uint8]:
    """1 for a value, 0 for NULL."""
    if not array.null_count:
        return np.ones(len(array), np.uint8)
    valid = kernels.is_valid(array)
    bits = np.frombuffer(valid.buffers()[1], np.uint8)
    return np.unpackbits(bits, bitorder="little")[valid.offset : valid.offset + len(valid)]


def _is_sized(type_: pa.DataType) -> bool:
    return pa.types.is_primitive(type_) or pa.types.is_decimal(type_) or pa.types.is_fixed_size_binary(type_)


def _fixed(array: Array) -> NDArray[np.uint8]:
    """The bytes of values of one size, (rows, size); zeros for NULL."""
    size = array.type.bit_width // 8
    _, buffer = array.buffers()
    values = np.frombuffer(memoryview(buffer or b""), np.uint8, len(array) * size, array.offset * size).reshape(
        -1, size
    )
    if pa.types.is_floating(array.type):
        numbers = values.view(f"<f{size}")
        if (wrong := np.isnan(numbers)).any():
            values = np.where(wrong, numbers.dtype.type(np.nan), numbers).view(np.uint8)
    return values if not array.null_count else values * _valid(array)[:, None]
