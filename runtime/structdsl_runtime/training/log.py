"""What a stage says of each optimizer step, and where it stops: at a loss that is no number."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from structdsl_runtime.operation import Fault
from structdsl_runtime.training.events import Reporter

if TYPE_CHECKING:
    from structdsl_runtime.training.trainer import StageTrainer


class StageLog(TrainerCallback):
    """The log of a stage: one event per optimizer step; stops the stage at a loss that is no number."""

    def __init__(self, trainer: StageTrainer, reporter: Reporter) -> None:
        self._trainer = trainer
        self._reporter = reporter
        self._tokens = 0
        self._lr = 0.0
        self._clock = 0.0

    def on_train_begin(self, *_: object, **__: object) -> None:
        trainer = self._trainer
        self._tokens = trainer.rows.tokens(0, trainer.start * trainer.layout.batch)
        trainer.check_isolation()
        self._reporter.emit("started", time=time.time(), total=self._trainer.steps)
        if self._trainer.is_world_process_zero():
            print(self._trainer.setting(), flush=True)  # noqa: T201 - it is the log of the step
        self._clock = time.perf_counter()

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        self._lr = self._trainer.engine.optimizer.param_groups[0]["lr"]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del args, control
        trainer, step = self._trainer, state.global_step
        loss = self._loss(step)
        first = (step - 1) * trainer.layout.batch
        tokens = trainer.rows.tokens(first, first + trainer.layout.batch)
        self._tokens += tokens
        now = time.perf_counter()
        self._reporter.emit(
            "step",
            step=step,
            loss=loss,
            grad_norm=trainer.norm(),
            lr=self._lr,
            tokens=self._tokens,
            tokens_per_second=tokens / (now - self._clock),
        )
        self._clock = now

    def _loss(self, step: int) -> float:
        """The loss of the step over all ranks; raises Fault E0714 where a pass of this rank gave no number."""
        trainer = self._trainer
        losses = torch.stack([loss.total for _, loss in trainer.passes])
        for (batch, _), value in zip(trainer.passes, losses.tolist(), strict=True):
            if not math.isfinite(value):
                row = batch["row"]
                last = min(row + trainer.layout.micro, len(trainer.rows)) - 1
                raise Fault(
                    "E0714",
                    f"the loss of step {step} is {value}",
                    notes=(f"rows {row} to {last} of `{trainer.stage.stage}_packed`",),
                    helps=("lower the learning rate, or lengthen the warm-up of the schedule",),
                )
        trainer.passes.clear()
        total = losses.sum()
        if trainer.layout.processes > 1:
            torch.distributed.all_reduce(total)
        return float(total) / trainer.layout.processes
