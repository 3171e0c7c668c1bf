"""Warnings about training: what runs, and is often not what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from structdsl.counts import counted
from structdsl.lineage import TEXT_ROLES, chunking, data_of, mixed_corpora, trained_corpora
from structdsl.passes.finding import Finding
from structdsl.passes.places import item_span, key_span
from structdsl.unit import Declaration, Unit

HIGH_FOR_DPO = Decimal("5e-6")
SHORT = 10  # times as long is a row that a sequence fills badly


def preferences_are_used(unit: Unit) -> Iterator[Finding]:
    """Plain text of a pair is its better answer; the worse one teaches in dpo alone."""
    preferred = {data_of(stage) for stage in unit.of_kind("stage") if stage.variant == "dpo"}
    read = {data_of(stage) for stage in unit.of_kind("stage")}
    for mixture in unit.of_kind("mixture"):
        if mixture.address not in read:
            continue
        for name in mixed_corpora(mixture, unit):
            corpus = unit.blocks[name]
            if corpus.values is not None and corpus.values.role == "preference" and name not in preferred:
                message = f"`{name}` is read without its rejected answers: no stage of the spec compares them"
                helps = ("add a stage that does: `stage align: dpo { data = … }`",)
                yield Finding(
                    "W0503", message, key_span(mixture, "weights", name), "prompt and chosen answer alone", helps=helps
                )


def sequences_fill_their_rows(unit: Unit) -> Iterator[Finding]:
    """Where every text that a stage reads is cut, the cap says how long a sequence can be."""
    for stage in unit.of_kind("stage"):
        mixture = unit.blocks.get(data_of(stage) or "")
        if stage.variant not in {"cpt", "scpt"} or mixture is None or mixture.values is None:
            continue
        corpora = [unit.blocks[name] for name in mixed_corpora(mixture, unit)]
        if not corpora or any(c.values is None or c.values.role not in TEXT_ROLES for c in corpora):
            continue
        cap = max(chunking(corpus, unit).max for corpus in corpora)
        if cap * SHORT < stage.values.length:
            message = f"no text of `{mixture.address}` is longer than {cap} tokens, a row has {stage.values.length}"
            helps = (
                f"cut longer chunks: `paragraphs(max = {stage.values.length // 2} tokens)`",
                f"or shorten the rows: `length = {cap * 2} tokens`",
            )
            yield Finding("W0701", message, stage.span_of("length"), "context that is never used", helps=helps)


def warm_ups_end(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant == "merge" or stage.values.steps is None:
            continue
        warmup, steps = stage.values.optimizer.schedule.warmup, stage.values.steps
        if isinstance(warmup, int) and warmup >= steps:
            lasts = counted(warmup, "step")
            message = f"the warm-up of {lasts} outlasts the stage, which ends after {counted(steps, 'step')}"
            helps = ("write a share of the steps: `warmup = 3%`",)
            yield Finding("W0702", message, stage.span_of("optimizer"), "never at its peak", helps=helps)


def preferences_move_weights_gently(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant == "dpo" and stage.values.adapter is None and stage.values.optimizer.lr > HIGH_FOR_DPO:
            message = f"a learning rate of {_short(stage.values.optimizer.lr)} is high for dpo on all weights"
            notes = ("dpo with a high rate pushes both answers down, and the model forgets how to write",)
            helps = ("write `optimizer = adamw(lr = 5e-7)`",)
            yield Finding("W0703", message, stage.span_of("optimizer"), "usual: 5e-7", notes=notes, helps=helps)


def tracked_text_is_not_trained_on(unit: Unit) -> Iterator[Finding]:
    trained = trained_corpora(unit)
    for stage in unit.of_kind("stage"):
        for name in _probes(stage):
            if name in trained:
                message = f"`{name}` is trained on: its loss says how well it was learnt by heart"
                helps = ("follow a corpus with `role = probe`, or what one holds out",)
                yield Finding("W0504", message, item_span(stage, "track", name), "trained on", helps=helps)


def _probes(stage: Declaration) -> tuple[str, ...]:
    return () if stage.variant == "merge" else stage.values.probes


def _short(number: Decimal) -> str:
    """`0.00002` as people write it: `2e-05` without its zero."""
    return f"{float(number):g}".replace("e-0", "e-")
