"""How many rows go through the model at once: a choice of cost, never of result.

The largest divisor of the rows of a process and step whose estimated memory fits. An estimate that errs is a slower
or a failed step, not another model, and `deepspeed { extra = { "train_micro_batch_size_per_gpu": n } }` overrides it.
"""

from __future__ import annotations

from typing import Any

from structdsl.plan.batch import largest
from structdsl_runtime.operation import Fault
from structdsl_runtime.progress import counted
from structdsl_runtime.training.batches import Layout


def layout(*, batch: int, processes: int, stated: int | None, most: int) -> Layout:
    """Shares `batch` rows out, `stated` at a time, else at most `most`; raises Fault E0716 where they do not divide."""
    rows, rest = divmod(batch, processes)
    if rest or (stated is not None and rows % stated):
        raise Fault(
            "E0716",
            f"{counted(batch, 'row')} a step cannot be shared out evenly",
            notes=(f"processes: {processes}, rows per forward pass: {stated or 'free'}",),
            helps=("choose a `batch` that is a multiple of `length` × processes × rows per forward pass",),
        )
    if stated is None:
        stated = largest(rows, most)
    return Layout(micro=stated, accumulation=rows // stated, processes=processes)


def row_bytes(config: Any, length: int, *, element: int, checkpointing: bool) -> int:
    """Bytes of activations that the backward pass of one row needs: an upper estimate for decoder models.

    `element` is bytes per activation. Counted per token and layer: ten hidden vectors and five of the MLP, two hidden
    with checkpointing; once per token: logits, their 32-bit copy and both gradients; per row the mask.
    """
    hidden = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    whole_layer = 10 * hidden + 5 * inner
    layers = config.num_hidden_layers * (2 * hidden if checkpointing else whole_layer) + checkpointing * whole_layer
    logits = config.vocab_size * (2 * element + 8)
    return int(length * (layers * element + logits) + length * length * (1 + element))
