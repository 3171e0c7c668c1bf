"""What the runs measured: one number for each seed, arm and measure, read from the tables that the runs left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from structdsl_runtime.ask import query

WEIGHTED: Final = frozenset({"kd", "kd_replay", "lssd", "lssd_replay", "interpolated"})

RUNS: Final = "SELECT run_id, parameters FROM meta.runs WHERE status = 'done' ORDER BY started_at"
FACTS: Final = "SELECT model, path, avg(score) FROM evaluation.board WHERE task = 'facts' GROUP BY model, path"
TEXTS: Final = """
SELECT model, task, value FROM evaluation.board_scores
WHERE (task, metric) IN (('old', 'perplexity'), ('new', 'perplexity'), ('drift', 'divergence'))
"""
GATE: Final = "SELECT task, value FROM evaluation.gate_scores WHERE metric = 'exact_match'"

SENTENCES: Final = ("told", "untold")
ARMS: Final = (
    "base",
    "ce",
    "ce_replay",
    "kd",
    "kd_replay",
    "lssd",
    "lssd_replay",
    "interpolated",
    "half_rate",
    "smoothed",
    "equal_flops",
)


@dataclass(slots=True)
class Measured:
    """`values[seed][arm][measure]`; shares are shares, texts are nats a token. `gate[seed][task]` is of the base."""

    values: dict[int, dict[str, dict[str, float]]] = field(default_factory=dict)
    gate: dict[int, dict[str, float]] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        return sorted(self.values)

    @property
    def arms(self) -> list[str]:
        """Arms that every seed has, the weights of one beside each other."""
        shared = set.intersection(*(set(arms) for arms in self.values.values()))
        return sorted(shared, key=lambda arm: (ARMS.index(arm.partition("@")[0]), arm))

    def of(self, measure: str, arm: str) -> list[float]:
        """The values of an arm, a seed each; NaN where it was not measured."""
        return [self.values[seed][arm].get(measure, math.nan) for seed in self.seeds]


def read(store: Path, *, hidden: int) -> Measured:
    """What the finished runs of a model of this size measured; a later run of the same seed and weight replaces."""
    measured = Measured()
    for run, parameters in _runs(store):
        if int(parameters["hidden"]) != hidden:
            continue
        seed, percent = int(parameters["seed"]), _percent(parameters["weight"])
        arms = measured.values.setdefault(seed, {})
        for model, group, value in query(store, FACTS, run=run).rows:
            _arm(arms, model, percent)[group.replace("/", "_")] = float(value)
        for model, task, value in query(store, TEXTS, run=run).rows:
            found = _arm(arms, model, percent)
            found["drift" if task == "drift" else f"{task}_nats"] = float(value) if task == "drift" else math.log(value)
        measured.gate[seed] = {task: float(value) for task, value in query(store, GATE, run=run).rows}
    for arms in measured.values.values():
        for found in arms.values():
            for who in ("new", "kept", "known"):
                found[f"{who}_sentences"] = sum(found[f"{who}_{form}"] for form in SENTENCES) / len(SENTENCES)
                found[f"{who}_questions"] = found[f"{who}_question"]
    return measured


def _runs(store: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for run, parameters in query(store, RUNS).rows:
        yield run, parameters if isinstance(parameters, dict) else json.loads(parameters)


def _arm(arms: dict[str, dict[str, float]], model: str, percent: int) -> dict[str, float]:
    name = model.removeprefix("stage.")
    return arms.setdefault(f"{name}@{percent}" if name in WEIGHTED else name, {})


def _percent(weight: str) -> int:
    """Of a ratio as the plan writes it: `0.5`, or `50%`."""
    return round(float(weight.removesuffix("%"))) if weight.endswith("%") else round(100 * float(weight))
