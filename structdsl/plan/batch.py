"""The rows of an optimizer step: what the spec asks for, as the processes of its cluster can share it out.

A batch is realised exactly or not at all (E0705); only `about(…)` leaves the choice of the nearest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from structdsl.plan.operations import Dpo, Training

MICRO: Final = "train_micro_batch_size_per_gpu"
CPU_TOKENS: Final = 16_384  # per forward pass on a CPU; fewer, larger passes spare DeepSpeed's work per pass


def rows_a_pass(deepspeed: Mapping[str, Any]) -> int | None:
    """Rows of a forward pass, where `extra` states them."""
    stated = deepspeed.get(MICRO)
    return None if stated == "auto" else stated


def share(*, processes: int, pairs: bool, micro: int | None) -> int:
    """What the rows of a step are a multiple of: those of one pass on every process, of pairs two."""
    return processes * (2 if pairs else 1) * (micro or 1)


def most_rows(room: float, row_bytes: float, length: int, *, gpu: bool) -> int:
    """Rows of a forward pass whose activations fit into `room` bytes."""
    most = int(room // max(1, row_bytes))
    return most if gpu else min(most, CPU_TOKENS // length)


def largest(rows: int, most: int) -> int:
    """The largest divisor of the rows of a process that is at most `most`, or 1."""
    return max(number for number in range(1, rows + 1) if rows % number == 0 and number <= max(1, most))


def realised(training: Training) -> int:
    """Rows of an optimizer step over all processes; of `about(…)` the nearest that can be shared out, up from ties."""
    if not training.about:
        return training.batch
    each = share(processes=training.processes, pairs=isinstance(training, Dpo), micro=rows_a_pass(training.deepspeed))
    return max(1, (training.batch + each // 2) // each) * each
