"""The loss of followed corpora inside a stage that trains: all ranks share the rows, and no weight is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from structdsl_runtime.training.batches import Layout, MicroBatches, PackedRows, to_device
from structdsl_runtime.training.isolation import forward_arguments
from structdsl_runtime.training.objective import PredictingHead
from structdsl_runtime.training.rows import Rows

if TYPE_CHECKING:
    from structdsl_runtime.training.trainer import StageTrainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Rows by the name of their table; `head` belongs to the model that trains."""

    rows: dict[str, Rows]
    head: PredictingHead

    def measure(self, trainer: StageTrainer) -> dict[str, float]:
        """Nats of all scored tokens, by table. Every rank runs as many passes: under ZeRO-3 each is collective."""
        trainer.engine.eval()
        sums = torch.stack([self._nats(trainer, rows) for rows in self.rows.values()])
        trainer.engine.train()
        if trainer.layout.processes > 1:
            torch.distributed.all_reduce(sums)
        return dict(zip(self.rows, sums.tolist(), strict=True))

    @torch.no_grad()
    def _nats(self, trainer: StageTrainer, rows: Rows) -> torch.Tensor:
        """Of this rank's share of the rows."""
        layout = Layout(micro=trainer.layout.micro, accumulation=1, processes=trainer.layout.processes)
        data, steps = PackedRows(rows, layout.batch), -(-len(rows) // layout.batch)
        total = torch.zeros((), dtype=torch.float64, device=trainer.args.device)
        for numbers in MicroBatches(layout, trainer.args.process_index, steps):
            batch = to_device(data.__getitems__(numbers), trainer.args.device)
            arguments = forward_arguments(
                trainer.network.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]
            )
            with self.head.keep(batch["predict_N"]):
                logits_NV = trainer.engine(**arguments).logits
            nats_N = functional.cross_entropy(logits_NV.flatten(0, -2).float(), batch["target_N"], reduction="none")
            total += nats_N.sum(dtype=torch.float64)
        return total
