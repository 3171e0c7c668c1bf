"""A teacher's last hidden states at supervised positions, computed once: what `cache = hidden` trains on.

A sample that a stage reads in several epochs is asked once, as long as it reads the same. Numbers are kept as the
teacher computed them: 16-bit ones widened, which loses nothing, 32-bit ones as they are. What was computed when a run
was killed is taken up by the next (see `keeping`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from structdsl.plan import CacheTeacher
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.ragged import Ids, of_arrow
from structdsl_runtime.training.job import TeacherJob
from structdsl_runtime.training.launch import launch

WORKER: Final = "structdsl_runtime.training.teacher_worker"
WRITTEN: Final = 1024  # positions written together


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a sample in the rows of the worker."""

    sample_id: str
    position: int
    offset: int  # in the sample, of the first supervised token
    ids: Ids  # of its supervised tokens


def cache_teacher(arguments: CacheTeacher, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Ask the folder `model` for every supervised token of the tables `samples` and `tokens`; writes `targets`.

    `ids` are the token and the teacher's first choice, `logprobs` those of both at `temperature`. Raises Fault E0745
    for a model whose logits cannot be had from its hidden states, E0805 where the worker died.
    """
    assert arguments.cache.method == "hidden", "asked beforehand: see `ability`"
    pieces = _lay_out(inputs, context.scratch)
    total = sum(len(piece.ids) for piece in pieces)
    with outputs.table("targets") as table:
        if not total:
            return
        events, found = context.scratch / "events", context.kept
        events.mkdir()
        found.mkdir(parents=True, exist_ok=True)
        job = TeacherJob(
            arguments=arguments,
            model=inputs.folder("model"),
            rows=context.scratch / "rows",
            output=found,
            events=events,
            executor=os.getpid(),
        )
        path = context.scratch / "job.json"
        path.write_text(job.model_dump_json(), encoding="utf-8")

        def on_event(event: dict[str, Any]) -> None:
            if event.pop("event") == "asked":
                context.progress(event["done"], total, "tokens")

        launch(WORKER, path, events, processes=1, context=context, on_event=on_event)
        hidden_PD, top_P, logprob_P2 = (
            np.load(found / f"{name}.npy", mmap_mode="r") for name in ("hidden", "top", "logprob")
        )
        start = 0
        for piece in pieces:
            for low in range(0, len(piece.ids), WRITTEN):
                ids = piece.ids[low : low + WRITTEN]
                run = slice(start + low, start + low + len(ids))
                table.write(as_table(piece, low, ids, hidden_PD[run], top_P[run], logprob_P2[run]))
            start += len(piece.ids)


def as_table(piece: Piece, low: int, ids: Ids, hidden_PD: Any, top_P: Any, logprob_P2: Any) -> pa.Table:
    """Rows of `targets` for the tokens `ids` of a piece, which begin at its token number `low`."""
    count = len(ids)

    def lists(values: Any, type_: pa.DataType) -> Any:
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), type_)
        return pa.ListArray.from_arrays(pa.array(np.arange(count + 1) * values.shape[1], pa.int32()), flat)

    return pa.table(
        {
            "sample_id": pa.array([piece.sample_id] * count, pa.string()),
            "offset": pa.array(piece.offset + low + np.arange(count), pa.int64()),
            "ids": lists(np.stack((ids, top_P), 1), pa.int32()),
            "logprobs": lists(logprob_P2, pa.float32()),
            "position": pa.array([piece.position] * count, pa.int64()),
            "hidden": lists(hidden_PD, pa.float32()),
        }
    )


def _lay_out(inputs: Inputs, scratch: Path) -> list[Piece]:
    """Rows for the worker below `scratch`, as wide as the longest piece, each filled with the pieces that come next."""
    width = max((row["n_tokens"] for row in inputs.rows("tokens", columns="n_tokens")), default=1)
    folder = scratch / "rows"
    folder.mkdir()
    kept: list[Piece] = []
    input_T, segment_T, predicts_T = _blank(width)
    used = number = 0
    with (
        (folder / "input.bin").open("wb") as ids_,
        (folder / "segment.bin").open("wb") as segments,
        (folder / "predicts.bin").open("wb") as predicts,
    ):

        def flush() -> None:
            for file, array in ((ids_, input_T), (segments, segment_T), (predicts, predicts_T)):
                file.write(array.tobytes())

        for piece, ids in _new(inputs):
            if used + len(ids) > width:
                flush()
                input_T, segment_T, predicts_T = _blank(width)
                used = number = 0
            stop = used + len(ids)
            input_T[used:stop], segment_T[used:stop] = ids, number
            predicts_T[stop - 1 - len(piece.ids) : stop - 1] = True
            used, number = stop, number + 1
            kept.append(piece)
        flush()
    (folder / "width").write_text(str(width))
    return kept


def _blank(width: int) -> tuple[Any, Any, Any]:
    return np.zeros(width, np.int32), np.full(width, -1, np.int16), np.zeros(width, np.bool_)


def _new(inputs: Inputs) -> Iterator[tuple[Piece, Ids]]:
    """Pieces of samples that do not read as the same sample did the last time, and all their ids."""
    names = {row["position"]: row["sample_id"] for row in inputs.rows("samples", columns="position, sample_id")}
    last: dict[str, bytes] = {}
    for position, parts in _samples(inputs):
        name = names[position]
        content = hashlib.blake2b(digest_size=16)
        for n_prompt, ids in parts:
            content.update(n_prompt.to_bytes(8, "little") + len(ids).to_bytes(8, "little") + ids.tobytes())
        digest = content.digest()
        if last.get(name) == digest:
            continue
        last[name] = digest
        offset = 0
        for n_prompt, ids in parts:
            masked = min(len(ids), max(1, n_prompt))
            if masked < len(ids):
                yield Piece(name, position, offset + masked, ids[masked:]), ids
            offset += len(ids)


def _samples(inputs: Inputs) -> Iterator[tuple[int, list[tuple[int, Ids]]]]:
    """Position and pieces (masked tokens, ids) of each sample."""
    position, parts = -1, list[tuple[int, Ids]]()
    columns = "position, piece, n_prompt, input_ids"
    for batch in inputs.batches("tokens", columns=columns, order="position, piece"):
        plain = batch.select(["position", "n_prompt"]).to_pylist()
        for values, ids in zip(plain, of_arrow(batch.column("input_ids")).lists(), strict=True):
            if values["position"] != position and parts:
                yield position, parts
                parts = []
            position = values["position"]
            parts.append((values["n_prompt"], np.array(ids, np.int32)))
    if parts:
        yield position, parts
