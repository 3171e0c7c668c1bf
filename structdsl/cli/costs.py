"""Estimates as people and programs read them: a table of stages, what it assumes, and what nobody can know yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shutil import get_terminal_size
from typing import Any

from structdsl.cli.outline import WIDTH, columns, paragraph
from structdsl.cost import Estimate, Facts, Figure, StageCost, corpus_size
from structdsl.cost.figure import count, flops, size, span, total
from structdsl.cost.stage import Batch

SHARES = "rows a step"
HEAD = ("training", "", SHARES, "steps", "tokens", "compute", "memory", "time", "teacher cache")


def table(estimate: Estimate) -> list[str]:
    """One row a stage, a total, the assumptions, and what each `?` waits for."""
    lines = []
    if estimate.stages:
        rows = [_row(cost) for cost in estimate.stages]
        if len(estimate.stages) > 1:
            rows.append(_total(estimate))
        lines += [*_columns(rows), "", *_assumptions(estimate), *_reasons(estimate)]
    for address, calls in estimate.calls.items():
        lines += paragraph(f"{address}: {calls.text(count)} calls of a language model, {calls.why}", then="  ")
    return lines


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """The table; what is shared out stands below where the terminal has no room for it in the same line."""
    whole = columns(HEAD, rows, left=2)
    if max(map(len, whole)) <= get_terminal_size((WIDTH, 0)).columns:
        return whole
    at = HEAD.index(SHARES)
    without = [(*row[:at], "", *row[at + 1 :]) for row in rows]
    shares = [(row[0], row[1], row[at]) for row in rows if row[at]]
    return [*columns(HEAD, without, left=2), "", *columns((HEAD[0], HEAD[1], SHARES), shares, left=2)]


def _shares(batch: Batch) -> str:
    """`64 = 8 × 4 × 2`."""
    parts = (batch.micro.text(count), batch.passes.text(count).lstrip("~"), str(batch.processes))
    return f"{batch.rows:,} = {' × '.join(parts)}"


def _row(cost: StageCost) -> tuple[str, ...]:
    held = cost.memory.total
    if held.value is None and cost.memory.states.value is not None:
        known = cost.memory.states
        held = Figure(known.value, "about", known.why)
    where = "" if cost.gpu else " on a CPU"
    return (
        cost.stage,
        cost.variant,
        _shares(cost.batch),
        cost.steps.text(count),
        cost.tokens.text(count),
        cost.all_flops.text(flops),
        held.text(size),
        cost.seconds.text(span) + where,
        cost.teacher_cache.text(size) if cost.teacher_cache is not None else "",
    )


def _total(estimate: Estimate) -> tuple[str, ...]:
    """The sums; where a stage is unknown those of the others, marked as a part."""
    caches = [cost.teacher_cache for cost in estimate.stages if cost.teacher_cache is not None]
    return (
        "total",
        "",
        "",
        "",
        _sum([cost.tokens for cost in estimate.stages], count),
        _sum([cost.all_flops for cost in estimate.stages], flops),
        "",
        _sum([cost.seconds for cost in estimate.stages], span),
        _sum(caches, size) if caches else "",
    )


def _sum(figures: list[Figure], write: Callable[[float], str]) -> str:
    known = [figure.value for figure in figures if figure.value is not None]
    if not any(known):
        return "?"
    written = write(sum(known))
    if len(known) < len(figures):
        return f"> {written}" if not written.startswith("<") else "?"
    return total(figures).text(write)


def _assumptions(estimate: Estimate) -> Iterator[str]:
    machine = estimate.machine
    gpu, cpu = any(cost.gpu for cost in estimate.stages), any(not cost.gpu for cost in estimate.stages)
    speeds = []
    if gpu:
        speeds.append(f"{machine.utilisation:.0%} of {flops(machine.peak)}/s a GPU")
    if cpu:
        speeds.append(f"{flops(machine.cpu)}/s a process on a CPU")
    without = any(cost.memory.total.value is None for cost in estimate.stages)
    held = "weights, gradients and optimizer" + (
        ", plus activations where the shape of the model is known" if without else " and one row of activations"
    )
    yield from paragraph(f"rows a step: those of a pass × passes × processes{_room(estimate)}", then="  ")
    yield from paragraph(
        f"compute: 6·N + 12·L·H·T a token; memory: {held}, a process; time: at {' and '.join(speeds)}", then="  "
    )


def _room(estimate: Estimate) -> str:
    """What a pass is given room for, where that is estimated; the machine that trains settles it."""
    machine, estimated = estimate.machine, [cost for cost in estimate.stages if cost.batch.micro.basis == "about"]
    devices = [f"of a GPU of {size(machine.gpu_memory)}"] * any(cost.gpu for cost in estimated)
    devices += [f"of this machine, {size(machine.cpu_memory)}"] * any(not cost.gpu for cost in estimated)
    return f"; ~ as many as a third of the memory {' and '.join(devices)} has room for" if devices else ""


def _reasons(estimate: Estimate) -> Iterator[str]:
    """Why figures are `~` or `?`, each reason once."""
    found: dict[str, str] = {}
    for cost in estimate.stages:
        for figure in (cost.tokens, cost.flops, cost.memory.total):
            for why in figure.why.split("; "):
                if why:
                    found.setdefault(why, "?" if figure.value is None else figure.basis)
    marks = {"most": "≤", "about": "~"}
    for why, basis in found.items():
        yield from paragraph(f"{marks.get(basis, basis)} {why}", then="  ")


def amounts(blocks: list[str], facts: Facts) -> dict[str, str]:
    """Rows and tokens of each block, as far as they are known."""
    return {block: text for block in blocks if (text := _amount(block, facts))}


def _amount(block: str, facts: Facts) -> str:
    made = corpus_size(block, facts.sizes) or facts.sizes.get(f"{block}_packed")
    if made is not None:
        mark = "" if made.current else "~"
        tokens = f", {mark}{count(made.tokens)} tokens" if made.tokens is not None else ""
        return f"{mark}{count(made.rows)} {'row' if made.rows == 1 else 'rows'}{tokens}"
    if block in facts.budgets:
        return f"~{count(facts.budgets[block])} tokens"
    if block in facts.limits:
        return f"≤ {count(facts.limits[block])} docs"
    return ""


def as_values(estimate: Estimate) -> dict[str, Any]:
    """The estimate for programs: base units, each figure with its basis."""
    return {
        "machine": {
            "gpu_flops_per_second": estimate.machine.peak,
            "utilisation": estimate.machine.utilisation,
            "cpu_flops_per_second": estimate.machine.cpu,
        },
        "stages": {cost.stage: _stage(cost) for cost in estimate.stages},
        "llm_calls": {address: _figure(calls) for address, calls in estimate.calls.items()},
        "total": {
            "flops": _figure(estimate.flops),
            "seconds": _figure(estimate.seconds),
            "teacher_cache_bytes": _figure(estimate.teacher_cache),
            "llm_calls": _figure(estimate.llm_calls),
        },
    }


def _stage(cost: StageCost) -> dict[str, Any]:
    held = cost.memory
    return {
        "variant": cost.variant,
        "device": "gpu" if cost.gpu else "cpu",
        "processes": cost.processes,
        "parameters": _figure(cost.parameters),
        "rows": _figure(cost.rows),
        "tokens": _figure(cost.tokens),
        "optimizer_steps": _figure(cost.steps),
        "batch": {
            "rows": cost.batch.rows,
            "rows_of_a_pass": _figure(cost.batch.micro),
            "passes": _figure(cost.batch.passes),
            "processes": cost.batch.processes,
        },
        "flops": _figure(cost.flops),
        "seconds": _figure(cost.seconds),
        "memory_bytes": {
            "weights": _figure(held.weights),
            "gradients": _figure(held.gradients),
            "optimizer": _figure(held.optimizer),
            "second_model": _figure(held.second),
            "activations_of_a_row": _figure(held.activations),
            "total": _figure(held.total),
            "host": _figure(held.host),
        },
        "teacher_cache_bytes": None if cost.teacher_cache is None else _figure(cost.teacher_cache),
        "teacher_flops": _figure(cost.teacher_flops),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "basis": figure.basis, "why": figure.why}
