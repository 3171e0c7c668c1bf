"""`structdsl plan`: what a run would do, why, and what it would cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from structdsl.cli.ability import located, refuse_missing
from structdsl.cli.common import Place, Request, compile_spec, find_spec, format_option, shown, spec_options
from structdsl.cli.sweep import combinations, compile_all

if TYPE_CHECKING:
    from structdsl.cli.outline import Entry
    from structdsl.cost import Estimate, Facts
    from structdsl.diagnostics import Diagnostic
    from structdsl.plan import Plan, Step
    from structdsl.unit import Unit
    from structdsl_runtime.explain import StepPreview

EXIT_CHANGES = 3
SIGNS = {"run": "+", "maybe": "~", "reuse": "="}
PLAIN = frozenset({"never run"})  # reasons that many steps share


@click.command("plan", short_help="Show which steps would run, why, and what that costs.")
@spec_options
@click.option("--exit-code", is_flag=True, help="Exit with 3 where a run would do something.")
@click.option("--all", "everything", is_flag=True, help="Show every step, those that are up to date as well.")
@format_option("table", "json", text="Lines for people, or JSON for programs.")
def plan_command(
    request: Request,
    exit_code: bool,  # noqa: FBT001 - a flag of the command line
    everything: bool,  # noqa: FBT001 - the same
    format_: str,
) -> None:
    """Compare a spec with its store: which steps would run, why, and what that costs.

    `+` will run, `~` will run unless what it reads comes out the same, `=` is up to date. With several values of a
    param, one line for each combination, as if it were run alone.
    """
    place = find_spec(request)
    asked = combinations(request.params)
    told: list[Diagnostic] = []
    compiled = compile_all(asked, lambda values: compile_spec(place, request.using(values), told))
    changes, printed = 0, []
    for combination, (unit, plan) in zip(asked, compiled, strict=True):
        previewed = _previewed(unit, plan, place)
        changes += sum(entry.action != "reuse" for entry in previewed.entries)
        if format_ == "json":
            printed.append({"params": dict(previewed.plan.parameters), **_values(previewed)})
        elif combination.varied:
            click.echo(f"{combination}: {_summary(previewed.entries)}")
        else:
            click.echo("\n".join(_text(previewed, place, everything=everything)))
    if format_ == "json":
        click.echo(json.dumps(printed if asked[0].varied else printed[0], ensure_ascii=False, indent=2))
    for unit, plan in compiled:
        refuse_missing(plan, unit.source, request.style)
    if exit_code and changes:
        raise click.exceptions.Exit(EXIT_CHANGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """A plan held against its store."""

    unit: Unit
    plan: Plan
    entries: tuple[StepPreview, ...]  # in the order of the plan, views left out
    reasons: Mapping[str, str]  # what differs in a step itself, of all steps
    facts: Facts
    estimate: Estimate  # of what would run

    def step(self, address: str) -> Step:
        return next(step for step in self.plan.steps if step.address == address)


def _previewed(unit: Unit, plan: Plan, place: Place) -> Previewed:
    """Raises `UsageError` where the store cannot be read."""
    from structdsl.cost import Machine, Size, estimate, facts_of  # noqa: PLC0415
    from structdsl_runtime.explain import preview  # noqa: PLC0415
    from structdsl_runtime.lock import StoreUnusable  # noqa: PLC0415
    from structdsl_runtime.machine import memory_limit  # noqa: PLC0415
    from structdsl_runtime.sizes import sizes  # noqa: PLC0415

    try:
        previews = preview(plan, root=place.root, store=place.store)
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    known = {
        each.table: Size(rows=each.rows, tokens=each.tokens, supervised=each.supervised, current=each.current)
        for each in sizes(plan, previews, place.store)
    }
    views = {step.address for step in plan.steps if step.operation.op == "view"}
    facts = facts_of(unit, known)
    pending = {entry.address for entry in previews if entry.action != "reuse"}
    return Previewed(
        unit=unit,
        plan=plan,
        entries=tuple(entry for entry in previews if entry.address not in views),
        reasons={entry.address: "; ".join(entry.own) for entry in previews},
        facts=facts,
        estimate=estimate(plan, facts, machine=Machine(cpu_memory=memory_limit()), only=pending),
    )


def _text(previewed: Previewed, place: Place, *, everything: bool) -> list[str]:
    """What a person reads: steps, costs, notes, and a line that sums up."""
    from structdsl.cli import costs, outline  # noqa: PLC0415

    wanted = [_entry(entry, previewed) for entry in previewed.entries if everything or entry.action != "reuse"]
    names = list(dict.fromkeys(name for entry in wanted for name in (entry.address, outline.block_of(entry.address))))
    amounts = costs.amounts(names, previewed.facts)
    parts = []
    if wanted:
        spec, store = shown(place.spec), shown(place.store)
        lines = outline.whole(wanted, amounts) if everything else outline.folded(wanted, PLAIN, amounts)
        parts += [outline.strong(f"{spec} against {store}"), "", *outline.show(lines), ""]
    if counted := costs.table(previewed.estimate):
        parts += [*counted, ""]
    for note in previewed.plan.notes:
        parts += outline.paragraph(f"note[{note.code}]: {note.message}", then="  ")
    notes = [""] if previewed.plan.notes else []
    summary = _summary(previewed.entries)
    return [*parts, *notes, summary] if wanted else [summary, *(["", *parts] if parts else [])]


def _entry(preview: StepPreview, previewed: Previewed) -> Entry:
    from structdsl.cli.outline import Entry  # noqa: PLC0415

    changed = any(reason not in PLAIN and not reason.startswith("source files") for reason in preview.own)
    return Entry(
        sign=SIGNS[preview.action],
        address=preview.address,
        own=preview.own if preview.action != "reuse" else ("up to date",),
        chain=preview.chain,
        root=previewed.reasons[preview.chain[-1]] if preview.chain else "",
        others=max(0, len(preview.origins) - 1),
        place=_place(previewed.step(preview.address), previewed.unit) if changed else "",
    )


def _place(step: Step, unit: Unit) -> str:
    """The line of the spec that asks for a step: `quickstart.adapt:12  corpus general { … }`."""
    source, span = located(step.place, unit.source)
    line, _ = source.position(span.start)
    return f"{step.place.file}:{line}  {source.line(line).strip()}"


def _values(previewed: Previewed) -> dict[str, Any]:
    """What programs read; keys are only ever added."""
    from structdsl.cli import costs  # noqa: PLC0415

    tables = {
        step.address: [output.table for output in step.outputs.values() if output.table is not None]
        for step in previewed.plan.steps
    }
    return {
        "spec": previewed.plan.spec,
        "steps": [
            {
                "address": entry.address,
                "action": entry.action,
                "reasons": list(entry.reasons),
                "own": list(entry.own),
                "chain": list(entry.chain),
                "origins": list(entry.origins),
                "place": previewed.step(entry.address).place.model_dump(include={"file", "line", "column"}),
                "tables": {
                    table: {"rows": known.rows, "tokens": known.tokens, "current": known.current}
                    for table in tables[entry.address]
                    if (known := previewed.facts.sizes.get(table)) is not None
                },
            }
            for entry in previewed.entries
        ],
        "costs": costs.as_values(previewed.estimate),
        "notes": [{"code": note.code, "message": note.message} for note in previewed.plan.notes],
        "summary": _counts(previewed.entries),
    }


def _counts(entries: Sequence[StepPreview]) -> dict[str, int]:
    return {action: sum(entry.action == action for entry in entries) for action in SIGNS}


def _summary(entries: Sequence[StepPreview]) -> str:
    counts = _counts(entries)
    undecided = f"{counts['maybe']} to run unless their inputs come out the same, " if counts["maybe"] else ""
    return f"{counts['run']} to run, {undecided}{counts['reuse']} up to date"
