"""`transformers.Trainer` for one stage: our objective, our rows, our log; DeepSpeed does the rest.

What the base class would do per step and nobody reads is switched off: its own loss bookkeeping, floating-point
counts, logging, evaluation and checkpoints (see `checkpoint.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers.trainer import Trainer
from transformers.trainer_callback import PrinterCallback, TrainerCallback
from transformers.training_args import TrainingArguments

from structdsl.plan import Train
from structdsl_runtime.operation import Fault
from structdsl_runtime.training import broken, isolation, schedule
from structdsl_runtime.training.batches import Layout, MicroBatches, PackedRows, as_is, to_device
from structdsl_runtime.training.deepspeed_config import clips_itself
from structdsl_runtime.training.log import StageLog, Telling
from structdsl_runtime.training.objective import Loss, Objective, precision_of
from structdsl_runtime.training.rows import Rows

BETAS: Final = (0.9, 0.95)
EPSILON: Final = 1e-8
EXHAUSTED: Final = "loss scale already at minimum"  # DeepSpeed's words, in a bare Exception


def training_arguments(
    arguments: Train, layout: Layout, steps: int, deepspeed: dict[str, Any], scratch: Path
) -> TrainingArguments:
    """The base class's settings. Nothing here decides anything that `Train` does not."""
    return TrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=layout.micro,
        gradient_accumulation_steps=layout.accumulation,
        learning_rate=arguments.optimizer.lr,
        weight_decay=arguments.optimizer.weight_decay,
        max_grad_norm=deepspeed["gradient_clipping"],
        bf16=bool(deepspeed.get("bf16", {}).get("enabled")),
        fp16=bool(deepspeed.get("fp16", {}).get("enabled")),
        deepspeed=deepspeed,
        seed=arguments.seed,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        average_tokens_across_devices=False,  # the objective counts tokens itself
        accelerator_config={"use_configured_state": True},  # the worker's: see `worker.join`
    )


