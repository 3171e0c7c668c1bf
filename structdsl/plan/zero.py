"""What 16 bits need of DeepSpeed that it does not do by itself: a stage of ZeRO, and 32 bits to add gradients up in.

Without ZeRO, DeepSpeed's optimizer for 16 bits begins with a step on empty gradients, which decays the weights and has
Adam take its first update 26% too small; and it divides fp16 gradients by a scale that the loss was never multiplied by
(0.19.8: `FP16_UnfusedOptimizer.initialize_optimizer_states`, `DeepSpeedEngine.backward`). ZeRO-1 computes what ZeRO-0
should, and shares out the states of the optimizer on top.

A sum in bf16 has 8 significant bits: from some 256 passes on, one that is added changes nothing any more. See
docs/decisions/0009.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from structdsl.plan.operations import Training

TYPES, ACCUMULATED = "data_types", "grad_accum_dtype"  # DeepSpeed's keys


def zero_stage(deepspeed: Mapping[str, Any], *, half: bool) -> int:
    """0 to 3; `half` is whether weights and gradients have 16 bits."""
    stated = int(deepspeed["zero_optimization"]["stage"])
    return max(1, stated) if half else stated


def accumulates_in_32_bits(deepspeed: Mapping[str, Any], *, precision: str) -> bool:
    """Whether the passes of a step add up in fp32 while weights and gradients have 16 bits: in bf16, unless told."""
    stated = deepspeed.get(TYPES, {}).get(ACCUMULATED)
    return stated == "fp32" or (precision == "bf16" and stated is None)


def planned_stage(training: Training) -> int:
    """As far as the plan tells: `precision = auto` is settled by the machine."""
    return zero_stage(training.deepspeed, half=training.precision in {"bf16", "fp16"})
