"""What a plan costs: each training stage, calls of models behind a server, and what of it a run would still spend.

Pure: a plan, what is known beside it and a machine in, figures out.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from structdsl.cost.compute import Machine
from structdsl.cost.facts import Facts
from structdsl.cost.figure import Figure, about, most, total
from structdsl.cost.stage import StageCost, stage_cost
from structdsl.plan import CacheTeacher, Plan, Step, Structurise, Synthesise


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    machine: Machine
    stages: tuple[StageCost, ...]
    calls: Mapping[str, Figure]  # of a model behind a server, by the address of the step

    @property
    def flops(self) -> Figure:
        return total([stage.all_flops for stage in self.stages])

    @property
    def seconds(self) -> Figure:
        return total([stage.seconds for stage in self.stages])

    @property
    def teacher_cache(self) -> Figure:
        return total([stage.teacher_cache for stage in self.stages if stage.teacher_cache is not None])

    @property
    def llm_calls(self) -> Figure:
        return total(self.calls.values())


def estimate(
    plan: Plan, facts: Facts, *, machine: Machine | None = None, only: Collection[str] | None = None
) -> Estimate:
    """The cost of the steps in `only`, or of all."""
    machine = machine or Machine()
    steps = {step.address: step for step in plan.steps}
    wanted = steps.keys() if only is None else set(only)
    kept = {node.stage: _kept(node.stage, steps) for node in plan.training.nodes}
    first = {asked: stage for stage, asked in reversed(kept.items())}
    costs = [
        stage_cost(node, steps, facts, machine, told=first[kept[node.stage]] != node.stage)
        for node in plan.training.nodes
        if node.step in wanted
    ]
    calls = {
        step.address: figure for step in plan.steps if step.address in wanted and (figure := _calls(step)) is not None
    }
    return Estimate(machine=machine, stages=tuple(cost for cost in costs if cost is not None), calls=calls)


def _kept(stage: str, steps: Mapping[str, Step]) -> Hashable:
    """What a stage asks a teacher once for all stages, or the stage itself where it asks nothing of the kind."""
    step = steps.get(f"{stage}.teacher")
    if step is None or not isinstance(step.operation, CacheTeacher) or step.operation.cache.method != "hidden":
        return stage
    tokens = steps[step.inputs["tokens"].rpartition(":")[0]]
    return step.inputs["model"], tokens.recipe, step.operation.precision


def _calls(step: Step) -> Figure | None:
    """How often a step asks a model, each attempt a call."""
    match step.operation:
        case Structurise(max_calls=cap):
            return most(cap, "its `max_calls`")
        case Synthesise(hops=hops):
            return about(sum(number for _, number in hops), "one for each row that is asked for")
        case _:
            return None