class StageTrainer(Trainer):
    """Trains `model` on `rows` for `steps` optimizer steps; every step is an event."""

    def __init__(
        self,
        *,
        model: Any,
        objective: Objective,
        args: TrainingArguments,
        arguments: Train,
        rows: Rows,
        layout: Layout,
        steps: int,
        telling: Telling,
    ) -> None:
        self.network: Any = model
        self.data = PackedRows(rows, layout.batch)
        self.rows = rows
        self.layout = layout
        self.stage = arguments
        self.steps = steps
        self.start = 0  # steps that were done before
        self.objective: Objective = objective
        self.gradient_norm: Tensor | None = None
        self.passes: list[tuple[dict[str, Any], Loss]] = []  # batch and loss of each pass of the running step
        super().__init__(model=model, args=args, train_dataset=self.data)
        self.remove_callback(PrinterCallback)
        self.telling = telling

    def follow(self, *, first: Sequence[TrainerCallback] = (), last: Sequence[TrainerCallback] = ()) -> None:
        """Have the log told, `first` before it and `last` after it."""
        for callback in (*first, StageLog(self, self.telling), *last):
            self.add_callback(callback)

    def get_train_dataloader(self) -> DataLoader[dict[str, Any]]:
        sampler = MicroBatches(self.layout, self.args.process_index, self.steps, self.start)
        return DataLoader(
            self.data, batch_sampler=sampler, collate_fn=as_is, pin_memory=self.args.dataloader_pin_memory
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW; weight decay on matrices alone, never on biases and the gains of norms."""
        if self.optimizer is None:
            trained = [parameter for parameter in (model or self.network).parameters() if parameter.requires_grad]
            dimensions = [len(getattr(parameter, "ds_shape", parameter.shape)) for parameter in trained]
            matrices = [parameter for parameter, count in zip(trained, dimensions, strict=True) if count > 1]
            vectors = [parameter for parameter, count in zip(trained, dimensions, strict=True) if count <= 1]
            groups = [
                {"params": matrices, "weight_decay": self.stage.optimizer.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW(
                [group for group in groups if group["params"]],
                lr=self.stage.optimizer.lr,
                betas=BETAS,
                eps=EPSILON,
                fused=True,
            )
            if clips_itself(self.args.hf_deepspeed_config.config):
                self.optimizer.register_step_pre_hook(self._clip)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                cast("torch.optim.Optimizer", optimizer or self.optimizer),
                lambda step: schedule.share(self.stage.optimizer.schedule, step, num_training_steps),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        del num_items_in_batch
        loss = self.objective(model, self.network.config, to_device(inputs, self.args.device))
        self.passes.append((inputs, replace(loss, total=loss.total.detach())))
        try:
            self.accelerator.backward(loss.total, scale_wrt_gas=False)
        except Exception as error:
            if EXHAUSTED not in str(error):
                raise
            raise self._exhausted() from error
        return self.passes[-1][1].total

    def _exhausted(self) -> Fault:
        """That fp16 cannot hold the gradient of a step; every rank is here, and writes down what was in it."""
        broken.report(self.telling.reporter.folder, self, everything=True)
        if self.layout.processes > 1:
            torch.distributed.barrier()
        scale = float(self.engine.optimizer.loss_scale)
        return Fault(
            "E0714",
            f"the gradient of step {self.state.global_step + 1} does not fit fp16 however small the loss is scaled",
            notes=(f"the scale went down to its minimum, {scale:g}, and steps were left out on the way",),
            helps=("write `precision = bf16`, which has the range of 32 bits", "or lower the learning rate"),
        )

    def _clip(self, *_: object) -> None:
        """Clip, and keep the norm, which DeepSpeed throws away here; gradients are those of all ranks already."""
        clip = self.stage.optimizer.clip or math.inf
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)

    def norm(self) -> float | None:
        """The norm of the gradient of the last step, before clipping; infinite where that is no number."""
        if getattr(self.engine.optimizer, "overflow", False):
            return math.inf  # the step was left out, and what is asked for next may be the norm of the one before
        found = self.engine.get_global_grad_norm() if self.gradient_norm is None else self.gradient_norm
        return None if found is None else float(found)

    def loss_scale(self) -> tuple[float | None, bool | None]:
        """What the loss was multiplied by in 16 bits, and whether the step was left out since that overflowed."""
        if not self.args.fp16:
            return None, None
        optimizer = self.engine.optimizer
        return float(optimizer.loss_scale), bool(optimizer.overflow)

    @property
    def engine(self) -> Any:
        """DeepSpeed's, once training has begun."""
        return self.model_wrapped

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Zero: the base class counts parameters anew at every step."""
        del inputs
        return 0

    def setting(self) -> str:
        """One line on what trains where."""
        layout, engine = self.layout, self.engine
        shares = f"{layout.processes} × {layout.accumulation} × {layout.micro}"
        return (
            f"{type(engine).__name__}, ZeRO-{engine.zero_optimization_stage()}, {precision_of(self.network)} on "
            f"{self.args.device}; processes × passes × rows = {shares}, "
            f"positions {self.stage.length}, steps {self.steps}{self._trained()}"
        )

    def _trained(self) -> str:
        """How much of the model an adapter trains."""
        if self.stage.adapter is None:
            return ""
        sizes = [
            (parameter.requires_grad, int(getattr(parameter, "ds_numel", parameter.numel())))
            for parameter in self.network.parameters()
        ]
        trained = sum(size for requires_grad, size in sizes if requires_grad)
        return f"; {trained:,} of {sum(size for _, size in sizes):,} parameters are trained"

    def check_isolation(self) -> None:
        """Raises Fault E0712; every rank takes part, since under ZeRO-3 a forward pass is collective."""
        engine, config = self.engine, self.network.config

        @torch.no_grad()
        def logits(input_BT: Tensor, segment_BT: Tensor, position_BT: Tensor) -> Tensor:
            found: Tensor = engine(**isolation.forward_arguments(config, input_BT, segment_BT, position_BT)).logits
            return found

        engine.eval()
        isolation.check(logits, vocabulary=config.vocab_size, device=self.args.device, dtype=precision_of(self.network))
        engine.train()
