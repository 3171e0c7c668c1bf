"""A taxonomy: its nodes, what each rule answers, and the one node of every chunk."""

from __future__ import annotations

from sqlglot import exp

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.lower.rules import find, gather, level_columns, name_nodes, names_paths, place
from structdsl.plan import BuildOutline, Output
from structdsl.promised import NODES, TAXONOMY, columns, links
from structdsl.schema.taxonomy import Headings
from structdsl.unit import Declaration

DOCUMENTS = columns(
    "corpus VARCHAR, doc_id VARCHAR, document VARCHAR, source VARCHAR, heading_id VARCHAR, parent_id VARCHAR,"
    "title VARCHAR, level INTEGER, position BIGINT"
)


def lower_taxonomy(taxonomy: Declaration, planner: Planner) -> None:
    """From headings alone the outline is the tree; rules that name paths add to it; merging comes last.

    Headings are placed in the outline, whose nodes stay what they are: so a costly rule knows what they leave.
    """
    name, values = taxonomy.address, taxonomy.values
    chunks = tuple(f"{corpus}_chunks" for corpus in values.over)
    named = any(names_paths(rule) for rule in values.rules.values())
    merged = values.merge == "by_path"
    trees = f"{name}_trees" if merged else f"{name}_nodes"
    outlined = f"{name}_outlined" if named else trees
    _outline(taxonomy, outlined, planner)
    for rule, settings in values.rules.items():
        if names_paths(settings):
            find(taxonomy, rule, settings, chunks, planner)
        else:
            place(taxonomy, rule, settings, outlined, chunks, planner)
    for suffix in ("titles", "attempts"):
        gather(taxonomy, suffix, planner)
    if named:
        name_nodes(taxonomy, outlined, trees, chunks, planner)
    for rule, settings in values.rules.items():
        if names_paths(settings):
            place(taxonomy, rule, settings, trees, chunks, planner)
    _links(taxonomy, f"{name}_placed" if merged else f"{name}_links", trees, chunks, planner)
    if merged:
        _merge(taxonomy, trees, planner)
    planner.query(
        name,
        "taxonomy",
        name,
        TAXONOMY,
        at=taxonomy.block.head,
        tables={"nodes": f"{name}_nodes", "links": f"{name}_links", "chunks": chunks},
        doc=taxonomy.block.doc,
    )


def _outline(taxonomy: Declaration, table: str, planner: Planner) -> None:
    name, values, blocks = taxonomy.address, taxonomy.values, planner.unit.blocks
    planner.query(
        f"{name}.documents",
        "outline",
        f"{name}_documents",
        DOCUMENTS,
        at=taxonomy.block.head,
        tables={"documents": values.over, "headings": tuple(f"{corpus}_headings" for corpus in values.over)},
        holes={"depth": max((rule.depth for rule in values.rules.values() if isinstance(rule, Headings)), default=0)},
        view=True,
    )
    planner.add(
        f"{name}.nodes",
        BuildOutline(
            root=values.root,
            titles=tuple((blocks[c].name, blocks[c].values.title or title_of(blocks[c].name)) for c in values.over),
        ),
        at=taxonomy.block.head,
        inputs={"documents": planner.owners[f"{name}_documents"]},
        outputs={"nodes": Output(table=table, columns=NODES, doc="The nodes, each with its parent.")},
    )


def _links(taxonomy: Declaration, table: str, nodes: str, chunks: tuple[str, ...], planner: Planner) -> None:
    name, values = taxonomy.address, taxonomy.values
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
    rules = sql.union(answers or [sql.part("no_answers", {})])
    places: sql.Relation = sql.part("levels", {"nodes": nodes}) if values.levels else nodes
    relations = {"chunks": sql.rows_of(chunks), "nodes": nodes, "places": places, "rules": rules}
    levels = level_columns(values.levels, "places.titles[{depth}]")
    if values.resolve == "vote":
        votes = sql.tree("vote", {"rules": rules})
        text = sql.text(sql.redefine(sql.tree("links", relations, levels=levels), "answers", votes))
    else:
        text = sql.fill("links", relations, levels=levels)
    planner.select(
        f"{name}.placed" if values.merge == "by_path" else f"{name}.links",
        text,
        table,
        links(values.levels),
        at=taxonomy.block.head,
        reads=(*chunks, nodes, *(f"{name}_{rule}" for rule in values.rules)),
        purpose=sql.purpose("links"),
    )


def _merge(taxonomy: Declaration, trees: str, planner: Planner) -> None:
    """Equal paths of several trees become one node."""
    name, values = taxonomy.address, taxonomy.values
    planner.query(
        f"{name}.merge", "merged_nodes", f"{name}_nodes", NODES, at=taxonomy.span_of("merge"), tables={"trees": trees}
    )
    planner.query(
        f"{name}.links",
        "merged_links",
        f"{name}_links",
        links(values.levels),
        at=taxonomy.span_of("merge"),
        tables={"placed": f"{name}_placed", "nodes": f"{name}_nodes"},
        holes={"levels": level_columns(values.levels, 'placed."{level}"')},
    )


def title_of(name: str) -> str:
    """A title for what has only a name: `field_notes` becomes `Field notes`."""
    return name.replace("_", " ").capitalize()
