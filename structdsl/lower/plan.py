"""Blocks to a plan: what is read, what counts tokens, then every block after those that it reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import structdsl
from structdsl.apart import holds_out_first, left_open
from structdsl.diagnostics import Sink
from structdsl.lineage import counting_model, trained_corpora, used_models
from structdsl.lower.check import lower_check
from structdsl.lower.corpus import Progress, prepare_corpus, refine_corpus
from structdsl.lower.evaluation import lower_evaluation
from structdsl.lower.languages import languages_asked_for
from structdsl.lower.made import make_corpus
from structdsl.lower.mixture import lower_mixture
from structdsl.lower.model import load_model, tokenizer_of
from structdsl.lower.order import in_order, tables_read
from structdsl.lower.planner import Planner
from structdsl.lower.read import read_corpus
from structdsl.lower.stage import graph_node, lower_stage
from structdsl.lower.taxonomy import lower_taxonomy
from structdsl.passes.places import task_span
from structdsl.plan import Graph, Note, Placement, Plan
from structdsl.schema.corpus import Corpus
from structdsl.schema.evaluation import LmEval
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration, Unit


def lower(unit: Unit, sink: Sink) -> Unit:
    """The plan of a spec without errors; a spec with errors has none."""
    if sink.failed:
        return unit
    planner = Planner(unit, read=tables_read(unit), languages=languages_asked_for(unit))
    for corpus in unit.of_kind("corpus"):
        if isinstance(corpus.values, Corpus):
            planner.placed = _placed(corpus, unit)
            read_corpus(corpus, planner)
    planner.placed = None
    owner = counting_model(unit)
    tokenizer = tokenizer_of(owner, planner) if owner is not None else None
    for model in used_models(unit):
        load_model(model, planner)
    ordered, circle = in_order(unit)
    if circle is not None:
        circle.into(sink, unit.source)
        return unit
    made: dict[str, Progress] = {}
    for corpus in unit.of_kind("corpus"):
        if holds_out_first(corpus):
            planner.placed = _placed(corpus, unit)
            made[corpus.address] = prepare_corpus(corpus, tokenizer, planner)
    for block in ordered:
        planner.placed = _placed(block, unit)
        _lower(block, made, tokenizer, planner)
    for collision in planner.collisions:
        collision.into(sink, unit.source)
    if sink.failed:
        return unit
    nodes = [graph_node(stage, planner) for stage in ordered if stage.kind == "stage"]
    plan = Plan(
        edition=1,
        compiler=structdsl.__version__,
        name=unit.source.path.stem,
        spec=unit.source.path.name,
        parameters=dict(sorted(unit.parameters.items())),
        profile=unit.profile,
        steps=tuple(planner.steps.values()),
        training=Graph(
            nodes=tuple(node for node, _ in nodes), edges=tuple(edge for _, edges in nodes for edge in edges)
        ),
        reports=tuple(f"{evaluation.address}_scores" for evaluation in unit.of_kind("evaluation")),
        notes=tuple(_notes(unit, planner)),
    )
    return dataclasses.replace(unit, plan=plan)


def _placed(block: Declaration, unit: Unit) -> tuple[Placement, Span] | None:
    """Where the steps of a block of data run; a stage and an evaluation tell each step themselves."""
    if block.kind not in {"corpus", "taxonomy", "mixture"} or block.values.cluster is None:
        return None
    cluster = unit.blocks[block.values.cluster].values
    return Placement(nodes=cluster.nodes, processes=cluster.world), block.span_of("cluster")


def _lower(block: Declaration, made: dict[str, Progress], tokenizer: str | None, planner: Planner) -> None:
    match block.kind:
        case "corpus":
            if not isinstance(block.values, Corpus):
                make_corpus(block, planner)
            progress = made.get(block.address) or prepare_corpus(block, tokenizer, planner)
            refine_corpus(block, progress, tokenizer, planner)
        case "taxonomy":
            lower_taxonomy(block, planner)
        case "mixture":
            lower_mixture(block, planner)
        case "stage":
            lower_stage(block, planner)
        case "evaluation":
            lower_evaluation(block, planner)
        case "check":
            lower_check(block, planner)


def _notes(unit: Unit, planner: Planner) -> list[Note]:
    """What a run should say before it starts."""
    notes: list[Note] = []
    trained = [unit.blocks[name] for name in sorted(trained_corpora(unit))]
    for corpus in trained:
        if corpus.values.decontaminate is None and (tables := left_open(corpus, unit)):
            message = f"`{corpus.address}` cannot be held against {_listed(tables)}, made after it"
            notes.append(Note(code="W0502", message=message, place=planner.place(corpus.block.head)))
    for evaluation in unit.of_kind("evaluation"):
        for name, task in evaluation.values.tasks.items():
            if isinstance(task, LmEval) and trained:
                message = f"no decontamination covers `lm_eval`: nothing was held against what `{name}` asks"
                notes.append(Note(code="W0502", message=message, place=planner.place(task_span(evaluation, name))))
    return notes


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(f"`{address}`" for address in addresses)
