"""What a run would do, and why, without running anything.

A step whose inputs are all known has a key: either the store has it, or the step will run, and the reason is what
differs from the most recent result of the same step. Downstream of a step that will run, keys cannot be known:
such a step runs for certain only if it differs by itself; otherwise maybe, for the rows may come out the same.
Either way there is a shortest chain of steps that leads from it to one that differs by itself: why it runs at all.
A step whose files are missing will fail: what has never run behind it is told by that, and not by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from structdsl.plan import Plan, ReadDataset, Step, View
from structdsl.plan.addresses import is_remote
from structdsl_runtime.files import data_set_folder
from structdsl_runtime.keys import Identity, decisive, digests, guards, identify, listing
from structdsl_runtime.lock import check
from structdsl_runtime.sources import Listing, Sources, digest
from structdsl_runtime.store import Manifest, Store
from structdsl_runtime.unfinished import folder, states

SHOWN = 3  # names of changed files, and characters × 20 of a changed value


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPreview:
    """What will happen to a step; reasons are worded for people and stand in the order of weight."""

    address: str
    action: Literal["reuse", "run", "maybe"]
    reasons: tuple[str, ...]
    own: tuple[str, ...] = ()  # reasons that lie in the step itself, its files included
    chain: tuple[str, ...] = ()  # steps that it reads from, the nearest first, up to one that differs by itself
    origins: tuple[str, ...] = ()  # all steps before it that differ by themselves
    manifest: Manifest | None = None  # its result, else the latest under another key
    fails: bool = False  # for certain: what it reads is missing, here or before it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """What a step whose rows are not known yet is to those that read from it."""

    causes: tuple[str, ...]  # the nearest steps to name: itself, or behind a view those that the view reads
    chain: tuple[str, ...]
    origins: tuple[str, ...]
    fails: bool


def preview(plan: Plan, *, root: Path, store: Path) -> list[StepPreview]:
    """One entry a step, in the order of the plan; reads sources (to hash them), writes no result.

    Raises `StoreUnusable` where the folder of the store is none, or cannot be read.
    """
    place, root = Store(root=store.absolute()), root.absolute()
    check(place.root)
    sources = Sources(root, place.root)
    known: dict[str, str] = {}
    pending: dict[str, _Pending] = {}
    previews = []
    for step in plan.steps:
        before = [pending[address] for address in step.upstream if address in pending]
        previewed = _after(step, before, place, sources) if before else _now(step, known, place, sources, root)
        if previewed.action == "reuse":
            assert previewed.manifest is not None, "a result is reused"
            known.update(digests(previewed.manifest))
        else:
            pending[step.address] = _pending(step, previewed, before)
        previews.append(previewed)
    sources.save()
    return previews


def _now(step: Step, known: dict[str, str], store: Store, sources: Sources, root: Path) -> StepPreview:
    """A step whose inputs are known: its result, or why there is none."""
    identity = identify(step, known, sources)
    manifest = store.find(step, identity.key)
    if manifest is not None:
        return StepPreview(address=step.address, action="reuse", reasons=(), manifest=manifest)
    last = store.latest(step)
    absent = _absent(step, identity, root)
    saved = [
        f"goes on from its checkpoint at step {state.step}"
        for _, state in states(folder(store, step.address, identity.key))[-1:]
    ]
    if last is None:
        return _run(step, (*(absent or ("never run",)), *saved), None, fails=bool(absent))
    reasons = [*absent, *_own(step, last), *_sources(step, last, sources)]
    for name, consumed in identity.inputs.items():
        before = last.inputs.get(name)
        if before is None or before.digest != consumed.digest:
            reasons.append(f"input {consumed.ref.rpartition(':')[0]} changed")
    reasons += [f"input {name} is gone" for name in last.inputs if name not in identity.inputs]
    reasons = list(dict.fromkeys(reasons)) or ["its result is no longer whole"]
    return _run(step, (*reasons, *saved), last, fails=bool(absent))


def _absent(step: Step, identity: Identity, root: Path) -> tuple[str, ...]:
    """That nothing is where a step reads, for which it will fail; what stores and the Hub hold is not known here."""
    if isinstance(step.operation, ReadDataset):
        place = data_set_folder(step.operation.id, root)
        missing = place is not None and not os.path.exists(place)  # noqa: PTH110 - its name may be too long for a path
        return (f"`{step.operation.id}` cannot be read: there is no such folder",) if missing else ()
    if not identity.listings or any(map(is_remote, identity.listings)) or any(identity.listings.values()):
        return ()
    first, *others = identity.listings
    return (f"no file matches {first}{', …' if others else ''}",)


def _run(step: Step, reasons: tuple[str, ...], last: Manifest | None, *, fails: bool) -> StepPreview:
    return StepPreview(address=step.address, action="run", reasons=reasons, own=reasons, manifest=last, fails=fails)


def _pending(step: Step, previewed: StepPreview, before: list[_Pending]) -> _Pending:
    causes = _causes(before) if isinstance(step.operation, View) and before else (step.address,)
    if previewed.own:
        return _Pending(causes=causes, chain=(step.address,), origins=(step.address,), fails=previewed.fails)
    chain = (step.address, *previewed.chain)
    return _Pending(causes=causes, chain=chain, origins=previewed.origins, fails=previewed.fails)


def _causes(before: list[_Pending]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cause for pending in before for cause in pending.causes))


def _after(step: Step, before: list[_Pending], store: Store, sources: Sources) -> StepPreview:
    """A step behind others that will run."""
    after = f"after {', '.join(_causes(before))}"
    last, failing = store.latest(step), [pending for pending in before if pending.fails]
    if last is None:
        own: tuple[str, ...] = () if failing else ("never run",)
        reasons, before = own or (after,), failing or before
    else:
        own = (*_own(step, last), *_sources(step, last, sources))
        own = (*own, "its inputs are others") if last.inputs.keys() != step.inputs.keys() else own
        reasons = (*own, after) if own else (f"{after} (skipped if that comes out the same)",)
    return StepPreview(
        address=step.address,
        action="run" if own or last is None else "maybe",
        reasons=reasons,
        own=own,
        chain=min((pending.chain for pending in before), key=len),
        origins=tuple(dict.fromkeys(origin for pending in before for origin in pending.origins)),
        manifest=last,
        fails=bool(failing),
    )


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
    elif any(isinstance(item, dict) for value in (before, now) if isinstance(value, list | tuple) for item in value):
        yield f"argument `{name}` changed"
    else:
        yield f"argument `{name}` {_short(before)} → {_short(now)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 20 * SHOWN else f"{text[: 20 * SHOWN]}…"


def _sources(step: Step, last: Manifest, sources: Sources) -> Iterator[str]:
    """What differs in the files that a step reads."""
    for pattern in step.sources:
        found = listing(step, pattern, sources)
        before = last.sources.get(pattern)
        if before is None or before == digest(found):
            continue  # another pattern is another argument
        kept = sources.kept(before)
        yield "source files changed" if kept is None else f"source files changed: {_difference(kept, found)}"


def _difference(before: Listing, now: Listing) -> str:
    """As in "+1 ~2 -0 (names)"."""
    added, removed = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    changed = sorted(name for name in now.keys() & before.keys() if now[name] != before[name])
    names = [*added, *changed, *removed]
    listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"+{len(added)} ~{len(changed)} -{len(removed)} ({listed})"
