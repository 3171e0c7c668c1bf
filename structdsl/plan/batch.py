"""The rows of an optimizer step: what the spec asks for, as the processes of its cluster can share it out.

A batch is realised exactly or not at all (E0705); only `about(…)` leaves the choice of the nearest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from structdsl.plan.operations import Dpo, Training

MICRO: Final = "train_micro_batch_size_per_gpu"


def rows_a_pass(deepspeed: Mapping[str, Any]) -> int | None:
    """Rows of a forward pass, where `extra` states them."""
    stated = deepspeed.get(MICRO)
    return None if stated == "auto" else stated


def share(*, processes: int, pairs: bool, micro: int | None) -> int:
    """What the rows of a step are a multiple of: those of one pass on every process, of pairs two."""
    return processes * (2 if pairs else 1) * (micro or 1)


def realised(training: Training) -> int:
    """Rows of an optimizer step over all processes; of `about(…)` the nearest that can be shared out, up from ties."""
    if not training.about:
        return training.batch
    each = share(processes=training.processes, pairs=isinstance(training, Dpo), micro=rows_a_pass(training.deepspeed))
    return max(1, (training.batch + each // 2) // each) * each
