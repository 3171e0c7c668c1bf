"""A taxonomy: its nodes, what each rule answers, and the one node of every chunk."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.lower.planner import Planner, columns
from structdsl.plan import BuildOutline, Column, Output
from structdsl.unit import Declaration

NODES = columns(
    "node_id VARCHAR, parent_id VARCHAR, tree_id VARCHAR, corpus VARCHAR, doc_id VARCHAR, heading_id VARCHAR,"
    "path VARCHAR, title VARCHAR, depth INTEGER, position BIGINT"
)
ANSWERS = columns("chunk_id VARCHAR, node_id VARCHAR, score DOUBLE, evidence VARCHAR")
TAXONOMY = columns(
    "node_id VARCHAR, parent_id VARCHAR, path VARCHAR, title VARCHAR, depth INTEGER, position BIGINT,"
    "n_chunks BIGINT, n_chunks_total BIGINT, n_tokens BIGINT"
)


def lower_taxonomy(taxonomy: Declaration, planner: Planner) -> None:
    name, values = taxonomy.address, taxonomy.values
    chunks = tuple(f"{corpus}_chunks" for corpus in values.over)
    headings = tuple(f"{corpus}_headings" for corpus in values.over)
    _nodes(taxonomy, planner)
    for rule, settings in values.rules.items():
        planner.query(
            f"{name}.{rule}",
            "headings",
            f"{name}_{rule}",
            ANSWERS,
            at=taxonomy.block.head,
            tables={"chunks": chunks, "headings": headings, "nodes": f"{name}_nodes"},
            holes={"depth": settings.depth},
        )
    _links(taxonomy, chunks, planner)
    planner.query(
        name,
        "taxonomy",
        name,
        TAXONOMY,
        at=taxonomy.block.head,
        tables={"nodes": f"{name}_nodes", "links": f"{name}_links", "chunks": chunks},
        doc=taxonomy.block.doc,
    )


def _nodes(taxonomy: Declaration, planner: Planner) -> None:
    name, values, blocks = taxonomy.address, taxonomy.values, planner.unit.blocks
    inputs = {}
    for corpus in values.over:
        short = blocks[corpus].name
        inputs[short] = planner.owners[corpus]
        inputs[f"{short}_headings"] = planner.owners[f"{corpus}_headings"]
    planner.add(
        f"{name}.nodes",
        BuildOutline(
            root=values.root,
            depth=max((rule.depth for rule in values.rules.values()), default=0),
            titles=tuple((blocks[c].name, blocks[c].values.title or title_of(blocks[c].name)) for c in values.over),
        ),
        at=taxonomy.block.head,
        inputs=inputs,
        outputs={"nodes": Output(table=f"{name}_nodes", columns=NODES, doc="The nodes, each with its parent.")},
    )


def _links(taxonomy: Declaration, chunks: tuple[str, ...], planner: Planner) -> None:
    name, values = taxonomy.address, taxonomy.values
    levels = [
        exp.alias_(sqlglot.parse_one(f"levels.titles[{depth}]", dialect=sql.DIALECT), level)
        for depth, level in enumerate(values.levels, 1)
    ]
    link_columns = (
        *columns("chunk_id VARCHAR, doc_id VARCHAR, node_id VARCHAR, path VARCHAR"),
        *(Column(name=level, type="VARCHAR") for level in values.levels),
        *columns("rule VARCHAR, score DOUBLE, evidence VARCHAR"),
    )
    answers = [
        exp.select(
            exp.column("chunk_id"),
            exp.column("node_id"),
            exp.alias_(exp.Literal.string(rule), "rule"),
            exp.column("score"),
            exp.column("evidence"),
            exp.alias_(exp.Literal.number(rank), "rank"),
        ).from_(sql.table(f"{name}_{rule}"))
        for rank, rule in enumerate(values.rules)
    ]
    relations = {
        "chunks": sql.rows_of(chunks),
        "nodes": f"{name}_nodes",
        "rules": sql.union(answers or [sql.tree("no_answers", {})]),
    }
    planner.select(
        f"{name}.links",
        sql.fill("links", relations, levels=levels),
        f"{name}_links",
        link_columns,
        at=taxonomy.block.head,
        reads=(*chunks, f"{name}_nodes", *(f"{name}_{rule}" for rule in values.rules)),
        purpose=sql.purpose("links"),
    )


def title_of(name: str) -> str:
    """A title for what has only a name: `field_notes` becomes `Field notes`."""
    return name.replace("_", " ").capitalize()
