"""Training steps that `distillation.py` and `gpu.py` time: plain, LSSD online and cached, and TRL's GKD loss.

All share a model, rows and optimizer; what differs is where the loss comes from. `lssd hidden` is what a stage with
`cache = hidden` does at each step: states are read from the file that is laid out for it when it starts, in 32 bits,
and the teacher's head makes logits of them (`teacher.Kept`); making that file is no part of a step. `trl gkd` is TRL's
`generalized_jsd_loss` on the logits of both models, as its trainer calls it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from structdsl.plan.operations import Swap
from structdsl_runtime.training import targets
from structdsl_runtime.training.batches import PackedRows, to_device
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.lssd import Recipe
from structdsl_runtime.training.objective import Objective, PredictingHead, TokenLoss
from structdsl_runtime.training.rows import Rows
from structdsl_runtime.training.teacher import Frozen, Head, Kept

ARMS: Final = ("ce", "lssd online", "lssd hidden", "trl gkd", "dense ce")
WEIGHT: Final = 0.5


class Bench:
    """A model, its frozen teacher and the rows of `batch` lines a step; `step(arm, number)` is one optimizer step."""

    def __init__(self, learner: Any, rows: Rows, batch: int, device: torch.device) -> None:
        self.device = device
        self.learner = learner.to(device)
        self._teacher = copy.deepcopy(self.learner).requires_grad_(requires_grad=False).eval()
        self._rows = rows
        self._data = PackedRows(rows, batch)
        self._batch = batch
        self._optimizer = torch.optim.AdamW(self.learner.parameters(), lr=1e-5, betas=(0.9, 0.95), fused=True)
        self._head, self._teacher_head = PredictingHead(self.learner), PredictingHead(self._teacher)
        self._recipe = Recipe(weight=WEIGHT, swap=Swap(where="always"))
        online = Frozen(self._teacher, self._teacher, self._teacher_head)
        self._losses: dict[str, Callable[[dict[str, Any]], Tensor]] = {
            "ce": self._ours(TokenLoss(self._head, Recipe(), processes=1)),
            "lssd online": self._ours(TokenLoss(self._head, self._recipe, processes=1, teacher=online)),
            "lssd hidden": self._unkept,
            "trl gkd": self._gkd,
            "dense ce": self._dense,
        }

    def step(self, arm: str, number: int) -> float:
        """The loss of the step."""
        loss = self._losses[arm](self.batch(number))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())

    def batch(self, number: int) -> dict[str, Any]:
        first = number * self._batch
        return to_device(self._data.__getitems__(range(first, first + self._batch)), self.device)

    def keep(self, steps: int, folder: Path) -> None:
        """The teacher's hidden states for the steps to come, in `folder`, as a stage has them: for `lssd hidden`."""
        head = self._teacher_head.module
        hidden_PD, starts = targets.create(self._rows, head.in_features, folder), targets.starts(self._rows)
        for number in range(steps):
            batch = self.batch(number)
            with torch.no_grad(), self._teacher_head.keep(batch["predict_N"], lambda hidden_ND: hidden_ND):
                states_ND = self._teacher(**self._arguments(batch)).logits
            first = starts[batch["row"]]
            hidden_PD[first : first + len(states_ND)] = states_ND.float().cpu().numpy()
        hidden_PD.flush()
        kept = Kept(folder, self._rows, Head(head.weight.detach(), None if head.bias is None else head.bias.detach()))
        self._losses["lssd hidden"] = self._ours(TokenLoss(self._head, self._recipe, processes=1, teacher=kept))

    def _arguments(self, batch: dict[str, Any]) -> dict[str, Any]:
        config = self.learner.config
        return forward_arguments(config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])

    def _ours(self, objective: Objective) -> Callable[[dict[str, Any]], Tensor]:
        return lambda batch: objective(self.learner, self.learner.config, batch).total

    @staticmethod
    def _unkept(_batch: dict[str, Any]) -> Tensor:
        raise RuntimeError("nothing was kept of the teacher: call `keep` first")

    def _logits(self, model: Any, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Logits (1, B·T, V) and what they predict, -100 where nothing."""
        logits_BTV = model(**self._arguments(batch)).logits
        label_BT = torch.full_like(batch["input_BT"], -100)
        label_BT.reshape(-1)[batch["predict_N"]] = batch["target_N"]
        return logits_BTV.reshape(1, -1, logits_BTV.shape[-1]), label_BT.reshape(1, -1)

    def _gkd(self, batch: dict[str, Any]) -> Tensor:
        from trl.experimental.gkd import GKDTrainer  # noqa: PLC0415 - of the `bench` extra

        with torch.no_grad():
            teacher_BTV, _ = self._logits(self._teacher, batch)
        student_BTV, label_BT = self._logits(self.learner, batch)
        jsd: Any = GKDTrainer.generalized_jsd_loss
        loss: Tensor = jsd(student_BTV, teacher_BTV, label_BT)
        return loss

    def _dense(self, batch: dict[str, Any]) -> Tensor:
        logits_BTV, label_BT = self._logits(self.learner, batch)
        return functional.cross_entropy(logits_BTV.flatten(0, 1).float(), label_BT.flatten())
