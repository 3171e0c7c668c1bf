"""What types cannot say about taxonomies: what they order, how their levels and rules hang together."""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.passes.finding import Finding
from structdsl.passes.patterns import wrong_pattern
from structdsl.passes.places import item_span, nested_span, taken_out_of_nested
from structdsl.schema.taxonomy import Given, Keywords, Regex, SqlRule
from structdsl.unit import Declaration, Unit

OWN = ("chunk_id", "doc_id", "node_id", "path", "rule", "score", "evidence")  # columns that links have anyway


def taxonomies_order_text(unit: Unit) -> Iterator[Finding]:
    for taxonomy in unit.of_kind("taxonomy"):
        for name in taxonomy.values.over:
            corpus = unit.blocks[name]
            if corpus.values is not None and corpus.values.role not in {"domain", "replay"}:
                message = f"a taxonomy orders text that is trained on, and `{name}` has role {corpus.values.role}"
                yield Finding("E0403", message, item_span(taxonomy, "over", name), f"role {corpus.values.role}")


def levels_are_new_columns(unit: Unit) -> Iterator[Finding]:
    for taxonomy in unit.of_kind("taxonomy"):
        for level in taxonomy.values.levels:
            if level.casefold() in OWN:
                message = f"`{taxonomy.address}_links` has a column `{level}` of its own"
                place = item_span(taxonomy, "levels", level)
                yield Finding("E0207", message, place, "taken", helps=("choose another name for the level",))


def rules_say_what_they_need(unit: Unit) -> Iterator[Finding]:
    for taxonomy in unit.of_kind("taxonomy"):
        for name, rule in taxonomy.values.rules.items():
            match rule:
                case SqlRule():
                    yield from _sql_rule(unit, taxonomy, name, rule)
                case Given(nodes=None, links=None):
                    message = f"`rule {name}` gives nothing"
                    helps = ('write `nodes = file("…")`, `links = file("…")`, or both',)
                    span = nested_span(taxonomy, "rule", name)
                    yield Finding("E0508", message, span, "neither `nodes` nor `links`", helps=helps)
                case Keywords(terms=tuple() as terms, at_least=least) if least > len(terms):
                    message = f"`rule {name}` asks for {least} different terms, and has {len(terms)}"
                    span = nested_span(taxonomy, "rule", name, "at_least")
                    yield Finding("E0508", message, span, "can never be met")
                case Regex() if (reason := wrong_pattern(rule.pattern)) is not None:
                    message = f"the pattern of `rule {name}` is no regular expression of RE2: {reason}"
                    yield Finding("E0601", message, nested_span(taxonomy, "rule", name, "pattern"), "cannot be read")


def _sql_rule(unit: Unit, taxonomy: Declaration, name: str, rule: SqlRule) -> Iterator[Finding]:
    forms = "`path` with `where`, or `select`"
    if rule.select is not None:
        for attribute in ("path", "where"):
            if getattr(rule, attribute) is not None:
                message = f"`rule {name}` chooses chunks in two ways: it takes {forms}"
                span = nested_span(taxonomy, "rule", name, attribute)
                fixes = taken_out_of_nested(unit, taxonomy, "rule", name, attribute)
                yield Finding("E0508", message, span, "beside `select`", helps=(f"remove `{attribute}`",), fixes=fixes)
        return
    missing = [f"no `{attribute}`" for attribute in ("path", "where") if getattr(rule, attribute) is None]
    if missing:
        message = f"`rule {name}` does not say which chunks go where: it takes {forms}"
        yield Finding("E0508", message, nested_span(taxonomy, "rule", name), ", ".join(missing))


def rule_queries_yield_links(unit: Unit) -> Iterator[Finding]:
    for taxonomy in unit.of_kind("taxonomy"):
        for name in taxonomy.values.rules:
            query = unit.queries.get(f"{taxonomy.address}.{name}")
            if query is None or unit.blocks[taxonomy.address].values.rules[name].select is None:
                continue
            found = {column.name.lower() for column in query.columns}
            for needed in ("chunk_id", "path"):
                if needed not in found:
                    message = f"the query of `rule {name}` yields no column `{needed}`"
                    notes = ("a rule needs chunk_id and path", f"columns: {', '.join(sorted(found))}")
                    span = nested_span(taxonomy, "rule", name, "select")
                    yield Finding("E0504", message, span, f"no `{needed}` in its SELECT", notes=notes)
