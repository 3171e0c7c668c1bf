"""The learning rate over a stage: a rise from nothing to the peak, then a shape down to the floor.

Step k counts from 0. Warm-up of w steps gives (k + 1)/w of the peak: the first step already learns. Behind it
p = (k − w)/(n − w) runs from 0 towards 1, and the share of the peak is floor + (1 − floor)·shape(p).
"""

from __future__ import annotations

import math

from structdsl.plan import Train
from structdsl.plan.operations import Schedule


def steps_of(arguments: Train, rows: int) -> int:
    """Optimizer steps of a stage: all rows once, or the cap, whichever comes first."""
    steps = -(-rows // arguments.batch)
    return steps if arguments.steps is None else min(steps, arguments.steps)


def warmup_steps(schedule: Schedule, steps: int) -> int:
    """Steps of warm-up among `steps`: as stated, or the ratio rounded up."""
    if schedule.warmup_steps is not None:
        return min(schedule.warmup_steps, steps)
    return math.ceil((schedule.warmup_ratio or 0.0) * steps)


def share(schedule: Schedule, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) as a share of the peak."""
    warmup = warmup_steps(schedule, steps)
    if step < warmup:
        return (step + 1) / warmup
    if schedule.shape == "constant":
        return 1.0
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return schedule.floor + (1.0 - schedule.floor) * 0.5 * (1.0 + math.cos(math.pi * progress))
