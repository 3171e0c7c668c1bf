"""A training stage as a step: rows laid out, a worker launched, its log written, its model handed over.

The workers are processes of their own, so that a crash of one is a failed step with its log.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from structdsl.plan import Train
from structdsl_runtime import unfinished
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.pretrained import TOKENIZER_FILES, code_files, copy, read_json
from structdsl_runtime.settled import settled
from structdsl_runtime.text import tokens
from structdsl_runtime.training import broken, card, events, rows, schedule, sources, targets, tracking
from structdsl_runtime.training.followed import Laid, lay_out
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.tracking import Trackers

WORKER: Final = "structdsl_runtime.training.worker"
SHOWN_TOKENS: Final = 24
MOST_SOURCES: Final = 4  # whose losses a line of progress tells
TRAINED, FOLLOWED = "training", "followed"  # kinds of rows in the table `loss`


def train(arguments: Train, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Train the folder `model` on the table `packed`; outputs the folder `model` and the tables `log`, `loss` and
    `checkpoints`.

    `samples` says which corpus each packed sample comes from; with `distill` the model learns from the folder `teacher`
    as well, or from what `targets` has kept of it. Goes on from the latest state that an earlier attempt saved; it
    removes none: the executor does, at the commit. Raises Fault E0708 (a teacher with another tokenizer), E0712
    (samples leak into each other), E0713 (nothing is supervised), E0714 (the loss is no number), E0716 (rows, batch and
    model do not fit together), E0805 (a worker died), E0809 (a tracker cannot be used), E0831 (the state is of another
    stage), E0832 (a worker hangs), E0833 (no room for a state), E0834 (a state is damaged).
    """
    tracking.require(arguments.trackers)
    arguments = settled(arguments)
    base, output = inputs.folder("model"), outputs.folder("model")
    known = sources.read(inputs)
    packed = rows.write(inputs, context.scratch / "rows", arguments.length, known)
    steps = schedule.steps_of(arguments, len(packed))
    if not packed.predictions(0, steps * arguments.batch):
        raise _nothing_supervised(arguments, packed, inputs, base)
    followed = _followed(arguments, inputs, context, base)
    unfinished.tidy(context.kept)
    saved = unfinished.states(context.kept)
    resume, done = (saved[-1][0], saved[-1][1].step) if saved else (None, 0)
    if saved and (damaged := tuple(unfinished.damage(*saved[-1]))):
        raise _damaged(saved, damaged)
    folder = context.scratch / "events"
    events.continued(folder, resume)
    job = TrainJob(
        arguments=arguments,
        model=base,
        rows=context.scratch / "rows",
        sources=known.names,
        followed={name: context.scratch / "followed" / name for name in followed},
        output=output,
        adapter=inputs.folder("adapter") if arguments.adapter == "continue" else None,
        adapter_output=outputs.folder("adapter") if arguments.adapter is not None else None,
        teacher=_teacher(arguments, inputs, base),
        targets=_targets(arguments, inputs, packed, context),
        events=folder,
        executor=os.getpid(),
        kept=context.kept,
        resume=resume,
        decides=dict(context.decides),
    )
    path = context.scratch / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    context.progress(done, steps, "steps")
    if resume is not None:
        context.warn(f"goes on from its checkpoint at step {done} of {steps}")
    with (
        outputs.table("log") as log,
        outputs.table("loss") as loss,
        outputs.table("checkpoints") as checkpoints,
        Trackers(arguments, context) as trackers,
    ):
        recorder = Recorder(
            log=log,
            loss=loss,
            checkpoints=checkpoints,
            trackers=trackers,
            context=context,
            corpora=known.names,
            followed=followed,
            steps=steps,
        )
        try:
            launch(
                WORKER,
                path,
                folder,
                processes=arguments.processes,
                nodes=arguments.nodes,
                launcher=arguments.launcher,
                context=context,
                on_event=recorder.record,
                saves=True,
            )
        except Fault as fault:
            raise broken.named(fault, folder, inputs, arguments.stage) from fault
    if not recorder.finished:
        raise KeyboardInterrupt  # something else than this process asked the workers to stop
    copy(base, output, (*TOKENIZER_FILES, *code_files(base)))
    readme = card.card(arguments, base=card.base_of(base), rows=packed, steps=steps, adapter=job.adapter_output)
    (output / "README.md").write_text(readme, encoding="utf-8")


