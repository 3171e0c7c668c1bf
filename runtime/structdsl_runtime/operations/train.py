"""A training stage as a step: rows laid out, a worker launched, its log written, its model handed over.

The workers are processes of their own, so that a crash of one is a failed step with its log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from structdsl.plan import Train
from structdsl_runtime import unfinished
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.pretrained import TOKENIZER_FILES, copy
from structdsl_runtime.text import tokens
from structdsl_runtime.training import card, events, rows, schedule
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launch import launch

TABLES: Final = {"step": "log", "saved": "checkpoints"}  # event -> output
WORKER: Final = "structdsl_runtime.training.worker"
SHOWN_TOKENS: Final = 24


def train(arguments: Train, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Train the folder `model` on the table `packed`; outputs the folder `model`, the table `log`, and the table
    `checkpoints` if the plan asks for it.

    Goes on from the latest state that an earlier attempt saved. It removes none: the executor does, at the commit.
    Raises Fault E0712 (samples leak into each other), E0713 (nothing is supervised), E0714 (the loss is no number),
    E0716 (rows, batch and model do not fit together), E0805 (a worker died), E0831 (the state is of another stage),
    E0832 (a worker hangs), E0833 (no room for a state).
    """
    base, output = inputs.folder("model"), outputs.folder("model")
    packed = rows.write(inputs, context.scratch / "rows", arguments.length)
    steps = schedule.steps_of(arguments, len(packed))
    if not packed.predictions(0, steps * arguments.batch):
        raise _nothing_supervised(arguments, packed, base)
    unfinished.tidy(context.kept)
    saved = unfinished.states(context.kept)
    resume = saved[-1][0] if saved else None
    folder = context.scratch / "events"
    events.continued(folder, resume)
    job = TrainJob(
        arguments=arguments,
        model=base,
        rows=context.scratch / "rows",
        output=output,
        events=folder,
        executor=os.getpid(),
        kept=context.kept,
        resume=resume,
        decides=dict(context.decides),
    )
    path = context.scratch / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    context.progress(saved[-1][1].step if saved else 0, steps, "steps")
    asked = ("log", *outputs.names())
    with ExitStack() as stack:
        tables = {name: stack.enter_context(outputs.table(name)) for name in TABLES.values() if name in asked}
        recorder = Recorder(tables, context, steps)
        launch(
            WORKER,
            path,
            folder,
            processes=arguments.processes,
            context=context,
            on_event=recorder.record,
            saves=True,
        )
    if not recorder.finished:
        raise KeyboardInterrupt  # something else than this process asked the workers to stop
    copy(base, output, TOKENIZER_FILES)
    readme = card.card(arguments, base=card.base_of(base), rows=packed, steps=steps)
    (output / "README.md").write_text(readme, encoding="utf-8")


class Recorder:
    """Writes what the workers tell to the tables that the plan asks for."""

    def __init__(self, tables: Mapping[str, TableWriter], context: Context, steps: int) -> None:
        self.finished = False
        self._tables = tables
        self._context = context
        self._steps = steps

    def record(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        self.finished = self.finished or kind == "finished"
        if kind == "saved":
            del event["seconds"]
        if (table := self._tables.get(TABLES.get(kind, ""))) is not None:
            table.row(**event)
        if kind == "step":
            self._context.progress(event["step"], self._steps, "steps")


def _nothing_supervised(arguments: Train, packed: rows.Rows, base: Path) -> Fault:
    code, message = "E0713", "no token of the data is supervised"
    helps = ("look at `mask_reason` in the samples of the stage",)
    if not len(packed):
        return Fault(code, message, notes=(f"`{arguments.stage}_packed` has no rows",), helps=helps)
    ids = packed.input_RT[0, :SHOWN_TOKENS].tolist()
    notes = (
        f"the first row begins with the tokens {', '.join(map(str, ids))}",
        f"which read {tokens.load(base).decode(ids)!r}",
    )
    return Fault(code, message, notes=notes, helps=helps)
