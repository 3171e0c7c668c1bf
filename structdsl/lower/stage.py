"""A stage: the samples that it reads, and the training that makes a model of them; a merge reads none."""

from __future__ import annotations

from typing import Any

from structdsl.lineage import data_of, mixed_corpora, origin, structure_of
from structdsl.lower import settings
from structdsl.lower.inputs import model_reference
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner, folder
from structdsl.lower.provenance import lower_lineage
from structdsl.lower.samples import lower_samples
from structdsl.plan import CacheTeacher, Dpo, GraphEdge, GraphNode, MergeModels, Output, Train
from structdsl.plan.operations import Cache, Distill
from structdsl.promised import CHECKPOINTS, LOG, LOSS, TEACHER, columns
from structdsl.unit import Declaration

HIDDEN = columns("position BIGINT, hidden FLOAT[]")  # of the first sample that reads so
TEXTS = columns("sample_id VARCHAR, position BIGINT, offset BIGINT, text VARCHAR")
STATES = columns("text VARCHAR, offset BIGINT, ids INTEGER[], logprobs FLOAT[], hidden FLOAT[]")


def lower_stage(stage: Declaration, planner: Planner) -> None:
    if stage.variant == "merge":
        _merge(stage, planner)
        return
    lower_samples(stage, planner)
    lower_lineage(stage, _corpora(stage, planner), planner)
    _train(stage, planner)


def graph_node(stage: Declaration, planner: Planner) -> tuple[GraphNode, tuple[GraphEdge, ...]]:
    """The stage in the training graph, with the edges that lead to it."""
    name, values = stage.address, stage.values
    if stage.variant == "merge":
        node = GraphNode(
            stage=name,
            variant="merge",
            step=f"{name}.merge",
            trainer="merge_models",
            model=model_reference(values.base, planner),
            world=1,
            outputs={"model": f"{name}.merge:model"},
        )
        return node, tuple(_edge(parent, name, "from") for parent in (values.base, values.tuned))
    step, cluster = planner.steps[f"{name}.train"], settings.cluster_of(stage, planner)
    node = GraphNode(
        stage=name,
        variant=stage.variant or "",
        step=step.address,
        trainer="dpo" if stage.variant == "dpo" else "train",
        model=step.inputs["model"],
        teacher=model_reference(_teacher(stage), planner) if values.distill is not None else None,
        data=f"{name}_packed",
        world=cluster.world,
        nodes=cluster.nodes,
        deepspeed=f"training/{stage.name}/deepspeed.json",
        outputs={key: output.table or f"{step.address}:{key}" for key, output in step.outputs.items()},
    )
    edges = [_edge(values.from_, name, "from"), _edge(data_of(stage) or "", name, "data")]
    if values.distill is not None:
        edges.insert(1, _edge(_teacher(stage), name, "teacher"))
    return node, tuple(edges)


def _edge(source: str, target: str, relation: Any) -> GraphEdge:
    return GraphEdge(source=source, target=target, relation=relation)


def _teacher(stage: Declaration) -> str:
    """The address of who a stage learns from."""
    address: str = stage.values.distill.teacher or origin(stage)
    return address


def _merge(stage: Declaration, planner: Planner) -> None:
    values = stage.values
    planner.add(
        f"{stage.address}.merge",
        MergeModels(weight=float(values.weight)),
        at=stage.block.head,
        inputs={"base": model_reference(values.base, planner), "tuned": model_reference(values.tuned, planner)},
        outputs={"model": folder("Weights between two models, loadable by transformers.")},
        doc=stage.block.doc,
    )