def _teacher(arguments: Train, inputs: Inputs, base: Path) -> Path | None:
    """The folder of who the stage learns from; raises Fault E0708 where it reads with another tokenizer."""
    if arguments.distill is None:
        return None
    folder = inputs.folder("teacher")
    sizes = [read_json(path / "config.json", str(path)).get("vocab_size") for path in (base, folder)]
    if sizes[0] != sizes[1] or not tokens.same(base, folder):
        raise Fault(
            "E0708",
            f"the teacher of `{arguments.stage}` reads with another tokenizer",
            notes=(f"entry for entry their distributions, over {sizes[0]} and {sizes[1]}, are of other tokens",),
            helps=("choose a teacher that shares it, such as the model that the stage starts from",),
        )
    return folder


def _targets(arguments: Train, inputs: Inputs, packed: rows.Rows, context: Context) -> Path | None:
    """The folder of what was kept of the teacher, laid out for these rows."""
    if arguments.distill is None or arguments.distill.cache is None:
        return None
    folder = context.scratch / "targets"
    targets.write(inputs, packed, folder)
    return folder


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


@dataclass(slots=True, kw_only=True)
class Recorder:
    """What becomes of the workers' events: rows of the tables, metrics of the trackers.

    An attempt that goes on tells the steps before it again: the tables are written anew, and every run of ours is a run
    of its own to a tracker, which thus has the whole curve.
    """

    log: TableWriter
    loss: TableWriter
    checkpoints: TableWriter
    trackers: Trackers
    context: Context
    corpora: tuple[str, ...]
    followed: Mapping[str, Laid]
    steps: int
    finished: bool = False

    def record(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "step":
                self._step(event)
            case "followed":
                self._follow(event["step"], event["losses"])
            case "saved":
                self.checkpoints.row(step=event["step"], path=event["path"], bytes=event["bytes"])
            case "finished":
                self.finished = True

    def _step(self, event: dict[str, Any]) -> None:
        step = event["step"]
        self.trackers.log(step, tracking.of_step(event, self.corpora))
        sources = list(zip(self.corpora, event.pop("sources"), strict=True))
        for corpus, (nats, count) in sources:
            self.loss.row(step=step, corpus=corpus, loss=nats, tokens=count, kind=TRAINED, bits_per_byte=None)
        self.log.row(**event)
        self.context.progress(step, self.steps, "steps", losses(event["loss"], sources))

    def _follow(self, step: int, losses: Mapping[str, float]) -> None:
        values: dict[str, float] = {}
        for name, nats in losses.items():
            laid = self.followed[name]
            mean, bits = nats / laid.tokens, nats / math.log(2) / laid.bytes if laid.bytes else None
            values |= {f"followed/{name}": mean}
            values |= {} if bits is None else {f"followed/{name}/bits_per_byte": bits}
            self.loss.row(step=step, corpus=name, loss=mean, tokens=laid.tokens, kind=FOLLOWED, bits_per_byte=bits)
        self.trackers.log(step, values)


def losses(whole: float, sources: Sequence[tuple[str, Sequence[float | None]]]) -> tuple[str, ...]:
    """What a line on a step says of its loss, with that of each source where they are few; then in fewer words.

    A source of which no token was in the step has none.
    """
    plain = f"loss {whole:.2f}"
    each = [f"{corpus} {nats:.2f}" if nats is not None else f"{corpus} –" for corpus, (nats, _) in sources]
    return (f"{plain} ({', '.join(each)})", plain) if 1 < len(each) <= MOST_SOURCES else (plain,)


def _damaged(saved: Sequence[tuple[Path, unfinished.State]], damaged: tuple[str, ...]) -> Fault:
    path, state = saved[-1]
    before = f"goes on from step {saved[-2][1].step}" if len(saved) > 1 else "starts anew"
    return Fault(
        "E0834",
        f"the checkpoint at step {state.step} is not as it was saved",
        notes=damaged,
        helps=(f"bring it back, or remove it, and the stage {before}: `rm -r {path}`",),
    )


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
