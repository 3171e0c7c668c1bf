"""Learning rates of a stage, step by step."""

from __future__ import annotations

import math

import pytest

from structdsl.plan.operations import Schedule
from structdsl_runtime.training.schedule import share, steps_of, warmup_steps
from tests.training.stage_fakes import train_arguments


def test_warm_up_learns_from_the_first_step() -> None:
    schedule = Schedule(shape="cosine", warmup_steps=4)
    assert [share(schedule, step, 20) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_cosine_falls_from_the_peak_to_the_floor() -> None:
    schedule = Schedule(shape="cosine", warmup_ratio=0.0, floor=0.1)
    shares = [share(schedule, step, 100) for step in range(101)]
    assert shares[0] == 1.0
    assert shares[50] == pytest.approx(0.55)
    assert shares[100] == pytest.approx(0.1)
    assert shares == sorted(shares, reverse=True)


def test_cosine() -> None:
    schedule = Schedule(shape="cosine", warmup_ratio=0.03, floor=0.0)
    assert warmup_steps(schedule, 90) == 3
    assert share(schedule, 32, 90) == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)))


def test_constant() -> None:
    schedule = Schedule(shape="constant", warmup_steps=2, floor=0.5)
    assert [share(schedule, step, 4) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]


def test_a_stage_ends_with_its_rows_or_its_cap() -> None:
    assert steps_of(train_arguments(batch=4), 9) == 3
    assert steps_of(train_arguments(batch=4, steps=2), 9) == 2
    assert steps_of(train_arguments(batch=4, steps=7), 9) == 3


def test_warm_up_longer_than_the_stage_is_cut() -> None:
    schedule = Schedule(shape="cosine", warmup_steps=100)
    assert [share(schedule, step, 2) for step in range(2)] == [0.5, 1.0]