def _train(stage: Declaration, planner: Planner) -> None:
    name, values, cluster = stage.address, stage.values, settings.cluster_of(stage, planner)
    arguments: dict[str, Any] = {
        "stage": name,
        "length": values.length,
        "batch": settings.rows(stage),
        "about": not isinstance(values.batch, int),
        "optimizer": settings.optimizer(values.optimizer),
        "steps": values.steps,
        "label_smoothing": float(values.label_smoothing),
        "precision": cluster.precision,
        "seed": seed_of(planner),
        "adapter": settings.adapter(values.adapter),
        "activation_checkpointing": values.activation_checkpointing,
        "processes": cluster.world,
        "nodes": cluster.nodes,
        "launcher": settings.launcher(cluster),
        "deepspeed": settings.deepspeed(cluster),
        "checkpoint": settings.checkpoint(cluster),
        "trackers": values.trackers,
        "probes": values.probes,
        "evaluate_every": values.evaluate_every,
        "corpora": _roles(stage, planner),
    }
    inputs = {
        "model": model_reference(values.from_, planner),
        "packed": planner.owners[f"{name}_packed"],
        "samples": planner.owners[f"{name}_samples"],
    }
    inputs |= {probe: planner.owners[probe] for probe in values.probes}
    if values.adapter == "continue":
        before = f"{values.from_}.train"
        inputs |= {"model": planner.steps[before].inputs["model"], "adapter": f"{before}:adapter"}
    if stage.variant == "dpo":
        operation: Train | Dpo = Dpo.model_validate(arguments | {"beta": float(values.beta)})
    else:
        spec = settings.distill(values.distill) if values.distill is not None else None
        operation = Train.model_validate(arguments | {"distill": spec})
        if spec is not None:
            inputs |= _learned_from(stage, spec, planner)
    outputs = {
        "model": folder("The adapted weights, loadable by transformers."),
        "log": Output(table=f"{name}_log", columns=LOG, doc="One row an optimizer step."),
        "loss": Output(table=f"{name}_loss", columns=LOSS, doc="The loss of each corpus on the way."),
        "checkpoints": Output(table=f"{name}_checkpoints", columns=CHECKPOINTS, doc="States that were saved."),
    }
    if values.adapter is not None:
        outputs["adapter"] = folder("The low-rank updates by themselves.")
    planner.add(
        f"{name}.train",
        operation,
        at=stage.block.head,
        inputs=inputs,
        outputs=outputs,
        places=settings.places(stage, planner),
        doc=stage.block.doc,
    )


def _roles(stage: Declaration, planner: Planner) -> dict[str, str]:
    """The corpora that the samples of a stage come from, as their column `corpus` names them, and the role of each."""
    return {planner.unit.blocks[name].name: role for name, role in _corpora(stage, planner).items()}


def _corpora(stage: Declaration, planner: Planner) -> dict[str, str]:
    """The addresses of the corpora that the samples of a stage come from, and the role of each."""
    blocks, data = planner.unit.blocks, data_of(stage)
    assert data is not None, "only a merge reads nothing"
    names = (data,) if blocks[data].kind == "corpus" else mixed_corpora(blocks[data], planner.unit)
    taxonomy = structure_of(stage, planner.unit) if stage.variant in {"scpt", "ssft"} else None
    told = blocks[taxonomy].values.over if taxonomy is not None else ()  # recalled, whatever the data is
    return {name: blocks[name].values.role for name in (*names, *told)}


def _learned_from(stage: Declaration, spec: Distill, planner: Planner) -> dict[str, str]:
    """The inputs that distillation adds: the teacher, or what was kept of it."""
    teacher = model_reference(_teacher(stage), planner)
    if spec.cache is None:
        return {"teacher": teacher}
    if spec.cache.method == "hidden":
        return _states(stage, spec.cache, teacher, planner) | {"teacher": teacher}
    table = f"teacher.{stage.name}"
    doc = "What the teacher makes of each supervised position: the token, its first choice, and more."
    operation = CacheTeacher(
        cache=spec.cache,
        precision=settings.cluster_of(stage, planner).precision,
        temperature=spec.temperature,
        seed=seed_of(planner),
    )
    _ask(stage, operation, teacher, {"targets": Output(table=table, columns=TEACHER, doc=doc)}, planner)
    return {"targets": planner.owners[table]}


def _states(stage: Declaration, cache: Cache, teacher: str, planner: Planner) -> dict[str, str]:
    """Hidden states by what was read, which stages share; and as a view, those of the samples of this one."""
    table = f"teacher.{stage.name}"
    texts, states = f"{table}_texts", f"{table}_states"
    outputs = {
        "texts": Output(table=texts, columns=TEXTS, doc="What the samples read, by name."),
        "states": Output(
            table=states, columns=STATES, doc="What the teacher makes of texts, those of other stages among them."
        ),
    }
    operation = CacheTeacher(cache=cache, precision=settings.cluster_of(stage, planner).precision)
    _ask(stage, operation, teacher, outputs, planner)
    planner.query(
        f"{stage.address}.targets",
        "teacher_states",
        table,
        (*TEACHER, *HIDDEN),
        at=stage.span_of("distill"),
        tables={"texts": texts, "states": states},
        view=True,
    )
    return {"states": planner.owners[states]}


def _ask(
    stage: Declaration, operation: CacheTeacher, teacher: str, outputs: dict[str, Output], planner: Planner
) -> None:
    planner.add(
        f"{stage.address}.teacher",
        operation,
        at=stage.span_of("distill"),
        inputs={
            "model": teacher,
            "samples": planner.owners[f"{stage.address}_samples"],
            "tokens": planner.owners[f"{stage.address}_tokens"],
        },
        outputs=outputs,
    )
