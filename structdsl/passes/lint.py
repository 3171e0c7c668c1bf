"""Warnings for specs without errors: what is allowed and often a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from structdsl.apart import held_apart
from structdsl.diagnostics import Sink
from structdsl.lineage import mixed_corpora, trained_corpora, used_models
from structdsl.passes import lint_training
from structdsl.passes.finding import Finding
from structdsl.passes.places import call_span, task_span
from structdsl.schema.cleaning import MOST_BANDS, Minhash
from structdsl.schema.evaluation import Divergence, Perplexity
from structdsl.unit import Unit

_ENOUGH: Final = 0.8  # of the pairs at the threshold of `minhash`


def lint(unit: Unit, sink: Sink) -> Unit:
    if not sink.failed:
        for check in LINTS:
            for finding in check(unit):
                finding.into(sink, unit.source)
    return unit


def domain_is_not_alone(unit: Unit) -> Iterator[Finding]:
    for mixture in unit.of_kind("mixture"):
        corpora = [unit.blocks[name] for name in mixed_corpora(mixture, unit)]
        if corpora and all(corpus.values is not None and corpus.values.role == "domain" for corpus in corpora):
            yield Finding(
                "W0501",
                f"`{mixture.address}` holds domain text only: the model may forget what it knew",
                mixture.span_of("weights"),
                "no replay, no instructions",
                helps=("add a corpus with `role = replay`; a few percent help",),
            )


def exams_are_kept_apart(unit: Unit) -> Iterator[Finding]:
    for name in sorted(trained_corpora(unit)) if unit.measured else ():
        corpus = unit.blocks[name]
        if corpus.values is None or corpus.values.decontaminate != "none":
            continue
        if exams := held_apart(corpus, (), unit):
            yield Finding(
                "W0502",
                f"`{name}` is trained on, and not held against {', '.join(f'`{exam}`' for exam in exams)}",
                corpus.span_of("decontaminate"),
                "decontamination is switched off",
                helps=("remove it: what is measured then leaves",),
            )


def decontamination_goes_by_something(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        methods = corpus.values.decontaminate
        if isinstance(methods, tuple) and not any(held_apart(corpus, method.against, unit) for method in methods):
            yield Finding(
                "W0505",
                f"`{corpus.address}` is held against nothing: no evaluation asks an exam, and no corpus is a probe",
                corpus.span_of("decontaminate"),
                "finds nothing",
                helps=("name what it is held against: `ngrams(13, against = [corpus.…])`",),
            )


def signatures_find_what_is_asked_for(unit: Unit) -> Iterator[Finding]:
    """Pairs at the threshold share one of b bands of r numbers with the probability 1 - (1 - s^r)^b."""
    for corpus in unit.of_kind("corpus"):
        for index, method in enumerate(corpus.values.dedup):
            if not isinstance(method, Minhash) or _found(method, method.bands) >= _ENOUGH:
                continue
            more = (bands for bands in range(method.bands, MOST_BANDS + 1) if not method.permutations % bands)
            enough = next((bands for bands in more if _found(method, bands) >= _ENOUGH), None)
            help_ = "raise `threshold`" if enough is None else f"`bands = {enough}` {_said(method, enough)}"
            yield Finding(
                "W0507",
                f"`minhash` {_said(method, method.bands)} at its `threshold`, in {method.bands} bands",
                call_span(corpus, "dedup", index),
                "most would stay" if _found(method, method.bands) < 1 / 2 else "some would stay",
                helps=(help_,),
            )


def _found(method: Minhash, bands: int) -> float:
    """The share of pairs at the threshold that share a band."""
    return float(1 - (1 - method.threshold ** (method.permutations // bands)) ** bands)


def _said(method: Minhash, bands: int) -> str:
    return f"finds {int(100 * _found(method, bands))} of 100 pairs"


def measured_text_is_not_trained_on(unit: Unit) -> Iterator[Finding]:
    trained = trained_corpora(unit)
    for evaluation in unit.of_kind("evaluation"):
        for name, task in evaluation.values.tasks.items():
            if isinstance(task, Perplexity | Divergence) and task.corpus in trained:
                metric = task.METRICS[0]
                yield Finding(
                    "W0504",
                    f"`{task.corpus}` is trained on: its {metric} says how well it was learnt by heart",
                    task_span(evaluation, name),
                    "trained on",
                    helps=("measure on a corpus with `role = probe`",),
                )


def tokens_can_be_counted(unit: Unit) -> Iterator[Finding]:
    if unit.of_kind("corpus") and not used_models(unit):
        corpus = unit.of_kind("corpus")[0]
        yield Finding(
            "W0506",
            "token counts are estimates: no stage names a tokenizer",
            corpus.block.head,
            "`n_tokens` is UTF-8 bytes / 4",
        )


LINTS: tuple[Callable[[Unit], Iterator[Finding]], ...] = (
    domain_is_not_alone,
    exams_are_kept_apart,
    decontamination_goes_by_something,
    signatures_find_what_is_asked_for,
    measured_text_is_not_trained_on,
    lint_training.tracked_text_is_not_trained_on,
    lint_training.preferences_are_used,
    lint_training.sequences_fill_their_rows,
    lint_training.warm_ups_end,
    lint_training.preferences_move_weights_gently,
    tokens_can_be_counted,
)
