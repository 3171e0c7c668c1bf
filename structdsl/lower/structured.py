"""Stages that show the structure: chunks under the maps of their places, and questions beside theirs."""

from __future__ import annotations

from structdsl.lineage import chunking, data_of, structure_of
from structdsl.lower.inputs import chosen_rows, template_of
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner
from structdsl.plan import SMALL_TREE, Guard, Ordered, Output, RenderScpt, RenderSsft
from structdsl.plan.operations import Template
from structdsl.promised import NODES, RECALLS, RENDERED, TOKENS, columns
from structdsl.unit import Declaration

PLACES = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, corpus VARCHAR, node_id VARCHAR, tree_id VARCHAR"
)
SCPT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, corpus VARCHAR, doc_id VARCHAR, chunk_id VARCHAR,"
    "node_id VARCHAR, tree_id VARCHAR, heading VARCHAR, text VARCHAR"
)
SSFT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, corpus VARCHAR, question VARCHAR, answer VARCHAR,"
    'messages STRUCT("role" VARCHAR, "content" VARCHAR)[], doc_id VARCHAR, node_id VARCHAR, tree_id VARCHAR'
)


def lower_scpt(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    """The tables `_rendered` and `_tokens` of a stage whose chunks are shown in their places."""
    name, mixture, taxonomy = stage.address, stage.values.data, stage.values.structure
    drawn = {"draw": mixture, "links": f"{taxonomy}_links", "nodes": f"{taxonomy}_nodes"}
    planner.query(
        f"{name}.recalls",
        "recalls",
        f"{name}_recalls",
        RECALLS,
        at=stage.span_of("structure", "data"),
        tables=drawn,
        holes={"small": SMALL_TREE, "seed": seed_of(planner)},
    )
    planner.query(
        f"{name}.places",
        "scpt_places",
        f"{name}_places",
        PLACES,
        at=stage.span_of("structure", "data"),
        tables={**drawn, "recalls": f"{name}_recalls"},
    )
    planner.query(
        f"{name}.rows",
        "scpt_rows",
        f"{name}_rows",
        SCPT_ROWS,
        at=stage.span_of("data"),
        tables={
            "places": f"{name}_places",
            "pool": f"{mixture}_pool",
            "recalls": f"{name}_recalls",
            "nodes": f"{taxonomy}_nodes",
        },
        split=Ordered(key="position"),
    )
    trees = _trees(stage, taxonomy, planner)
    blocks = planner.unit.blocks
    reserve = max(chunking(blocks[corpus], planner.unit).max for corpus in blocks[taxonomy].values.over)
    planner.add(
        f"{name}.render",
        RenderScpt(length=stage.values.length, reserve=reserve),
        at=stage.span_of("structure", "data"),
        inputs={"rows": planner.owners[f"{name}_rows"], "trees": trees, "tokenizer": tokenizer},
        outputs={"samples": _rendered(name), "tokens": tokens_output(name)},
    )


def lower_ssft(stage: Declaration, root: Declaration, tokenizer: str, planner: Planner) -> None:
    """The table `_rendered` of a stage whose questions are shown beside their places."""
    name, taxonomy = stage.address, structure_of(stage, planner.unit)
    assert taxonomy is not None, "checked: an ssft stage has a structure"
    questions = chosen_rows(stage, root, tokenizer, planner)
    planner.query(
        f"{name}.rows",
        "ssft_rows",
        f"{name}_rows",
        SSFT_ROWS,
        at=stage.span_of("data"),
        tables={"questions": questions, "nodes": f"{taxonomy}_nodes", "links": f"{taxonomy}_links"},
        view=True,
    )
    template: Template | None = None
    inputs: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    if stage.values.template is not None:
        template, inputs, sources = template_of(stage.values.template, root, planner)
    operation = RenderSsft(
        length=stage.values.length,
        reveal=stage.values.reveal,
        epochs=stage.values.epochs,
        seed=seed_of(planner),
        template=template,
    )
    guards: tuple[Guard, ...] = ()
    if operation.reveal != "none":
        guards = (
            planner.guard(
                "E0706",
                "ssft_unplaced",
                at=stage.span_of("structure", "data"),
                tables={"rows": f"{name}_rows"},
                holes={"corpus": data_of(stage), "taxonomy": taxonomy},
                helps=(
                    'map the column that holds it: `columns = { path: "…" }`',
                    f"the paths are in the column `path` of `{taxonomy}`",
                ),
            ),
        )
    planner.add(
        f"{name}.render",
        operation,
        at=stage.span_of("structure", "data"),
        inputs={
            "rows": planner.owners[f"{name}_rows"],
            "trees": _trees(stage, taxonomy, planner),
            "tokenizer": tokenizer,
            **inputs,
        },
        sources=sources,
        outputs={"samples": _rendered(name)},
        guards=guards,
        places={"template": stage.span_of("template")} if stage.attribute("template") is not None else {},
    )


def _trees(stage: Declaration, taxonomy: str, planner: Planner) -> str:
    """The trees that rows of a stage are of: no part of a table of rows has to know any other."""
    table = f"{stage.address}_trees"
    planner.query(
        f"{stage.address}.trees",
        "stage_trees",
        table,
        NODES,
        at=stage.span_of("structure", "data"),
        tables={"rows": f"{stage.address}_rows", "nodes": f"{taxonomy}_nodes"},
        view=True,
    )
    return planner.owners[table]


def _rendered(name: str) -> Output:
    return Output(table=f"{name}_rendered", columns=RENDERED, doc="Samples as text: what is shown, what is learnt.")


def tokens_output(stage: str) -> Output:
    return Output(table=f"{stage}_tokens", columns=TOKENS, doc="Samples as token ids.")
