"""The order in which blocks become steps."""

from __future__ import annotations

import dataclasses

import structdsl
from structdsl.diagnostics import Sink
from structdsl.lineage import counting_model, used_models
from structdsl.lower.corpus import chunk_corpus, read_corpus, refine_corpus
from structdsl.lower.evaluation import lower_evaluation
from structdsl.lower.mixture import lower_mixture
from structdsl.lower.model import load_model, tokenizer_of
from structdsl.lower.planner import Planner
from structdsl.lower.stage import graph_node, lower_stage
from structdsl.lower.taxonomy import lower_taxonomy
from structdsl.plan import Graph, Note, Plan
from structdsl.unit import Declaration, Unit


def lower(unit: Unit, sink: Sink) -> Unit:
    """The plan of a spec without errors; a spec with errors has none."""
    if sink.failed:
        return unit
    planner = Planner(unit)
    for corpus in unit.of_kind("corpus"):
        read_corpus(corpus, planner)
    owner = counting_model(unit)
    tokenizer = tokenizer_of(owner, planner) if owner is not None else None
    for model in used_models(unit):
        load_model(model, planner)
    for corpus in unit.of_kind("corpus"):
        refine_corpus(corpus, tokenizer, planner)
        if corpus.values.role in {"domain", "replay"}:
            chunk_corpus(corpus, tokenizer, planner)
    for taxonomy in unit.of_kind("taxonomy"):
        lower_taxonomy(taxonomy, planner)
    for mixture in unit.of_kind("mixture"):
        lower_mixture(mixture, planner)
    stages = in_order(unit)
    for stage in stages:
        lower_stage(stage, planner)
    for evaluation in unit.of_kind("evaluation"):
        lower_evaluation(evaluation, planner)
    for collision in planner.collisions:
        collision.into(sink, unit.source)
    if sink.failed:
        return unit
    nodes = [graph_node(stage, planner) for stage in stages]
    plan = Plan(
        edition=1,
        compiler=structdsl.__version__,
        name=unit.source.path.stem,
        spec=unit.source.path.name,
        parameters=dict(sorted(unit.parameters.items())),
        steps=tuple(planner.steps.values()),
        training=Graph(
            nodes=tuple(node for node, _ in nodes), edges=tuple(edge for _, edges in nodes for edge in edges)
        ),
        reports=tuple(f"{evaluation.address}_scores" for evaluation in unit.of_kind("evaluation")),
        notes=tuple(_notes(unit, planner)),
    )
    return dataclasses.replace(unit, plan=plan)


def in_order(unit: Unit) -> list[Declaration]:
    """Stages, each after the one that it starts from; else in the order of the text."""
    waiting = {stage.address: stage for stage in unit.of_kind("stage")}
    ordered: list[Declaration] = []
    while waiting:
        ready = [stage for stage in waiting.values() if stage.values.from_ not in waiting]
        assert ready, "checked: stages form no circle"
        ordered += [waiting.pop(stage.address) for stage in ready]
    return ordered


def _notes(unit: Unit, planner: Planner) -> list[Note]:
    """What a run should say before it starts."""
    exams = [
        task.corpus
        for evaluation in unit.of_kind("evaluation")
        for task in evaluation.values.tasks.values()
        if unit.blocks[task.corpus].values.role == "exam"
    ]
    if not exams or not unit.of_kind("stage"):
        return []
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(exams))
    message = f"decontamination is not built yet: what is trained on was not held against {names}"
    return [Note(code="W0502", message=message, place=planner.place(unit.of_kind("evaluation")[0].block.head))]
