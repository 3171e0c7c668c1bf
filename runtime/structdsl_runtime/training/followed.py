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
from structdsl_runtime.text import packing, tokens
from structdsl_runtime.text.fits import best_fit
from structdsl_runtime.text.ragged import Ids, Numbers, starts
from structdsl_runtime.training import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What was laid out of a corpus."""

    tokens: int  # that are scored
    bytes: int  # of the text, in UTF-8


def lay_out(inputs: Inputs, name: str, tokenizer: tokens.Tokenizer, folder: Path, length: int) -> Laid:
    """The documents of the table `name` as rows below `folder`; they are held in memory meanwhile."""
    size = 0
    context = max(1, len(tokenizer.prefix))
    parts: list[Ids] = []
    shown: list[int] = []
    for batch in inputs.batches(name, columns="doc_id, text", order="doc_id", rows=256):
        texts = [str(text) for text in batch.column("text").to_pylist()]
        size += sum(len(text.encode()) for text in texts)
        for ids in tokenizer.encode_flat(texts).lists():
            whole = np.array([*tokenizer.prefix, *ids.tolist(), tokenizer.eos_id], np.int32)
            for start, stop, scored in windows(len(whole), context, length):
                parts.append(whole[start:stop])
                shown.append(scored - start)
    packed = list(
        packing.windows([packing.numbered(np.fromiter(map(len, parts), np.int64, len(parts)))], length, best_fit)
    )
    count = sum(window.count for window in packed)
    arrays = rows.create(folder, count, length)
    first = 0
    for window in packed:
        for array, values in zip(arrays, _rows(window, parts, np.array(shown), length), strict=True):
            array[first : first + window.count] = values
        first += window.count
    return Laid(tokens=rows.Rows(*arrays).predictions(0, count), bytes=size)


def windows(size: int, context: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, first scored) of the windows over `size` tokens, of which the first `context` are not scored."""
    stop = min(length, size)
    yield 0, stop, context
    while stop < size:
        scored = stop
        stop = min(size, stop + length // 2)
        yield stop - length, stop, scored


def _rows(window: packing.Rows, parts: list[Ids], shown: Numbers, length: int) -> tuple[rows.Array, ...]:
    which, sizes, places = window.pieces.position, window.pieces.size, window.places(length)
    shape = (window.count, length)
    ids, segment = np.zeros(shape, np.int32), np.full(shape, rows.PADDING, np.int16)
    predicts = np.zeros(shape, np.bool_)
    ids.reshape(-1)[places] = np.concatenate([parts[number] for number in which.tolist()])
    segment.reshape(-1)[places] = np.repeat(window.number, sizes)
    within = np.arange(len(places)) - np.repeat(starts(sizes)[:-1], sizes)
    predicting = (within >= np.repeat(shown[which] - 1, sizes)) & (within < np.repeat(sizes - 1, sizes))
    predicts.reshape(-1)[places] = predicting
    return ids, segment, predicts, np.where(segment == rows.PADDING, rows.PADDING, 0)
