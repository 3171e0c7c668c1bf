"""What a step leaves to the machine enters its key."""

from __future__ import annotations

from typing import Any

import pytest

from structdsl.plan import CacheTeacher, Dpo, Train
from structdsl.plan.operations import Cache, Optimizer, Schedule
from structdsl_runtime import settled

OPTIMIZER = Optimizer(lr=1e-3, weight_decay=0.0, clip=1.0, schedule=Schedule(shape="constant"))


def training(kind: type[Any] = Train, **more: Any) -> Any:
    fields = {
        "stage": "stage.s",
        "length": 64,
        "batch": 10,
        "optimizer": OPTIMIZER,
        "steps": None,
        "label_smoothing": 0.0,
        "precision": "auto",
        "seed": 0,
        "activation_checkpointing": False,
        "processes": 1,
        "deepspeed": {},
    }
    return kind(**fields | more)


BATCHES = {
    "exact": ({}, 10),
    "about": ({"about": True}, 10),
    "shared by three": ({"about": True, "processes": 3}, 9),
    "by four, tied": ({"about": True, "processes": 4}, 12),
    "by many": ({"about": True, "processes": 64}, 64),
    "passes of four rows": ({"about": True, "deepspeed": {"train_micro_batch_size_per_gpu": 4}}, 12),
    "free passes": ({"about": True, "deepspeed": {"train_micro_batch_size_per_gpu": "auto"}}, 10),
    "pairs": ({"about": True, "processes": 3, "kind": Dpo, "beta": 0.1}, 12),
}


@pytest.mark.parametrize(("more", "rows"), BATCHES.values(), ids=BATCHES)
def test_the_nearest_batch_that_can_be_shared_out(more: dict[str, Any], rows: int) -> None:
    found = settled.settled(training(**more))
    assert (found.batch, found.about) == (rows, False)


@pytest.mark.parametrize(("gpus", "said", "found"), [(0, "auto", "fp32"), (8, "auto", "bf16"), (8, "fp32", "fp32")])
def test_precision(gpus: int, said: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled, "gpus", lambda: gpus)
    asked: Any = CacheTeacher(cache=Cache(method="hidden"), precision=said)
    for operation in (training(precision=said), asked):
        assert settled.settled(operation).precision == found
