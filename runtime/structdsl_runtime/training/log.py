"""What a stage says of each optimizer step, and where it stops: at a loss or a gradient that is no number.

All that a step tells is summed over ranks in one small vector, so that a step costs one collective and one wait for
the device: loss, whether the gradient is a number, divergence from a teacher, the negative log-likelihood of each
source, the memory of each rank. How many tokens that was, every rank reads from the rows.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from structdsl_runtime.machine import peak_memory
from structdsl_runtime.operation import Fault
from structdsl_runtime.training import broken, metrics
from structdsl_runtime.training.events import Reporter

if TYPE_CHECKING:
    from structdsl_runtime.training.following import Followed
    from structdsl_runtime.training.trainer import StageTrainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Over all passes and ranks of an optimizer step; `ntp_S` and `kl` are sums over tokens, in nats."""

    loss: float
    gradient: bool  # whether it is a number, on every rank
    kl: float | None
    ntp_S: list[float]  # noqa: N815 - shape suffix
    memory: int  # bytes, of the rank that took most


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a stage tells, besides its steps, and to whom."""

    reporter: Reporter
    sources: tuple[str, ...]  # corpora by their numbers in the rows
    followed: Followed | None = None
    teacher: metrics.Shape | None = None  # of who takes part in every step, and trains not


class StageLog(TrainerCallback):
    """The log of a stage: one event per optimizer step, and one whenever the followed corpora are measured."""

    def __init__(self, trainer: StageTrainer, telling: Telling) -> None:
        self._trainer = trainer
        self._telling = telling
        self._reporter = telling.reporter
        self._tokens = 0
        self._lr = 0.0
        self._clock = 0.0
        self._shape: metrics.Shape | None = None
        self._peak = metrics.peak_flops(trainer.args.device)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        del args, control
        trainer = self._trainer
        trainer.check_isolation()
        self._reporter.emit("started", time=time.time(), total=trainer.steps)
        if trainer.is_world_process_zero():
            print(trainer.setting(), flush=True)  # noqa: T201 - it is the log of the step
        self._shape = metrics.shape_of(trainer.network)
        self._tokens = trainer.rows.tokens(0, state.global_step * trainer.layout.batch)
        if state.global_step == 0:
            self._follow(0)
        self._clock = time.perf_counter()

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        self._lr = self._trainer.engine.optimizer.param_groups[0]["lr"]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del args, control
        trainer, step, rows = self._trainer, state.global_step, self._trainer.rows
        scale, skipped = trainer.loss_scale()
        norm = trainer.norm()
        sums = self._sums(sound=skipped is True or norm is None or (math.isfinite(norm) and norm >= 0))
        if not (math.isfinite(sums.loss) and sums.gradient):
            self._stop(step, sums)
        trainer.passes.clear()
        first, last = (step - 1) * trainer.layout.batch, step * trainer.layout.batch
        counts_S = rows.predictions_S(first, last, len(self._telling.sources)).tolist()
        supervised = sum(counts_S)
        tokens = rows.tokens(first, last)
        self._tokens += tokens
        seconds = time.perf_counter() - self._clock
        work = metrics.Work(tokens=tokens, supervised=supervised, squares=rows.squares(first, last))
        self._reporter.emit(
            "step",
            step=step,
            loss=sums.loss,
            grad_norm=None if skipped else norm,
            lr=self._lr,
            tokens=self._tokens,
            tokens_per_second=tokens / seconds,
            ntp=sum(sums.ntp_S) / supervised if supervised else None,
            kl=None if sums.kl is None or not supervised else sums.kl / supervised,
            supervised=supervised,
            mfu=self._share(work, seconds),
            memory=sums.memory,
            loss_scale=scale,
            skipped=skipped,
            sources=[
                [nats / count if count else None, count] for nats, count in zip(sums.ntp_S, counts_S, strict=True)
            ],
        )
        every = trainer.stage.evaluate_every
        if step == trainer.steps or (every is not None and step % every == 0):
            self._follow(step)
        self._clock = time.perf_counter()

    def _sums(self, *, sound: bool) -> Sums:
        """What the passes of the step add up to; every rank takes part."""
        trainer = self._trainer
        layout, device, sources = trainer.layout, trainer.args.device, len(self._telling.sources)
        head = torch.zeros(4, dtype=torch.float64, device=device)
        ntp_S = torch.zeros(sources, dtype=torch.float64, device=device)
        memory_P = torch.zeros(layout.processes, dtype=torch.float64, device=device)
        for batch, loss in trainer.passes:
            head[0] += loss.total
            ntp_S.index_add_(0, batch["source_N"].to(device), loss.ntp_N.to(torch.float64))
            if loss.kl_N is not None:
                head[2] += loss.kl_N.sum(dtype=torch.float64)
                head[3] = 1
        head[1] = 0 if sound else 1
        memory_P[trainer.args.process_index] = memory(device)
        vector: Tensor = torch.cat((head, ntp_S, memory_P))
        if layout.processes > 1:
            torch.distributed.all_reduce(vector)
        total, unsound, kl, with_kl, *rest = vector.tolist()
        return Sums(
            loss=total / layout.processes,
            gradient=unsound == 0,
            kl=kl if with_kl else None,
            ntp_S=rest[:sources],
            memory=int(max(rest[sources:])),
        )

    def _stop(self, step: int, sums: Sums) -> None:
        """Raises Fault E0714 on every rank, once each has written down which segments brought it about."""
        finite = math.isfinite(sums.loss)
        broken.report(self._reporter.folder, self._trainer, everything=finite)
        if self._trainer.layout.processes > 1:
            torch.distributed.barrier()
        if finite:
            raise Fault(
                "E0714",
                f"the gradient of step {step} is no number, though its loss is {sums.loss:.4g}",
                helps=("lower the learning rate; in 16 bits, try `precision = fp32` for a few steps",),
            )
        raise Fault(
            "E0714",
            f"the loss of step {step} is {sums.loss}",
            helps=("lower the learning rate, or lengthen the warm-up of the schedule",),
        )

    def _share(self, work: metrics.Work, seconds: float) -> float | None:
        """The share of the peak of all devices that the step made use of."""
        if self._peak is None or self._shape is None:
            return None
        flops = metrics.training_flops(self._shape, work, self._telling.teacher)
        return flops / (seconds * self._peak * self._trainer.layout.processes)

    def _follow(self, step: int) -> None:
        followed = self._telling.followed
        if followed is not None:
            self._reporter.emit("followed", step=step, losses=followed.measure(self._trainer))


def memory(device: torch.device) -> int:
    """Bytes that this rank has held at most so far: of its GPU, else of the process."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
