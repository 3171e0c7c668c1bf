"""Bytes that a process of a training stage needs, by what holds them.

Training in 16 bits with Adam keeps weights (2 bytes a parameter), gradients (2; in bf16 their sum over the passes of a
step in 4 more), and in the optimizer a 32-bit copy, momentum and variance (12); in 32 bits 4, 4 and 8. ZeRO shares
these out over P processes: from stage 1 on the optimizer, from 2 the gradients, of which the sum is then all that
stays, from 3 the weights (Rajbhandari et al. 2020, ZeRO, section 3). Activations are those of one row, counted as the
runtime counts them when it chooses how many rows go through at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.cost.figure import ZERO, Figure, derive, total
from structdsl.cost.model import Model, adapted
from structdsl.plan import CacheTeacher, Dpo, Train
from structdsl.plan.operations import Training
from structdsl.plan.zero import accumulates_in_32_bits, zero_stage

HALF, SINGLE = 2, 4  # bytes of an element


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes per process; `host` is what offloading keeps outside of the GPU and is in none of the others."""

    weights: Figure
    gradients: Figure
    optimizer: Figure
    second: Figure  # weights of a teacher, or of the reference of DPO
    activations: Figure  # of one row of `length` positions
    host: Figure

    @property
    def states(self) -> Figure:
        return total((self.weights, self.gradients, self.optimizer, self.second))

    @property
    def total(self) -> Figure:
        return total((self.states, self.activations))


def memory(
    operation: Train | Dpo, model: Model, teacher: Model | None, *, rank: int | None = None, gpu: bool = False
) -> Memory:
    """What one process holds while it trains one row at a time; `rank` is that of its adapter, where it has one."""
    element = element_of(operation, gpu=gpu)
    states = 12 if element == HALF else 8
    zero = operation.deepspeed.get("zero_optimization", {})
    stage, processes = zero_stage(operation.deepspeed, half=element == HALF), operation.processes
    trained = model.parameters if rank is None else adapted(model, rank)

    precision = "bf16" if operation.precision == "auto" and gpu else operation.precision
    gradient = element
    if element == HALF and accumulates_in_32_bits(operation.deepspeed, precision=precision):
        gradient = (
            SINGLE if stage > 1 else HALF + SINGLE
        )  # where they are shared out, those of 16 bits are gone at once

    def shared(parameters: Figure, each: int, since: int) -> Figure:
        parts = processes if stage >= since else 1
        return derive(lambda number: each * number / parts, parameters)

    weights, optimizer = shared(model.parameters, element, 3), shared(trained, states, 1)
    away = [
        held
        for held, name in ((weights, "offload_param"), (optimizer, "offload_optimizer"))
        if zero.get(name, {}).get("device", "none") != "none"
    ]
    second = _second(operation, model, teacher)
    return Memory(
        weights=ZERO if weights in away else weights,
        gradients=shared(trained, gradient, 2),
        optimizer=ZERO if optimizer in away else optimizer,
        second=ZERO if second is None else shared(second.parameters, element, 3),
        activations=_activations(model, operation, element),
        host=total(away),
    )


def element_of(operation: Training | CacheTeacher, *, gpu: bool) -> int:
    """Bytes of a weight; `auto` is bf16 on a GPU and fp32 on a CPU."""
    half = operation.precision in {"bf16", "fp16"} or (operation.precision == "auto" and gpu)
    return HALF if half else SINGLE


def _second(operation: Train | Dpo, model: Model, teacher: Model | None) -> Model | None:
    """The model that is held beside the one that trains; under an adapter DPO asks the weights without it."""
    if isinstance(operation, Dpo):
        return model if operation.adapter is None else None
    online = operation.distill is not None and operation.distill.cache is None
    return teacher if online else None  # of kept hidden states only the head is needed, which is not counted


def _activations(model: Model, operation: Training, element: int) -> Figure:
    """Per token and layer ten hidden vectors and five of the MLP (two hidden with checkpointing); logits; the mask."""
    length = operation.length

    def counted(hidden: float, inner: float, layers: float, vocab: float) -> float:
        layer = 10 * hidden + 5 * inner
        kept = layers * 2 * hidden + layer if operation.activation_checkpointing else layers * layer
        logits = vocab * (2 * element + 8)
        return length * (kept * element + logits) + length * length * (1 + element)

    return derive(counted, model.hidden, model.inner, model.layers, model.vocab)
