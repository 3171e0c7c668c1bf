"""What types cannot say about mixtures: shares that total one, corpora that may be trained on, budgets that fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from structdsl.lineage import MEASURED_ROLES, mixed_corpora
from structdsl.passes.finding import Finding
from structdsl.passes.places import key_span
from structdsl.schema.corpus import Synthetic
from structdsl.schema.mixture import Curriculum, Epochs, Natural
from structdsl.schema.quantities import plain
from structdsl.syntax.tree import Span
from structdsl.unit import Unit


def weights_total_one(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        weights, span = mixture.values.weights, mixture.span_of("weights")
        if isinstance(weights, dict) and not weights:
            yield Finding("E0501", "a mixture needs at least one corpus", span, "no weights")
        elif isinstance(weights, dict):
            yield from _shares(weights, span, "the weights", "corpus")
    for corpus in unit.of_kind("corpus"):
        if isinstance(corpus.values, Synthetic):
            yield from _shares(corpus.values.hops, corpus.span_of("hops"), "the shares of `hops`", "entry")


def _shares(weights: Mapping[Any, object], span: Span, what: str, one: str) -> Iterator[Finding]:
    shares = [weight for weight in weights.values() if isinstance(weight, Decimal)]
    total = sum(shares, Decimal(0))
    open_ended = len(weights) - len(shares)
    sums = f"{' + '.join(f'{plain(share * 100)}%' for share in shares)} = {plain(total * 100)}%"
    if open_ended > 1:
        yield Finding("E0501", f"only one {one} may take `rest`", span, f"{open_ended} take it")
    elif open_ended and total >= 1:
        yield Finding("E0501", "nothing is left for `rest`", span, sums)
    elif not open_ended and total != 1:
        helps = (f"give one {one} `rest` to take what the others leave",)
        yield Finding("E0501", f"{what} total {plain(total * 100)}%, not 100%", span, sums, helps=helps)


def mixtures_train_on_what_may_be_trained_on(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        for name in mixed_corpora(mixture, unit):
            corpus = unit.blocks[name]
            if corpus.values is not None and corpus.values.role in MEASURED_ROLES:
                yield Finding(
                    "E0509",
                    f"`{name}` is measured only, and cannot be trained on",
                    key_span(mixture, "weights", name),
                    f"role {corpus.values.role}",
                    helps=("take it out of the mixture, or split off another corpus for training",),
                )


def budgets_fit_their_weights(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        values, span = mixture.values, mixture.span_of("budget")
        if not isinstance(values.weights, dict) and not mixed_corpora(mixture, unit):
            message = f"`{mixture.address}` finds nothing to draw from: no corpus of the spec is text to train on"
            helps = ("name the corpora: `natural(over = [corpus.…])`",)
            yield Finding("E0501", message, mixture.span_of("weights"), "of no corpus", helps=helps)
        if not isinstance(values.budget, Epochs):
            continue
        if not isinstance(values.weights, Natural):
            message = "a budget in epochs goes with `weights = natural`: other shares visit corpora unequally often"
            helps = ("give the budget in tokens; `max_epochs` bounds the repetition",)
            yield Finding("E0507", message, span, "in epochs", helps=helps)
        elif values.budget.count > values.max_epochs:
            message = f"{values.budget.count} epochs are more than `max_epochs`, which is {values.max_epochs}"
            helps = (f"write `max_epochs = {values.budget.count}`",)
            yield Finding("E0507", message, span, "too many", helps=helps)


def curricula_ask_models_that_can_score(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        order = mixture.values.order
        if not isinstance(order, Curriculum) or order.by not in unit.blocks:
            continue
        model = unit.blocks[order.by]
        if model.values is not None and type(model.values.source).__name__ in _BLIND:
            message = f"a curriculum needs the loss of a model, and `{order.by}` gives none"
            yield Finding("E0403", message, mixture.span_of("order"), "an endpoint answers, and shows no loss")


_BLIND: Collection[str] = frozenset({"Endpoint"})
