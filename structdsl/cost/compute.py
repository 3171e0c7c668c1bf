"""Floating-point operations of training, and how long they take on a stated machine.

A forward pass costs 2N per token for the weights and 4·L·H·T for attention, where N are parameters, L layers, H the
hidden size and T the length (all pairs counted, masked ones too); the backward pass costs twice that. Hence
6N + 12·L·H·T per token (Chowdhery et al. 2022, PaLM, appendix B; Kaplan et al. 2020, section 2.1). On top:

- activation checkpointing computes the forward pass once more: 8/6;
- frozen weights under low-rank updates have no gradient of their own: 4N instead of 6N;
- a teacher beside the student (LSSD, KD) and the reference model of DPO add a forward pass: 1/3 each where they are
  of the same size; kept hidden states only that of the head, 2·H·V; kept probabilities nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.cost.figure import ZERO, Figure, about, derive
from structdsl.cost.model import Model
from structdsl.plan import Dpo, Train


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a process is assumed to have under it."""

    peak: float = 989e12  # FLOP/s of one GPU: H100 and H200, dense bf16
    utilisation: float = 0.40  # share of the peak that training reaches
    cpu: float = 50e9  # FLOP/s that training sustains in a process without a GPU
    gpu_memory: float = 80e9  # bytes of one GPU: H100
    cpu_memory: float = 16e9  # bytes of a machine without one

    def rate(self, *, gpu: bool) -> float:
        """FLOP/s of one process."""
        return self.peak * self.utilisation if gpu else self.cpu


def forward(model: Model, length: int) -> Figure:
    """FLOPs of a forward pass, per token; without a known shape those of the weights alone."""
    weights = derive(lambda parameters: 2 * parameters, model.parameters)
    attention = derive(lambda layers, hidden: 4 * layers * hidden * length, model.layers, model.hidden)
    if attention.value is None and weights.value is not None:
        return about(weights.value, f"{weights.why}; without attention, whose shape is not known".lstrip("; "))
    return derive(lambda *parts: sum(parts), weights, attention)


def per_token(operation: Train | Dpo, model: Model, teacher: Model | None) -> Figure:
    """FLOPs of training, per position that goes through the model."""
    once = forward(model, operation.length)
    passes = 3 + operation.activation_checkpointing
    whole = derive(lambda cost: passes * cost, once)
    if operation.adapter is not None:
        whole = derive(lambda cost, parameters: cost - 2 * parameters, whole, model.parameters)
    return derive(lambda *parts: sum(parts), whole, _beside(operation, model, teacher, once))


def _beside(operation: Train | Dpo, model: Model, teacher: Model | None, once: Figure) -> Figure:
    """FLOPs of a second model that is only asked."""
    if isinstance(operation, Dpo):
        return once
    if operation.distill is None:
        return ZERO
    cache = operation.distill.cache
    if cache is None:
        return forward(teacher or model, operation.length)
    if cache.method == "hidden":
        asked = teacher or model
        return derive(lambda hidden, vocab: 2 * hidden * vocab, asked.hidden, asked.vocab)
    return ZERO


def seconds(work: Figure, *, processes: int, gpu: bool, machine: Machine) -> Figure:
    """How long that takes; always an estimate."""
    spent = derive(lambda cost: cost / (processes * machine.rate(gpu=gpu)), work)
    return spent if spent.value is None else about(spent.value, spent.why)
