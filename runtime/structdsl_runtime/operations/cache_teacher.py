"""A teacher's last hidden states at supervised positions, computed once: what `cache = hidden` trains on.

A text is asked of a teacher once in a store, whichever stage, epoch or combination of params reads it (see
`teacher_states`); what was computed when a run was killed is taken up by the next in the same way. The table of a
stage holds links to the parts in which its texts are, and so perhaps texts of others; `texts` says which are its own.
Numbers are kept as the teacher computed them: 16-bit ones widened, which loses nothing, 32-bit ones as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from structdsl.plan import CacheTeacher
from structdsl_runtime.machine import gpus
from structdsl_runtime.operation import Context, Inputs, Outputs, TableWriter
from structdsl_runtime.settled import settled
from structdsl_runtime.text.ragged import Ids, of_arrow
from structdsl_runtime.training import teacher_states
from structdsl_runtime.training.job import TeacherJob
from structdsl_runtime.training.launch import launch

WORKER: Final = "structdsl_runtime.training.teacher_worker"
DECIDING: Final = ("torch", "transformers")  # libraries whose versions decide what a teacher says


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a sample of which something is supervised."""

    sample_id: str
    position: int  # of the sample in the stage
    offset: int  # in the sample
    masked: int  # tokens at its start that are not supervised
    ids: Ids

    @property
    def name(self) -> str:
        return teacher_states.name_of(self.ids, self.masked)

    @property
    def supervised(self) -> int:
        return len(self.ids) - self.masked


def cache_teacher(arguments: CacheTeacher, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Ask the folder `model` for every supervised token of the tables `samples` and `tokens`; writes `texts`, where a
    sample stands once for each way in which it reads, and `states`, which may hold texts of other stages.

    `ids` are the token and the teacher's first choice, `logprobs` those of both. Raises Fault E0745 for a model whose
    logits cannot be had from its hidden states, E0805 where the worker died.
    """
    assert arguments.cache.method == "hidden", "asked beforehand: see `ability`"
    arguments = settled(arguments)
    folder = teacher_states.area(context.shared, setting(arguments, context))
    there = teacher_states.known(folder)
    with outputs.table("texts") as table:
        laid = _lay_out(inputs, table, context.scratch / "rows", there)
    if laid.missing:
        _ask(arguments, inputs, context, folder, laid)
        there = teacher_states.known(folder)
    if not laid.names:
        with outputs.table("states"):
            return
    outputs.link("states", sorted({there[name] for name in laid.names}))


def setting(arguments: CacheTeacher, context: Context) -> dict[str, Any]:
    """What decides the numbers that a teacher makes of a text, up to the order of floating-point sums."""
    return {
        "teacher": context.decides["input model"],
        "version": arguments.version,
        "precision": arguments.precision,
        "device": "cuda" if gpus() else "cpu",
        **{name: version(name) for name in DECIDING},
    }


@dataclass(slots=True)
class Laid:
    """Texts of a stage, and how many supervised tokens are in them all, and in those that are to be asked."""

    names: set[str]
    total: int = 0
    missing: int = 0


def _ask(arguments: CacheTeacher, inputs: Inputs, context: Context, folder: Path, laid: Laid) -> None:
    """Have a worker ask for the texts that were laid out, and put what it is told into parts in `folder`."""
    events = context.scratch / "events"
    events.mkdir()
    job = TeacherJob(
        arguments=arguments,
        model=inputs.folder("model"),
        rows=context.scratch / "rows",
        output=folder,
        events=events,
        executor=os.getpid(),
    )
    path = context.scratch / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")

    def on_event(event: dict[str, Any]) -> None:
        if event.pop("event") == "asked":
            context.progress(laid.total - laid.missing + event["done"], laid.total, "tokens")

    launch(WORKER, path, events, processes=1, context=context, on_event=on_event)


def _lay_out(inputs: Inputs, table: TableWriter, folder: Path, there: dict[str, Path]) -> Laid:
    """Rows of `texts`; and rows for the worker in `folder`, as wide as the longest piece of all, each filled with the
    texts that come next and are not `there`.

    A width that missing texts play no part in, and a row that begins where a part does, have a run that was killed
    compute the same numbers as one that was not.
    """
    width = max((row["n_tokens"] for row in inputs.rows("tokens", columns="n_tokens")), default=1)
    folder.mkdir()
    laid = Laid(set())
    input_T, segment_T, predicts_T = _blank(width)
    used = number = 0
    with (
        (folder / "input.bin").open("wb") as ids,
        (folder / "segment.bin").open("wb") as segments,
        (folder / "predicts.bin").open("wb") as predicts,
        (folder / "texts.bin").open("wb") as names,
    ):

        def end_row() -> None:
            for file, array in ((ids, input_T), (segments, segment_T), (predicts, predicts_T)):
                file.write(array.tobytes())

        for text in _new(inputs):
            name = text.name
            table.row(sample_id=text.sample_id, position=text.position, offset=text.offset, text=name)
            if name in laid.names:
                continue
            laid.names.add(name)
            laid.total += text.supervised
            if name in there:
                continue
            laid.missing += text.supervised
            if used + len(text.ids) > width:
                end_row()
                input_T, segment_T, predicts_T = _blank(width)
                used = number = 0
            stop = used + len(text.ids)
            input_T[used:stop], segment_T[used:stop] = text.ids, number
            predicts_T[used + text.masked - 1 : stop - 1] = True
            names.write(name.encode("ascii"))
            used, number = stop, number + 1
        end_row()
    (folder / "width").write_text(str(width))
    return laid


def _blank(width: int) -> tuple[Any, Any, Any]:
    return np.zeros(width, np.int32), np.full(width, -1, np.int16), np.zeros(width, np.bool_)


def _new(inputs: Inputs) -> Iterator[Text]:
    """The texts of all samples; a sample that reads as it did before stands at the first such position."""
    names = {row["position"]: row["sample_id"] for row in inputs.rows("samples", columns="position, sample_id")}
    told: set[tuple[str, int, str]] = set()
    for text in _texts(inputs, names):
        found = (text.sample_id, text.offset, text.name)
        if found not in told:
            told.add(found)
            yield text


def _texts(inputs: Inputs, names: dict[int, str]) -> Iterator[Text]:
    position, offset = -1, 0
    columns = "position, piece, n_prompt, input_ids"
    for batch in inputs.batches("tokens", columns=columns, order="position, piece"):
        plain = batch.select(["position", "n_prompt"]).to_pylist()
        for values, found in zip(plain, of_arrow(batch.column("input_ids")).lists(), strict=True):
            ids = np.array(found, np.int32)
            if values["position"] != position:
                position, offset = values["position"], 0
            masked = min(len(ids), max(1, values["n_prompt"]))
            if masked < len(ids):
                yield Text(names[position], position, offset, masked, ids)
            offset += len(ids)
