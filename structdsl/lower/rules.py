"""Rules that name paths: what each finds, and the nodes that the paths become.

A rule other than `headings` finds (chunk, path) pairs, in a table of its own; the paths of all rules then become nodes,
and only then is each pair led to its node. So no rule has to know the tree.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.lower.asked import asked_model
from structdsl.lower.planner import Planner, fill
from structdsl.passes.places import nested_span
from structdsl.plan import EmbedChunks, GroupByCohesion, Operation, Output, ReadStructure, ReadTerms, Structurise
from structdsl.promised import ATTEMPTS, NODES, TITLES, columns
from structdsl.schema.taxonomy import (
    Cohesion,
    Embedding,
    File,
    Given,
    Headings,
    Keywords,
    Regex,
    Rule,
    SqlRule,
)
from structdsl.schema.taxonomy import Structurise as StructuriseRule
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration

FOUND = columns("chunk_id VARCHAR, path VARCHAR, score DOUBLE, evidence VARCHAR")
TERMS = columns("term VARCHAR")
GIVEN = columns("path VARCHAR, title VARCHAR")


def names_paths(rule: Rule) -> bool:
    return not isinstance(rule, Headings)


def find(taxonomy: Declaration, name: str, rule: Rule, chunks: tuple[str, ...], planner: Planner) -> None:
    """What a rule finds, as `taxonomy.<t>_<rule>_found`."""
    at = nested_span(taxonomy, "rule", name)
    table = f"{taxonomy.address}_{name}_found"
    match rule:
        case Keywords():
            _keywords(taxonomy, name, rule, chunks, at, planner)
        case Regex():
            holes: dict[str, object] = {"path": rule.path, "pattern": rule.pattern, "at_least": rule.at_least}
            step = f"{taxonomy.address}.{name}.find"
            planner.query(step, "regex", table, FOUND, at=at, tables={"chunks": chunks}, holes=holes)
        case SqlRule():
            _sql(taxonomy, name, rule, chunks, at, planner)
        case _:
            _operation(taxonomy, name, rule, chunks, at, planner)


def _keywords(
    taxonomy: Declaration, name: str, rule: Keywords, chunks: tuple[str, ...], at: Span, planner: Planner
) -> None:
    step, reads = f"{taxonomy.address}.{name}", chunks
    if isinstance(rule.terms, File):
        words = f"{taxonomy.address}_{name}_terms"
        planner.add(
            f"{step}.terms",
            ReadTerms(path=rule.terms.path),
            at=at,
            sources=(rule.terms.path,),
            outputs={"terms": Output(table=words, columns=TERMS, doc="The terms of the file.")},
        )
        terms: str | exp.Query = words
        reads = (*chunks, words)
    else:
        array = exp.convert(list(rule.terms))
        terms = exp.select(exp.alias_(exp.func("unnest", array, dialect=sql.DIALECT), "term"))
    planner.select(
        f"{step}.find",
        sql.fill("keywords", {"chunks": sql.rows_of(chunks), "terms": terms}, path=rule.path, at_least=rule.at_least),
        f"{taxonomy.address}_{name}_found",
        FOUND,
        at=at,
        reads=reads,
        purpose=sql.purpose("keywords"),
    )


def _sql(taxonomy: Declaration, name: str, rule: SqlRule, chunks: tuple[str, ...], at: Span, planner: Planner) -> None:
    analysed = planner.unit.queries[f"{taxonomy.address}.{name}"]
    if rule.select is None:
        assert rule.where is not None, "checked: a rule says which chunks it chooses"
        holes: dict[str, object] = {
            "path": rule.path,
            "condition": sql.condition(analysed.sql),
            "text": rule.where.text.value.strip(),
        }
        text = fill("chosen", {"chunks": chunks}, holes)
        purpose, reads = sql.purpose("chosen"), chunks
    else:
        found = {column.name.lower() for column in analysed.columns}
        score = "CAST(score AS DOUBLE)" if "score" in found else "CAST(1 AS DOUBLE)"
        evidence = "CAST(evidence AS VARCHAR)" if "evidence" in found else "CAST(NULL AS VARCHAR)"
        body = analysed.sql.strip().removesuffix(";")
        text = f"SELECT chunk_id, path, {score} AS score, {evidence} AS evidence\nFROM (\n{body}\n) AS found"
        purpose, reads = "What the query of the rule finds.", analysed.reads
    table, step = f"{taxonomy.address}_{name}_found", f"{taxonomy.address}.{name}.find"
    planner.select(step, text, table, FOUND, at=at, reads=reads, purpose=purpose)


def _operation(
    taxonomy: Declaration, name: str, rule: Rule, chunks: tuple[str, ...], at: Span, planner: Planner
) -> None:
    """A rule that is more than SQL; it sees what the rules before it found, and looks at the rest only."""
    address = taxonomy.address
    outputs = {"found": Output(table=f"{address}_{name}_found", columns=FOUND, doc="Chunks and the paths of the rule.")}
    inputs = {table: planner.owners[table] for table in chunks}
    earlier = list(taxonomy.values.rules)[: list(taxonomy.values.rules).index(name)]
    for other in earlier if taxonomy.values.resolve == "first" else ():
        table = f"{address}_{other}_found"
        inputs[f"before_{other}"] = planner.owners.get(table) or planner.owners[f"{address}_{other}"]
    sources: tuple[str, ...] = ()
    operation: Operation
    match rule:
        case Embedding():
            operation, sources = EmbedChunks(seeds=rule.seeds.path, above=float(rule.above)), (rule.seeds.path,)
            inputs["model"] = asked_model(rule.model, planner)
        case StructuriseRule():
            operation = Structurise(max_calls=rule.max_calls, attempts=rule.attempts, depth=rule.depth)
            inputs["model"] = asked_model(rule.model, planner)
            outputs["titles"] = Output(table=f"{address}_{name}_titles", columns=TITLES, doc="Titles of its nodes.")
            outputs["attempts"] = Output(
                table=f"{address}_{name}_attempts", columns=ATTEMPTS, doc="Each attempt with its verdict."
            )
        case Given():
            paths = [file.path if file is not None else None for file in (rule.nodes, rule.links)]
            operation, sources = ReadStructure(nodes=paths[0], links=paths[1]), tuple(filter(None, paths))
            outputs["nodes"] = Output(table=f"{address}_{name}_given", columns=GIVEN, doc="The nodes that were given.")
        case _:
            assert isinstance(rule, Cohesion)
            operation = GroupByCohesion(window=rule.window, depth=rule.depth, invent_titles=rule.invent_titles)
    planner.add(f"{address}.{name}.find", operation, at=at, inputs=inputs, sources=sources, outputs=outputs)


def gather(taxonomy: Declaration, suffix: str, planner: Planner) -> None:
    """Titles and attempts of all rules that ask a model, as the table that the language promises."""
    address = taxonomy.address
    tables = tuple(
        f"{address}_{name}_{suffix}"
        for name, rule in taxonomy.values.rules.items()
        if isinstance(rule, StructuriseRule)
    )
    if tables:
        planner.select(
            f"{address}.{suffix}",
            sql.text(sql.all_rows(tables)),
            f"{address}_{suffix}",
            TITLES if suffix == "titles" else ATTEMPTS,
            at=taxonomy.block.head,
            reads=tables,
            purpose="What the rules that ask a model say.",
            view=True,
        )


def name_nodes(taxonomy: Declaration, outlined: str, table: str, chunks: tuple[str, ...], planner: Planner) -> None:
    """The nodes of the headings, and those of the paths that rules found."""
    address, values = taxonomy.address, taxonomy.values
    found = [f"{address}_{name}_found" for name, rule in values.rules.items() if names_paths(rule)]
    template = "named_corpus" if values.root == "corpus" else "named_document"
    relations: dict[str, sql.Relation] = {
        "outlined": outlined,
        "found": sql.union([exp.select("chunk_id", "path").from_(sql.table(name)) for name in found]),
        "chunks": sql.rows_of(chunks),
    }
    planner.select(
        f"{address}.name",
        sql.fill(template, relations),
        table,
        NODES,
        at=taxonomy.block.head,
        reads=(outlined, *found, *(chunks if values.root == "corpus" else ())),
        purpose=sql.purpose(template),
    )


def place(taxonomy: Declaration, name: str, rule: Rule, nodes: str, chunks: tuple[str, ...], planner: Planner) -> None:
    """The node of each chunk that a rule answers for."""
    address, values = taxonomy.address, taxonomy.values
    tables: dict[str, str | tuple[str, ...]] = {"chunks": chunks, "nodes": nodes}
    holes: dict[str, object] = {}
    if isinstance(rule, Headings):
        template, holes = "headings", {"depth": rule.depth}
        tables = {
            "chunks": chunks,
            "headings": tuple(f"{corpus}_headings" for corpus in values.over),
            "nodes": nodes,
        }
    else:
        template = "placed_corpus" if values.root == "corpus" else "placed_document"
        tables["found"] = f"{address}_{name}_found"
    planner.query(
        f"{address}.{name}",
        template,
        f"{address}_{name}",
        columns("chunk_id VARCHAR, node_id VARCHAR, score DOUBLE, evidence VARCHAR"),
        at=taxonomy.block.head,
        tables=tables,
        holes=holes,
    )


def level_columns(levels: tuple[str, ...], source: str) -> list[exp.Expr]:
    """The titles of the levels, as columns of links."""
    return [
        exp.alias_(sqlglot.parse_one(source.format(depth=depth, level=level), dialect=sql.DIALECT), level)
        for depth, level in enumerate(levels, 1)
    ]
