"""Samples as token ids: `prefix + prompt + response + end of text`, of which the response and the end are supervised.

Prompt and response are encoded apart, as they are at test time, where the prompt is all there is; so the supervised
tokens decode to the response and the end of text exactly. What a chat template has rendered (`marks` say where its
special tokens are) stands as it is: it has the prefix that the template writes, and ends with one end of text. The
first token of a piece has nothing before it that could predict it, so it is never counted as supervised, prompt or not.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from structdsl.plan import Tokenise
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.text import tokens
from structdsl_runtime.text.ragged import Ids, to_arrow


def tokenise(arguments: Tokenise, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per sample; plain ones longer than `length` are cut into pieces, others raise Fault E0710."""
    columns = "position, sample_id, kind, prompt, response, marks"
    tokenizer = tokens.load(inputs.folder("tokenizer"))
    total, done = inputs.count("samples"), 0
    with outputs.table("tokens") as table:
        for batch in inputs.batches("samples", columns=columns, order="position", rows=1024):
            table.write(_tokens(batch.to_pylist(), tokenizer, arguments.length))
            done += batch.num_rows
            context.progress(done, total, "samples")


def cuts(size: int, length: int) -> list[int]:
    """Where to cut `size` tokens so that no piece is longer than `length` or, from `length` 3 on, has a lone token."""
    bounds = [*range(0, size, length), size]
    if length > 2 and len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        bounds[-2] -= 1
    return bounds


def _tokens(samples: list[dict[str, Any]], tokenizer: tokens.Tokenizer, length: int) -> pa.Table:
    encoded = _encoded(samples, tokenizer)
    parts: list[Ids] = []
    rows: list[tuple[int, int, int, int, str | None]] = []
    for sample, (prompt, response) in zip(samples, encoded, strict=True):
        ids = np.array([*prompt, *response], np.int32)
        masked = len(prompt)
        if len(ids) > length and (sample["kind"] != "plain" or sample["prompt"]):
            raise _too_long(sample, masked, len(response) - 1, length)
        bounds = cuts(len(ids), length)
        for piece, (start, end) in enumerate(pairwise(bounds)):
            parts.append(ids[start:end])
            n_prompt = min(max(0, masked - start), end - start)
            supervised = end - start - max(1, n_prompt)
            rows.append((sample["position"], piece, n_prompt, supervised, "prompt" if sample["prompt"] else None))
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return pa.table(
        {
            "position": pa.array(columns[0], pa.int64()),
            "piece": pa.array(columns[1], pa.int32()),
            "input_ids": to_arrow(parts),
            "n_prompt": pa.array(columns[2], pa.int32()),
            "n_tokens": pa.array([len(part) for part in parts], pa.int32()),
            "n_supervised": pa.array(columns[3], pa.int32()),
            "mask_reason": pa.array(columns[4], pa.string()),
        }
    )


def _encoded(samples: list[dict[str, Any]], tokenizer: tokens.Tokenizer) -> list[tuple[list[int], list[int]]]:
    """What is masked and what is supervised of each sample."""
    plain = [sample for sample in samples if sample["marks"] is None]
    prompts = iter(tokenizer.encode_batch([sample["prompt"] for sample in plain]))
    responses = iter(tokenizer.encode_batch([sample["response"] for sample in plain]))
    return [
        ([*tokenizer.prefix, *next(prompts)], [*next(responses), tokenizer.eos_id])
        if sample["marks"] is None
        else tokenizer.encode_rendered(sample["prompt"], sample["response"], sample["marks"])
        for sample in samples
    ]


def _too_long(sample: dict[str, Any], prompt: int, response: int, length: int) -> Fault:
    size = prompt + response + 1
    return Fault(
        "E0710",
        f"sample `{sample['sample_id']}` takes {size} tokens, more than `length = {length}`",
        notes=(f"prompt {prompt} + response {response} + end of text 1 = {size}",),
        helps=("raise `length` of the stage, or leave such rows out with `keep`",),
    )
