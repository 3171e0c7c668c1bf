"""What a step leaves to the machine and the result depends on: settled before the key, so that it enters the key.

The plan and the recipe hold what the spec says. `precision = auto` and `batch = about(…)` are another computation on
another machine; all else that a cluster says is placement.
"""

from __future__ import annotations

from typing import TypeVar

from structdsl.plan.batch import realised
from structdsl.plan.operations import Arguments, CacheTeacher, Training
from structdsl_runtime.machine import gpus

Settled = TypeVar("Settled", bound=Arguments)


def settled(operation: Settled) -> Settled:
    """The operation as this machine carries it out: `auto` is bf16 on a GPU and fp32 on a CPU."""
    changes: dict[str, object] = {}
    if isinstance(operation, Training | CacheTeacher) and operation.precision == "auto":
        changes = {"precision": "bf16" if gpus() else "fp32"}
    if isinstance(operation, Training):
        changes |= {"batch": realised(operation), "about": False}
    return operation.model_copy(update=changes)
