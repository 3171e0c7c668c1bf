"""A training stage as a step: rows laid out, a worker launched, its log written, its model handed over.

The workers are processes of their own, so that a crash of one is a failed step with its log.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from structdsl.plan import Train
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.pretrained import TOKENIZER_FILES, code_files, copy
from structdsl_runtime.text import tokens
from structdsl_runtime.training import broken, card, rows, schedule, sources, tracking
from structdsl_runtime.training.followed import Laid, lay_out
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.sources import Sources
from structdsl_runtime.training.tracking import Trackers

WORKER: Final = "structdsl_runtime.training.worker"
SHOWN_TOKENS: Final = 24
TRAINED, FOLLOWED = "training", "followed"  # kinds of rows in the table `loss`


def train(arguments: Train, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Train the folder `model` on the table `packed`; outputs the folder `model`, the tables `log` and `loss`.

    `samples` says which corpus each packed sample comes from. Raises Fault E0712 (samples leak into each other), E0713
    (nothing is supervised), E0714 (the loss is no number), E0716 (rows, batch and model do not fit together), E0805 (a
    worker died), E0809 (a tracker cannot be used).
    """
    tracking.require(arguments.trackers)
    base, output = inputs.folder("model"), outputs.folder("model")
    known = sources.read(inputs)
    packed = rows.write(inputs, context.scratch / "rows", arguments.length, known)
    steps = schedule.steps_of(arguments, len(packed))
    if not packed.predictions(0, steps * arguments.batch):
        raise _nothing_supervised(arguments, packed, inputs, base)
    followed = _followed(arguments, inputs, context, base)
    events = context.scratch / "events"
    events.mkdir()
    job = TrainJob(
        arguments=arguments,
        model=base,
        rows=context.scratch / "rows",
        sources=known.names,
        followed={name: context.scratch / "followed" / name for name in followed},
        output=output,
        adapter=inputs.folder("adapter") if arguments.adapter == "continue" else None,
        adapter_output=outputs.folder("adapter") if arguments.adapter is not None else None,
        events=events,
        executor=os.getpid(),
    )
    path = context.scratch / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    context.progress(0, steps, "steps")
    with outputs.table("log") as log, outputs.table("loss") as loss, Trackers(arguments, context) as trackers:
        try:
            launch(
                WORKER,
                path,
                events,
                processes=arguments.processes,
                context=context,
                on_event=_recorder(log, loss, trackers, context, known, followed, steps),
            )
        except Fault as fault:
            raise broken.named(fault, events, inputs, arguments.stage) from fault
    copy(base, output, (*TOKENIZER_FILES, *code_files(base)))
    readme = card.card(arguments, base=card.base_of(base), rows=packed, steps=steps, adapter=job.adapter_output)
    (output / "README.md").write_text(readme, encoding="utf-8")


def _followed(arguments: Train, inputs: Inputs, context: Context, base: Path) -> dict[str, Laid]:
    """The corpora that are followed, laid out; one without a document cannot be, which is said."""
    found: dict[str, Laid] = {}
    for name in arguments.probes:
        laid = lay_out(inputs, name, tokens.load(base), context.scratch / "followed" / name, arguments.length)
        if laid.tokens:
            found[name] = laid
        else:
            context.warn(f"`{name}` has no documents: there is no loss to follow")
    return found


def _recorder(
    log: TableWriter,
    loss: TableWriter,
    trackers: Trackers,
    context: Context,
    known: Sources,
    followed: Mapping[str, Laid],
    steps: int,
) -> Callable[[dict[str, Any]], None]:
    """What becomes of a worker's events: rows of the tables, metrics of the trackers."""

    def record(event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "step":
                trackers.log(event["step"], tracking.of_step(event, known.names))
                for corpus, (nats, count) in zip(known.names, event.pop("sources"), strict=True):
                    loss.row(
                        step=event["step"], corpus=corpus, loss=nats, tokens=count, kind=TRAINED, bits_per_byte=None
                    )
                log.row(**event)
                context.progress(event["step"], steps, "steps")
            case "followed":
                values: dict[str, float] = {}
                for name, nats in event["losses"].items():
                    laid = followed[name]
                    mean, bits = nats / laid.tokens, nats / math.log(2) / laid.bytes if laid.bytes else None
                    values |= {f"followed/{name}": mean}
                    values |= {} if bits is None else {f"followed/{name}/bits_per_byte": bits}
                    loss.row(
                        step=event["step"],
                        corpus=name,
                        loss=mean,
                        tokens=laid.tokens,
                        kind=FOLLOWED,
                        bits_per_byte=bits,
                    )
                trackers.log(event["step"], values)

    return record


def _nothing_supervised(arguments: Train, packed: rows.Rows, inputs: Inputs, base: Path) -> Fault:
    code, message = "E0713", "no token of the data is supervised"
    masked = f"{arguments.stage}_samples WHERE n_supervised = 0"
    helps = (f"look at them: SELECT sample_id, corpus, prompt, response, mask_reason FROM {masked}",)  # noqa: S608
    if not len(packed):
        return Fault(code, message, notes=(f"`{arguments.stage}_packed` has no rows",), helps=helps)
    ids = packed.input_RT[0, :SHOWN_TOKENS].tolist()
    samples = inputs.rows("samples", columns="mask_reason, n_supervised")
    reasons = Counter(row["mask_reason"] or "nothing" for row in samples if not row["n_supervised"])
    counted = ", ".join(f"{count} by `{reason}`" for reason, count in sorted(reasons.items()))
    notes = (
        f"the first row begins with the tokens {', '.join(map(str, ids))}",
        f"which read {tokens.load(base).decode(ids)!r}",
        *((f"samples that are masked as a whole: {counted}",) if counted else ()),
    )
    return Fault(code, message, notes=notes, helps=helps)
