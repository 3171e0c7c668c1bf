"""The stage of ZeRO that a stage trains with: what the spec says, but that 16 bits need one.

Without ZeRO, DeepSpeed's optimizer for 16 bits begins with a step on empty gradients, which decays the weights and has
Adam take its first update 26% too small; and it divides fp16 gradients by a scale that the loss was never multiplied by
(0.19.8: `FP16_UnfusedOptimizer.initialize_optimizer_states`, `DeepSpeedEngine.backward`). ZeRO-1 computes what ZeRO-0
should, and shares out the states of the optimizer on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from structdsl.plan.operations import Training


def zero_stage(deepspeed: Mapping[str, Any], *, half: bool) -> int:
    """0 to 3; `half` is whether weights and gradients have 16 bits."""
    stated = int(deepspeed["zero_optimization"]["stage"])
    return max(1, stated) if half else stated


def planned_stage(training: Training) -> int:
    """As far as the plan tells: `precision = auto` is settled by the machine."""
    return zero_stage(training.deepspeed, half=training.precision in {"bf16", "fp16"})
