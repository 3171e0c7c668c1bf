"""What types cannot say about data: roles, weights, chunkings, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import sqlglot
from sqlglot import exp

from structdsl.diagnostics import Label, Sink, did_you_mean, nearest
from structdsl.lineage import MEASURED_ROLES, TEXT_ROLES, bpe_corpora
from structdsl.passes.finding import Finding
from structdsl.passes.places import item_span, key_span
from structdsl.schema.corpus import PROMISED
from structdsl.schema.quantities import plain
from structdsl.unit import Unit


def check_data(unit: Unit, sink: Sink) -> Unit:
    for check in CHECKS:
        for finding in check(unit):
            finding.into(sink, unit.source)
    return unit


def roles_fit_attributes(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        if corpus.values.role in TEXT_ROLES or corpus.values.chunk is None:
            continue
        message = f"a corpus of role {corpus.values.role} is not cut into chunks"
        yield Finding("E0403", message, corpus.span_of("chunk"), "has no use here", helps=("remove `chunk`",))


def mapped_columns_exist(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        known = [
            name
            for name in PROMISED[corpus.values.role]
            if name not in {"corpus", "role", "n_chars", "n_tokens", "source", "meta"}
        ]
        for name in corpus.values.columns:
            if name in known:
                continue
            found = nearest(name, known)
            yield Finding(
                "E0602",
                f"`{name}` is no column that a corpus of role {corpus.values.role} reads",
                key_span(corpus, "columns", name),
                "unknown column",
                notes=(f"columns that can be mapped: {', '.join(known)}",),
                helps=did_you_mean(found),
            )


def weights_total_one(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        weights = mixture.values.weights
        span = mixture.span_of("weights")
        shares = [weight for weight in weights.values() if weight != "rest"]
        total = sum(shares, Decimal(0))
        open_ended = len(weights) - len(shares)
        arithmetic = " + ".join(f"{plain(share * 100)}%" for share in shares)
        if not weights:
            yield Finding("E0501", "a mixture needs at least one corpus", span, "no weights")
        elif open_ended > 1:
            yield Finding("E0501", "only one corpus may take `rest`", span, f"{open_ended} take it")
        elif open_ended and total >= 1:
            yield Finding("E0501", "nothing is left for `rest`", span, f"{arithmetic} = {plain(total * 100)}%")
        elif not open_ended and total != 1:
            yield Finding(
                "E0501",
                f"the weights total {plain(total * 100)}%, not 100%",
                span,
                f"{arithmetic} = {plain(total * 100)}%",
                helps=("give one corpus `rest` to take what the others leave",),
            )


def mixtures_train_on_what_may_be_trained_on(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        for name in mixture.values.weights:
            corpus = unit.blocks[name]
            if corpus.values is not None and corpus.values.role in MEASURED_ROLES:
                yield Finding(
                    "E0509",
                    f"`{name}` is measured only, and cannot be trained on",
                    key_span(mixture, "weights", name),
                    f"role {corpus.values.role}",
                    helps=("take it out of the mixture, or split off another corpus for training",),
                )


def taxonomies_order_text(unit: Unit) -> Iterator[Finding]:
    for taxonomy in unit.of_kind("taxonomy"):
        for name in taxonomy.values.over:
            corpus = unit.blocks[name]
            if corpus.values is not None and corpus.values.role not in {"domain", "replay"}:
                message = f"a taxonomy orders text that is trained on, and `{name}` has role {corpus.values.role}"
                yield Finding("E0403", message, item_span(taxonomy, "over", name), f"role {corpus.values.role}")


def levels_are_new_columns(unit: Unit) -> Iterator[Finding]:
    taken = ("chunk_id", "doc_id", "node_id", "path", "rule", "score", "evidence")
    for taxonomy in unit.of_kind("taxonomy"):
        for level in taxonomy.values.levels:
            if level.casefold() in taken:
                message = f"`{taxonomy.address}_links` has a column `{level}` of its own"
                place = item_span(taxonomy, "levels", level)
                yield Finding("E0207", message, place, "taken", helps=("choose another name for the level",))


def one_chunking_per_corpus(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        claims = [(corpus, corpus.values.chunk)] if corpus.values.chunk is not None else []
        claims += [
            (taxonomy, taxonomy.values.chunk)
            for taxonomy in unit.of_kind("taxonomy")
            if corpus.address in taxonomy.values.over and taxonomy.values.chunk is not None
        ]
        for owner, chunk in claims[1:]:
            if chunk != claims[0][1]:
                yield Finding(
                    "E0511",
                    f"`{corpus.address}` is cut in two ways",
                    owner.span_of("chunk"),
                    f"at most {chunk.max} tokens here",
                    others=(
                        Label(
                            span=claims[0][0].span_of("chunk"),
                            text=f"at most {claims[0][1].max} tokens here",
                            primary=False,
                        ),
                    ),
                    helps=("say it once: on the corpus, or on the taxonomy over it",),
                )


def keep_does_not_count_what_it_feeds(unit: Unit) -> Iterator[Finding]:
    for name in sorted(bpe_corpora(unit)):
        for index, predicate in enumerate(unit.predicates.get(name, ())):
            tree = sqlglot.parse_one(predicate, dialect="duckdb")
            if any(column.name.lower() == "n_tokens" for column in tree.find_all(exp.Column)):
                corpus = unit.blocks[name]
                yield Finding(
                    "E0512",
                    f"`n_tokens` of `{name}` is counted by a tokenizer trained on it",
                    corpus.values.keep[index].span,
                    "uses `n_tokens`",
                    helps=("use `n_chars`, or train the tokenizer on another corpus",),
                )


CHECKS: tuple[Callable[[Unit], Iterator[Finding]], ...] = (
    roles_fit_attributes,
    mapped_columns_exist,
    weights_total_one,
    mixtures_train_on_what_may_be_trained_on,
    taxonomies_order_text,
    levels_are_new_columns,
    one_chunking_per_corpus,
    keep_does_not_count_what_it_feeds,
)
