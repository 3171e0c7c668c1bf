"""Corpora whose loss a stage follows on the way: laid out here, once, by the parent; `following` measures.

A document is its tokens and the end of text; what comes first (the tokenizer's prefix, else the first token) is context
only. One longer than a row is read in windows that overlap by half, so that each token is scored once, with at least
half a row before it. Windows share rows as samples do, and see nothing of each other. No label is smoothed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from structdsl_runtime.operation import Inputs
from structdsl_runtime.operations.pack import PackedRow, Piece, best_fit
from structdsl_runtime.text import tokens
from structdsl_runtime.training import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What was laid out of a corpus."""

    tokens: int  # that are scored
    bytes: int  # of the text, in UTF-8


def lay_out(inputs: Inputs, name: str, tokenizer: tokens.Tokenizer, folder: Path, length: int) -> Laid:
    """The documents of the table `name` as rows below `folder`; they are held in memory meanwhile."""
    size = 0

    def pieces() -> Iterator[Piece]:
        nonlocal size
        context = max(1, len(tokenizer.prefix))
        for batch in inputs.batches(name, columns="doc_id, text", order="doc_id", rows=256):
            texts = [str(text) for text in batch.column("text").to_pylist()]
            size += sum(len(text.encode()) for text in texts)
            for number, ids in enumerate(tokenizer.encode_batch(texts)):
                whole = np.array([*tokenizer.prefix, *ids, tokenizer.eos_id], np.int32)
                for start, stop, scored in windows(len(whole), context, length):
                    yield Piece(position=number, piece=0, ids=whole[start:stop], n_prompt=scored - start)

    packed = list(best_fit(pieces(), length))
    arrays = rows.create(folder, len(packed), length)
    for line, row in enumerate(packed):
        for array, values in zip(arrays, _row(row, length), strict=True):
            array[line] = values
    return Laid(tokens=rows.Rows(*arrays).predictions(0, len(packed)), bytes=size)


def windows(size: int, context: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, first scored) of the windows over `size` tokens, of which the first `context` are not scored."""
    stop = min(length, size)
    yield 0, stop, context
    while stop < size:
        scored = stop
        stop = min(size, stop + length // 2)
        yield stop - length, stop, scored


def _row(row: PackedRow, length: int) -> tuple[rows.Array, ...]:
    ids, segment = np.zeros(length, np.int32), np.full(length, rows.PADDING, np.int16)
    predicts = np.zeros(length, np.bool_)
    start = 0
    for number, piece in enumerate(row.pieces):
        stop = start + len(piece.ids)
        ids[start:stop], segment[start:stop] = piece.ids, number
        predicts[start + piece.n_prompt - 1 : stop - 1] = True
        start = stop
    return ids, segment, predicts, np.where(segment == rows.PADDING, rows.PADDING, 0)
