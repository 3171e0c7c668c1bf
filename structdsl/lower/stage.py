"""A stage: rows, samples, tokens, packed rows, and the training that reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from structdsl.lineage import chunking, root_model
from structdsl.lower.model import seed_of, tokenizer_of
from structdsl.lower.planner import Planner, columns, folder
from structdsl.plan import GraphEdge, GraphNode, Guard, Output, Pack, RenderScpt, RenderSsft, Tokenise, Train
from structdsl.plan.operations import Optimizer, Schedule
from structdsl.schema.cluster import Cluster
from structdsl.schema.stage import AdamW, Cosine
from structdsl.unit import Declaration

RENDERED = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, prompt VARCHAR, response VARCHAR,"
    "corpus VARCHAR, doc_id VARCHAR, chunk_id VARCHAR, node_id VARCHAR"
)
TOKENS = columns(
    "position BIGINT, piece INTEGER, input_ids INTEGER[], n_prompt INTEGER, n_tokens INTEGER, n_supervised INTEGER,"
    "mask_reason VARCHAR"
)
SAMPLES = columns(
    "sample_id VARCHAR, kind VARCHAR, prompt VARCHAR, response VARCHAR, corpus VARCHAR, chunk_id VARCHAR,"
    "n_tokens BIGINT, n_supervised BIGINT, mask_reason VARCHAR, position BIGINT, epoch INTEGER, doc_id VARCHAR,"
    "node_id VARCHAR"
)
PACKED = columns(
    "row BIGINT, input_ids INTEGER[], labels INTEGER[],"
    'segments STRUCT("position" BIGINT, piece INTEGER, "start" INTEGER, length INTEGER)[],'
    "n_supervised INTEGER, density DOUBLE"
)
LOG = columns("step BIGINT, loss DOUBLE, grad_norm DOUBLE, lr DOUBLE, tokens BIGINT, tokens_per_second DOUBLE")
SCPT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, corpus VARCHAR, role VARCHAR, kind VARCHAR, text VARCHAR,"
    "doc_id VARCHAR, chunk_id VARCHAR, node_id VARCHAR, heading_path VARCHAR[]"
)
SSFT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, corpus VARCHAR, question VARCHAR, answer VARCHAR, doc_id VARCHAR,"
    "node_id VARCHAR"
)


def lower_stage(stage: Declaration, planner: Planner) -> None:
    root = root_model(stage, planner.unit)
    assert root is not None, "checked: a stage goes back to a model"
    tokenizer = tokenizer_of(root, planner)
    match stage.variant:
        case "cpt":
            _render_cpt(stage, planner)
        case "scpt":
            _render_scpt(stage, tokenizer, planner)
        case "sft":
            _render_sft(stage, planner)
        case "ssft":
            _render_ssft(stage, tokenizer, planner)
    _tokenise_and_pack(stage, tokenizer, planner)
    _train(stage, planner)


def model_reference(address: str) -> str:
    """Where the weights of a model or a stage come out."""
    return f"{address}.train:model" if address.startswith("stage.") else f"{address}.load:model"


def graph_node(stage: Declaration, planner: Planner) -> tuple[GraphNode, tuple[GraphEdge, ...]]:
    """The stage in the training graph, with the edges that lead to it."""
    cluster = _cluster(stage, planner)
    node = GraphNode(
        stage=stage.address,
        variant=stage.variant or "",
        step=f"{stage.address}.train",
        model=model_reference(stage.values.from_),
        data=f"{stage.address}_packed",
        world=cluster.processes,
        deepspeed=f"training/{stage.name}/deepspeed.json",
    )
    edges = (
        GraphEdge(source=stage.values.from_, target=stage.address, relation="from"),
        GraphEdge(source=stage.values.data, target=stage.address, relation="data"),
    )
    return node, edges


def _render_cpt(stage: Declaration, planner: Planner) -> None:
    mixture = stage.values.data
    planner.query(
        f"{stage.address}.render",
        "cpt_samples",
        f"{stage.address}_rendered",
        RENDERED,
        at=stage.span_of("data"),
        tables={"draw": mixture, "pool": f"{mixture}_pool"},
    )


def _render_scpt(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, mixture, taxonomy = stage.address, stage.values.data, stage.values.structure
    planner.query(
        f"{name}.rows",
        "scpt_rows",
        f"{name}_rows",
        SCPT_ROWS,
        at=stage.span_of("data"),
        tables={"draw": mixture, "pool": f"{mixture}_pool", "links": f"{taxonomy}_links"},
        view=True,
    )
    blocks = planner.unit.blocks
    reserve = max(chunking(blocks[corpus], planner.unit).max for corpus in blocks[taxonomy].values.over)
    _add_render(
        stage, RenderScpt(length=stage.values.length, reserve=reserve, seed=seed_of(planner)), tokenizer, planner
    )


def _render_sft(stage: Declaration, planner: Planner) -> None:
    planner.query(
        f"{stage.address}.render",
        "sft_samples",
        f"{stage.address}_rendered",
        RENDERED,
        at=stage.span_of("data"),
        tables={"questions": stage.values.data},
        holes={"epochs": stage.values.epochs, "seed": seed_of(planner)},
    )


def _render_ssft(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, questions, taxonomy = stage.address, stage.values.data, stage.values.structure
    planner.query(
        f"{name}.rows",
        "ssft_rows",
        f"{name}_rows",
        SSFT_ROWS,
        at=stage.span_of("data"),
        tables={"questions": questions, "nodes": f"{taxonomy}_nodes", "links": f"{taxonomy}_links"},
        view=True,
    )
    operation = RenderSsft(
        length=stage.values.length, reveal=stage.values.reveal, epochs=stage.values.epochs, seed=seed_of(planner)
    )
    _add_render(stage, operation, tokenizer, planner)


def _add_render(stage: Declaration, operation: RenderScpt | RenderSsft, tokenizer: str, planner: Planner) -> None:
    name, taxonomy = stage.address, stage.values.structure
    guards: tuple[Guard, ...] = ()
    if isinstance(operation, RenderSsft) and operation.reveal != "none":
        guards = (
            planner.guard(
                "E0706",
                "ssft_unplaced",
                at=stage.span_of("structure"),
                tables={"rows": f"{name}_rows"},
                holes={"corpus": stage.values.data, "taxonomy": taxonomy},
                helps=(
                    'map the column that holds it: `columns = { path: "…" }`',
                    f"the paths are in the column `path` of `{taxonomy}`",
                ),
            ),
        )
    planner.add(
        f"{name}.render",
        operation,
        at=stage.span_of("structure"),
        inputs={
            "rows": planner.owners[f"{name}_rows"],
            "nodes": planner.owners[f"{taxonomy}_nodes"],
            "tokenizer": tokenizer,
        },
        outputs={
            "samples": Output(
                table=f"{name}_rendered", columns=RENDERED, doc="Samples as text: what is shown, what is learnt."
            )
        },
        guards=guards,
    )


def _tokenise_and_pack(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, length = stage.address, stage.values.length
    planner.add(
        f"{name}.tokenise",
        Tokenise(length=length),
        at=stage.span_of("length"),
        inputs={"samples": planner.owners[f"{name}_rendered"], "tokenizer": tokenizer},
        outputs={"tokens": Output(table=f"{name}_tokens", columns=TOKENS, doc="Samples as token ids.")},
    )
    planner.query(
        f"{name}.samples",
        "samples",
        f"{name}_samples",
        SAMPLES,
        at=stage.block.head,
        tables={"rendered": f"{name}_rendered", "tokens": f"{name}_tokens"},
        view=True,
    )
    planner.add(
        f"{name}.pack",
        Pack(length=length, method=stage.values.pack),
        at=stage.span_of("pack", "length"),
        inputs={"tokens": planner.owners[f"{name}_tokens"], "tokenizer": tokenizer},
        outputs={
            "packed": Output(
                table=f"{name}_packed", columns=PACKED, doc="Rows of equal length, the samples in them isolated."
            )
        },
    )


def _train(stage: Declaration, planner: Planner) -> None:
    name, values, cluster = stage.address, stage.values, _cluster(stage, planner)
    planner.add(
        f"{name}.train",
        Train(
            stage=name,
            length=values.length,
            batch=values.batch // values.length,
            optimizer=_optimizer(values.optimizer),
            steps=values.steps,
            label_smoothing=float(values.label_smoothing),
            precision=cluster.precision,
            seed=seed_of(planner),
            activation_checkpointing=values.activation_checkpointing,
            processes=cluster.processes,
            deepspeed=deepspeed_settings(cluster),
        ),
        at=stage.block.head,
        inputs={"model": model_reference(values.from_), "packed": planner.owners[f"{name}_packed"]},
        outputs={
            "model": folder("The adapted weights, loadable by transformers."),
            "log": Output(table=f"{name}_log", columns=LOG, doc="One row an optimizer step."),
        },
        doc=stage.block.doc,
    )


def deepspeed_settings(cluster: Cluster) -> dict[str, Any]:
    """What the spec says to DeepSpeed; batch sizes are set by the runtime, which knows the machine."""
    return {"zero_optimization": {"stage": cluster.deepspeed.zero}}


def _cluster(stage: Declaration, planner: Planner) -> Cluster:
    name = stage.values.cluster
    return planner.unit.blocks[name].values if name else Cluster()


def _optimizer(adamw: AdamW) -> Optimizer:
    schedule = adamw.schedule
    ratio = schedule.warmup if isinstance(schedule.warmup, Decimal) else None
    return Optimizer(
        lr=float(adamw.lr),
        weight_decay=float(adamw.weight_decay),
        clip=float(adamw.clip),
        schedule=Schedule(
            shape="cosine" if isinstance(schedule, Cosine) else "constant",
            warmup_ratio=float(ratio) if ratio is not None else None,
            warmup_steps=None if ratio is not None else int(schedule.warmup),
            floor=float(schedule.floor) if isinstance(schedule, Cosine) else 1.0,
        ),
    )
