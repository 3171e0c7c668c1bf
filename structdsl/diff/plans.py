"""Two plans, step by step: new, retired, recomputed or only labelled otherwise, each with what differs.

Steps are matched by their address, and equal recipes mean equal results. So a step whose recipe differs is computed
again: for a change of its own, found by comparing arguments field by field, or for a step that it reads from, in
which case a shortest chain leads to one that differs by itself. Where a step stands in the text decides nothing, and
is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from structdsl.identity import Effect, effective
from structdsl.plan import Plan, Step

Sort = Literal["new", "retired", "recomputed", "label"]

NONE = "none"
DESCRIPTION = "its description"
WORDY = frozenset({DESCRIPTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs; `what` stands before the two values, or alone where they are too long to be read."""

    what: str  # "argument `max_tokens`", "its SQL"
    before: str
    after: str

    @property
    def text(self) -> str:
        if "\n" in self.before + self.after or self.what in WORDY:
            return f"{self.what} changed"
        return f"{self.what} {self.before} → {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    address: str
    sort: Sort
    own: tuple[Change, ...] = ()
    chain: tuple[str, ...] = ()  # what it reads from, the nearest first, up to a step that differs by itself
    origins: tuple[str, ...] = ()  # all steps before it that differ by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    steps: tuple[StepChange, ...]  # in the order of the later plan, what is gone where it was
    unchanged: int

    def of_sort(self, sort: Sort) -> tuple[StepChange, ...]:
        return tuple(step for step in self.steps if step.sort == sort)

    @property
    def recomputes(self) -> bool:
        return bool(self.of_sort("recomputed"))


@dataclass(slots=True, kw_only=True)
class _Way:
    """How a step leads to those that read from it."""

    chain: tuple[str, ...]
    origins: tuple[str, ...] = field(default=())


def compare(before: Plan | None, after: Plan | None) -> Difference:
    """What a run of the second plan would do that the first did not; none stands for a spec that is not there."""
    old = {step.address: step for step in before.steps} if before is not None else {}
    new = {step.address: step for step in after.steps} if after is not None else {}
    ways: dict[str, _Way] = {}
    changes: dict[str, StepChange] = {}
    for address, step in new.items():
        change = _step(old.get(address), step, ways)
        if change is None:
            continue
        changes[address] = change
        if change.sort in {"new", "recomputed"}:
            ways[address] = _way(step, change)
    ordered = [
        StepChange(address=address, sort="retired") if address not in new else changes[address]
        for address in _order(list(old), list(new))
        if address not in new or address in changes
    ]
    return Difference(steps=tuple(ordered), unchanged=len(new) - len(changes))


def _way(step: Step, change: StepChange) -> _Way:
    if change.sort == "new" or change.own:
        return _Way(chain=(step.address,), origins=(step.address,))
    return _Way(chain=(step.address, *change.chain), origins=change.origins)


def _order(old: list[str], new: list[str]) -> list[str]:
    """The later order; what is gone stands behind what stood before it."""
    ordered = list(new)
    last = -1
    for address in old:
        if address in new:
            last = max(last, ordered.index(address))
        else:
            last += 1
            ordered.insert(last, address)
    return ordered


def _step(old: Step | None, new: Step, ways: Mapping[str, _Way]) -> StepChange | None:
    if old is None:
        return StepChange(address=new.address, sort="new")
    if old.recipe == new.recipe:
        labels = tuple(_labels(old, new))
        return StepChange(address=new.address, sort="label", own=labels) if labels else None
    found = [ways[address] for address in new.upstream if address in ways]
    return StepChange(
        address=new.address,
        sort="recomputed",
        own=tuple(_own(old, new)),
        chain=min((way.chain for way in found), key=len, default=()),
        origins=tuple(dict.fromkeys(origin for way in found for origin in way.origins)),
    )


def _own(old: Step, new: Step) -> Iterator[Change]:
    """What differs in a step itself and decides its rows."""
    if old.operation.op != new.operation.op:
        yield Change(what="operation", before=old.operation.op, after=new.operation.op)
    else:
        if old.operation.version != new.operation.version:
            yield Change(what="version", before=str(old.operation.version), after=str(new.operation.version))
        yield from _fields(_arguments(old, labels=False), _arguments(new, labels=False), "")
    guards = [[effective(guard) for guard in step.guards] for step in (old, new)]
    if guards[0] != guards[1]:
        texts = ["\n".join(guard.sql for guard in step.guards) + "\n" for step in (old, new)]
        yield Change(what="its guard", before=texts[0], after=texts[1])
    if old.sources != new.sources:
        yield Change(what="sources", before=", ".join(old.sources) or NONE, after=", ".join(new.sources) or NONE)
    if old.inputs.keys() != new.inputs.keys():
        yield Change(what="inputs", before=", ".join(old.inputs) or NONE, after=", ".join(new.inputs) or NONE)
    else:
        yield from _fields(old.inputs, new.inputs, "", "input")


def _labels(old: Step, new: Step) -> Iterator[Change]:
    """What differs and decides no row: costs, names, descriptions."""
    yield from _fields(_arguments(old, labels=True), _arguments(new, labels=True), "")
    if old.doc != new.doc:
        yield Change(what=DESCRIPTION, before=old.doc or NONE, after=new.doc or NONE)
    elif old.outputs != new.outputs:
        yield Change(what="what is said of its tables", before="\n", after="\n")
    if old.inputs != new.inputs:
        yield from _fields(old.inputs, new.inputs, "", "input")


def _arguments(step: Step, *, labels: bool) -> dict[str, Any]:
    """The arguments that decide rows, or the others; defaults included, for people want to see both values."""
    fields = type(step.operation).model_fields
    return {
        name: value
        for name, value in step.operation.model_dump(mode="json").items()
        if name not in {"op", "version"}
        and labels == any(mark in (Effect.COST, Effect.LABEL) for mark in fields[name].metadata)
    }


def _fields(before: object, now: object, name: str, noun: str = "argument") -> Iterator[Change]:
    """Values that differ, by their dotted names."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _fields(before.get(key), now.get(key), f"{name}.{key}" if name else str(key), noun)
    elif name == "sql":
        yield Change(what="its SQL", before=f"{before}\n", after=f"{now}\n")
    else:
        yield Change(what=f"{noun} `{name}`", before=_shown(before), after=_shown(now))


def _shown(value: object) -> str:
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case _:
            return str(value)
