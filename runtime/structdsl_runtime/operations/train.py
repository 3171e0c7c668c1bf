"""A training stage as a step: rows laid out, a worker launched, its log written, its model handed over.

The workers are processes of their own, so that a crash of one is a failed step with its log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from structdsl.plan import Train
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.pretrained import TOKENIZER_FILES, copy
from structdsl_runtime.text import tokens
from structdsl_runtime.training import card, rows, schedule
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launch import launch

WORKER: Final = "structdsl_runtime.training.worker"
SHOWN_TOKENS: Final = 24


def train(arguments: Train, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Train the folder `model` on the table `packed`; outputs the folder `model` and the table `log`.

    Raises Fault E0712 (samples leak into each other), E0713 (nothing is supervised), E0714 (the loss is no number),
    E0716 (rows, batch and model do not fit together), E0805 (a worker died).
    """
    base, output = inputs.folder("model"), outputs.folder("model")
    packed = rows.write(inputs, context.scratch / "rows", arguments.length)
    steps = schedule.steps_of(arguments, len(packed))
    if not packed.predictions(0, steps * arguments.batch):
        raise _nothing_supervised(arguments, packed, base)
    events = context.scratch / "events"
    events.mkdir()
    job = TrainJob(
        arguments=arguments,
        model=base,
        rows=context.scratch / "rows",
        output=output,
        events=events,
        executor=os.getpid(),
    )
    path = context.scratch / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    context.progress(0, steps, "steps")
    with outputs.table("log") as log:
        launch(
            WORKER,
            path,
            events,
            processes=arguments.processes,
            context=context,
            on_event=_recorder(log, context, steps),
        )
    copy(base, output, TOKENIZER_FILES)
    readme = card.card(arguments, base=card.base_of(base), rows=packed, steps=steps)
    (output / "README.md").write_text(readme, encoding="utf-8")


def _recorder(log: TableWriter, context: Context, steps: int) -> Callable[[dict[str, Any]], None]:
    def record(event: dict[str, Any]) -> None:
        if event.pop("event") == "step":
            log.row(**event)
            context.progress(event["step"], steps, "steps")

    return record


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
