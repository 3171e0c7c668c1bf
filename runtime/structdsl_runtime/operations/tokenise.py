"""Samples as token ids: `prefix + prompt + response + end of text`, of which the response and the end are supervised.

Prompt and response are encoded apart, as they are at test time, where the prompt is all there is; so the supervised
tokens decode to the response and the end of text exactly. What a chat template has rendered (`marks` say where its
special tokens are) stands as it is: it has the prefix that the template writes, and ends with one end of text. The
first token of a piece has nothing before it that could predict it, so it is never counted as supervised, prompt or not.

Ids go from the engine to the table in flat buffers: what is added to a sample is set at its places between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from structdsl.plan import Tokenise
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.text import tokens
from structdsl_runtime.text.ragged import Numbers, Ragged, starts

_COLUMNS = "position, sample_id, kind, prompt, response, marks"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Samples as ids, and how many of each come before its response."""

    ids: Ragged
    n_prompt: Numbers


def tokenise(arguments: Tokenise, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per sample; plain ones longer than `length` are cut into pieces, others raise Fault E0710."""
    tokenizer = tokens.load_fast(inputs, "samples", ("prompt", "response"), "sample_id", context)
    total, done = inputs.count("samples"), 0
    with outputs.table("tokens") as table:
        for batch in inputs.batches("samples", columns=_COLUMNS, rows=1024):
            table.write(_tokens(batch, tokenizer, arguments.length))
            done += batch.num_rows
            context.progress(done, total, "samples")


def cuts(sizes: npt.NDArray[Any], length: int) -> tuple[Numbers, Numbers]:
    """Samples cut into pieces: the number of each piece in its sample, and where each begins among all their tokens,
    with the end of the last.

    No piece is longer than `length`; from `length` 3 on none has a lone token, unless that is all of a sample.
    """
    count = -(-sizes // length)
    first = starts(count)
    number = np.arange(first[-1]) - np.repeat(first[:-1], count)
    begin = np.repeat(starts(sizes)[:-1], count) + number * length
    if length > 2:
        begin[(first[1:] - 1)[(count > 1) & (sizes % length == 1)]] -= 1
    return number, np.append(begin, sizes.sum())


def token_rows(position: pa.Array[Any], encoded: Encoded, asked: npt.NDArray[np.bool_], length: int) -> pa.Table:
    """Rows of the table of tokens, for samples at these positions; `asked` says which have a prompt."""
    piece, begin = cuts(encoded.ids.sizes, length)
    sample = np.cumsum(piece == 0) - 1
    size = np.diff(begin)
    n_prompt = np.clip(encoded.n_prompt[sample] - (begin[:-1] - encoded.ids.offsets[sample]), 0, size)
    return pa.table(
        {
            "position": position.take(pa.array(sample)),
            "piece": pa.array(piece, pa.int32()),
            "input_ids": Ragged(encoded.ids.values, begin).to_arrow(),
            "n_prompt": pa.array(n_prompt, pa.int32()),
            "n_tokens": pa.array(size, pa.int32()),
            "n_supervised": pa.array(size - np.maximum(1, n_prompt), pa.int32()),
            "mask_reason": pa.array(["prompt" if is_ else None for is_ in asked[sample].tolist()], pa.string()),
        }
    )


def _tokens(batch: pa.RecordBatch, tokenizer: tokens.Tokenizer, length: int) -> pa.Table:
    encoded = _encoded(batch, tokenizer)
    asked = np.fromiter(map(bool, batch.column("prompt").to_pylist()), np.bool_, batch.num_rows)
    _fit(batch, encoded, asked, length)
    return token_rows(batch.column("position"), encoded, asked, length)


def _encoded(batch: pa.RecordBatch, tokenizer: tokens.Tokenizer) -> Encoded:
    """The ids of samples, with what is added to them."""
    marks = batch.column("marks")
    if marks.null_count == batch.num_rows:
        return framed(_plain(batch, tokenizer), np.ones(batch.num_rows, np.bool_), tokenizer)
    samples = zip(*(batch.column(name).to_pylist() for name in ("prompt", "response", "marks")), strict=True)
    pairs = [tokens.apart(prompt, response, places or ()) for prompt, response, places in samples]
    texts = tokenizer.encode_marked(
        [text for both, _ in pairs for text in both], [places for _, both in pairs for places in both]
    )
    return framed(texts, marks.is_null().to_numpy(zero_copy_only=False), tokenizer)


def _plain(batch: pa.RecordBatch, tokenizer: tokens.Tokenizer) -> Ragged:
    """The ids of prompts and responses in turn; prompts are often alike, so each is encoded once."""
    prompts, responses = (list(map(str, batch.column(name).to_pylist())) for name in ("prompt", "response"))
    different = {text: number for number, text in enumerate(dict.fromkeys(prompts))}
    texts = tokenizer.encode_flat([*different, *responses])
    answers = np.arange(len(different), len(texts))
    return texts.take(np.column_stack([[different[text] for text in prompts], answers]).ravel())


def framed(texts: Ragged, plain: npt.NDArray[np.bool_], tokenizer: tokens.Tokenizer) -> Encoded:
    """Prompts and responses in turn, with the prefix before the plain ones, and one end of text after each."""
    sizes = texts.sizes.reshape(-1, 2)
    last = np.maximum(texts.offsets[2::2] - 1, 0)
    written = ~plain & (sizes[:, 1] > 0)
    written[written] = texts.values[last[written]] == tokenizer.eos_id  # the template has the end of text itself
    before = np.where(plain, len(tokenizer.prefix), 0)
    offsets = starts(sizes.sum(axis=1) + before + ~written)
    values = np.empty(offsets[-1], np.int32)
    given = np.ones(len(values), np.bool_)
    ends = offsets[1:][~written] - 1
    values[ends], given[ends] = tokenizer.eos_id, False
    for place, token in enumerate(tokenizer.prefix):
        at = offsets[:-1][plain] + place
        values[at], given[at] = token, False
    values[given] = texts.values
    return Encoded(Ragged(values, offsets), sizes[:, 0] + before)


def _fit(batch: pa.RecordBatch, encoded: Encoded, asked: npt.NDArray[np.bool_], length: int) -> None:
    """Raise Fault E0710 for the first sample that is too long and must not be cut."""
    sizes = encoded.ids.sizes
    if not (sizes > length).any():
        return
    kinds = np.array(batch.column("kind").to_pylist(), object)
    for number in np.flatnonzero((sizes > length) & ((kinds != "plain") | asked))[:1]:
        name, size, prompt = batch.column("sample_id")[int(number)], sizes[number], encoded.n_prompt[number]
        raise Fault(
            "E0710",
            f"sample `{name}` takes {size} tokens, more than `length = {length}`",
            notes=(f"prompt {prompt} + response {size - prompt - 1} + end of text 1 = {size}",),
            helps=("raise `length` of the stage, or leave such rows out with `keep`",),
        )
