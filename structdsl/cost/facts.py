"""What is known beside the plan: sizes of earlier results, budgets of mixtures, shapes of models, GPUs.

The plan says what is done; how much of it there is stands in the spec (a budget), in the lock (a shape) or in the
store (rows). All of it is optional: what is missing makes a figure unknown, never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from structdsl.lineage import data_of
from structdsl.lock import Shape, model_shapes
from structdsl.schema.mixture import Epochs
from structdsl.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A table as it was made; `current` where it is the one that this plan would make."""

    rows: int
    tokens: int | None = None  # sum of `n_tokens`, where it has that column
    supervised: int | None = None  # sum of `n_supervised`
    current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a stage reads, and how often."""

    source: str  # address of a mixture or a corpus
    epochs: int = 1
    take: int | None = None  # rows that are chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    sizes: Mapping[str, Size] = field(default_factory=dict)  # by table
    budgets: Mapping[str, int] = field(default_factory=dict)  # tokens, by the address of a mixture
    limits: Mapping[str, int] = field(default_factory=dict)  # rows at most, by the address of a corpus
    feeds: Mapping[str, Feed] = field(default_factory=dict)  # by the address of a stage
    gpus: frozenset[str] = frozenset()  # stages whose cluster has GPUs
    shapes: Mapping[str, Shape] = field(default_factory=dict)  # by the address of a model


def facts_of(unit: Unit, sizes: Mapping[str, Size]) -> Facts:
    """The facts that a spec without errors and its lock state."""
    stages = unit.of_kind("stage")
    clusters = {stage.address: unit.blocks.get(getattr(stage.values, "cluster", None) or "") for stage in stages}
    return Facts(
        sizes=sizes,
        budgets={
            mixture.address: mixture.values.budget
            for mixture in unit.of_kind("mixture")
            if not isinstance(mixture.values.budget, Epochs)
        },
        limits={
            corpus.address: corpus.values.limit
            for corpus in unit.of_kind("corpus")
            if getattr(corpus.values, "limit", None) is not None
        },
        feeds={
            stage.address: Feed(
                source=source,
                epochs=getattr(stage.values, "epochs", 1),
                take=getattr(stage.values.data, "take", None),
            )
            for stage in stages
            if (source := data_of(stage)) is not None
        },
        gpus=frozenset(
            stage
            for stage, cluster in clusters.items()
            if cluster is not None and cluster.values is not None and cluster.values.gpus
        ),
        shapes=model_shapes(unit.lock) if unit.lock is not None else {},
    )
