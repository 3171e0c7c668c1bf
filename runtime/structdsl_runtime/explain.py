"""What a run would do, and why, without running anything.

A step whose inputs are all known has a key: either the store has it, or the step will run, and the reason is what
differs from the most recent result of the same step. Downstream of a step that will run, keys cannot be known:
such a step runs for certain only if it differs by itself; otherwise maybe, for the rows may come out the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from structdsl.plan import Plan, Step, View
from structdsl_runtime.keys import decisive, digests, guards, identify
from structdsl_runtime.lock import check
from structdsl_runtime.sources import Listing, Sources, digest
from structdsl_runtime.store import Manifest, Store

SHOWN = 3  # names of changed files, and characters × 20 of a changed value


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPreview:
    """What will happen to a step; reasons are worded for people and stand in the order of weight."""

    address: str
    action: Literal["reuse", "run", "maybe"]
    reasons: tuple[str, ...]


def preview(plan: Plan, *, root: Path, store: Path) -> list[StepPreview]:
    """One entry a step, in the order of the plan; reads sources (to hash them), writes no result.

    Raises `StoreUnusable` where the folder of the store is none, or cannot be read.
    """
    place = Store(root=store.absolute())
    check(place.root)
    sources = Sources(root.absolute(), place.root)
    known: dict[str, str] = {}
    pending: dict[str, tuple[str, ...]] = {}  # address -> the steps to name as the cause of what comes after it
    previews = []
    for step in plan.steps:
        causes = tuple(dict.fromkeys(cause for address in step.upstream for cause in pending.get(address, ())))
        previewed = _after(step, causes, place, sources) if causes else _now(step, known, place, sources)
        if isinstance(previewed, Manifest):
            known.update(digests(previewed))
            previews.append(StepPreview(address=step.address, action="reuse", reasons=()))
            continue
        pending[step.address] = causes if isinstance(step.operation, View) and causes else (step.address,)
        previews.append(previewed)
    sources.save()
    return previews


def _now(step: Step, known: dict[str, str], store: Store, sources: Sources) -> StepPreview | Manifest:
    """A step whose inputs are known: its result, or why there is none."""
    identity = identify(step, known, sources)
    manifest = store.find(step, identity.key)
    if manifest is not None:
        return manifest
    last = store.latest(step)
    if last is None:
        return StepPreview(address=step.address, action="run", reasons=("never run",))
    reasons = [*_own(step, last), *_sources(step, last, sources)]
    for name, consumed in identity.inputs.items():
        before = last.inputs.get(name)
        if before is None or before.digest != consumed.digest:
            reasons.append(f"input {consumed.ref.rpartition(':')[0]} changed")
    reasons += [f"input {name} is gone" for name in last.inputs if name not in identity.inputs]
    return StepPreview(
        address=step.address,
        action="run",
        reasons=tuple(dict.fromkeys(reasons)) or ("its result is no longer whole",),
    )


def _after(step: Step, causes: tuple[str, ...], store: Store, sources: Sources) -> StepPreview:
    """A step behind others that will run."""
    after = f"after {', '.join(causes)}"
    last = store.latest(step)
    if last is None:
        return StepPreview(address=step.address, action="run", reasons=("never run",))
    own = [*_own(step, last), *_sources(step, last, sources)]
    if last.inputs.keys() != step.inputs.keys():
        own.append("its inputs are others")
    if own:
        return StepPreview(address=step.address, action="run", reasons=(*own, after))
    return StepPreview(address=step.address, action="maybe", reasons=(f"{after} (skipped if that comes out the same)",))


def _own(step: Step, last: Manifest) -> Iterator[str]:
    """What differs in the step itself."""
    if step.operation.op != last.op:
        yield f"operation {last.op} → {step.operation.op}"
    elif step.operation.version != last.version:
        yield f"operation version {last.version} → {step.operation.version}"
    yield from _arguments(last.arguments, decisive(step), "")
    if last.guards != guards(step):
        yield "its guard changed"


def _arguments(before: object, now: object, name: str) -> Iterator[str]:
    """Changed arguments, by their dotted names."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _arguments(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif name == "sql":
        yield "its SQL changed"
    else:
        yield f"argument `{name}` {_short(before)} → {_short(now)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 20 * SHOWN else f"{text[: 20 * SHOWN]}…"


def _sources(step: Step, last: Manifest, sources: Sources) -> Iterator[str]:
    """What differs in the files that a step reads."""
    for pattern in step.sources:
        listing = sources.listing(pattern)
        before = last.sources.get(pattern)
        if before is None or before == digest(listing):
            continue  # another pattern is another argument
        kept = sources.kept(before)
        yield "source files changed" if kept is None else f"source files changed: {_difference(kept, listing)}"


def _difference(before: Listing, now: Listing) -> str:
    """As in "+1 ~2 -0 (names)"."""
    added, removed = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    changed = sorted(name for name in now.keys() & before.keys() if now[name] != before[name])
    names = [*added, *changed, *removed]
    listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"+{len(added)} ~{len(changed)} -{len(removed)} ({listed})"
