"""What types cannot say about data, in the order in which it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from structdsl.diagnostics import Sink
from structdsl.passes import check_corpora, check_expectations, check_mixtures, check_taxonomies
from structdsl.passes.finding import Finding
from structdsl.unit import Unit


def check_data(unit: Unit, sink: Sink) -> Unit:
    for check in CHECKS:
        for finding in check(unit):
            finding.into(sink, unit.source)
    return unit


CHECKS: tuple[Callable[[Unit], Iterator[Finding]], ...] = (
    check_corpora.roles_fit_attributes,
    check_corpora.mapped_columns_exist,
    check_corpora.conversations_say_it_all,
    check_corpora.numbers_fit_together,
    check_corpora.redaction_patterns_work,
    check_corpora.bundles_see_their_signals,
    check_corpora.lines_are_cut_out_of_prose,
    check_corpora.documents_are_embedded_by_weights,
    check_corpora.against_is_something_else,
    check_corpora.corpora_form_no_circle,
    check_corpora.derived_corpora_say_how,
    check_corpora.derived_queries_yield_documents,
    check_corpora.what_is_measured_stays_apart,
    check_corpora.one_chunking_per_corpus,
    check_corpora.keep_does_not_count_what_it_feeds,
    check_corpora.tokenizers_are_trained_on_what_is_read,
    check_taxonomies.taxonomies_order_text,
    check_taxonomies.levels_are_new_columns,
    check_taxonomies.rules_say_what_they_need,
    check_taxonomies.rule_queries_yield_links,
    check_mixtures.weights_total_one,
    check_mixtures.mixtures_train_on_what_may_be_trained_on,
    check_mixtures.budgets_fit_their_weights,
    check_mixtures.curricula_ask_models_that_can_score,
    check_expectations.tables_are_made,
    check_expectations.checks_read_what_they_are_over,
    check_expectations.expectations_name_columns,
    check_expectations.fixtures_fit_their_tables,
)
