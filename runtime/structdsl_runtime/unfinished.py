"""What a step left unfinished: `unfinished/<address>/<key>/step-<n>/`, from where the next run goes on.

The folder belongs to a key, as a result does, so that a run on other data never finds it. A state in it is complete
when it bears its name: it is written under another and renamed. All of a key goes when the step is committed; what
other keys left stays, for the spec may be changed back, and is told of.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from structdsl_runtime.files import flush, replace, walk
from structdsl_runtime.keys import Identity
from structdsl_runtime.store import Record, Store

AREA: Final = "unfinished"
NAME: Final = "step-{:08}"
STATE: Final = "state.json"
PARTIAL: Final = "partial-"
ARGUMENT, INPUT, SOURCE = "argument", "input", "source"


class State(Record):
    """A saved state: after which of its own steps, and all that decides what comes of it, by name."""

    step: int
    decides: dict[str, Any]
    bytes: int
    files: dict[str, int] = Field(default_factory=dict)  # their bytes, by names below its folder


def decides(identity: Identity) -> dict[str, Any]:
    """What decides the result of a step, by name: arguments, digests of inputs and sources, guards."""
    return {
        **{f"{ARGUMENT} {name}": value for name, value in identity.arguments.items()},
        **{f"{INPUT} {name}": consumed.digest for name, consumed in identity.inputs.items()},
        **{f"{SOURCE} {pattern}": digest for pattern, digest in identity.sources.items()},
        "guards": list(identity.guards),
    }


def folder(store: Store, address: str, key: str) -> Path:
    """Where a step keeps what it has not finished; made by the operation, if it keeps anything."""
    return store.root / AREA / address / key


def states(kept: Path) -> list[tuple[Path, State]]:
    """The complete states in the folder of a key, oldest first."""
    found = []
    for path in sorted(kept.glob(f"{NAME.partition('{')[0]}*")):
        try:
            found.append((path, State.model_validate_json((path / STATE).read_bytes())))
        except (FileNotFoundError, ValidationError):
            continue  # of a version of ours that kept something else
    return found


def damage(path: Path, state: State) -> Iterator[str]:
    """In words, each file of a state that is not there as it was saved; contents are not read."""
    for name, size in state.files.items():
        found = (path / name).stat().st_size if (path / name).is_file() else None
        if found is None:
            yield f"`{name}` is not there"
        elif found != size:
            yield f"`{name}` has {found:,} of {size:,} bytes"


def begin(kept: Path) -> Path:
    """An empty folder to write a state to, under a name that no reader looks for."""
    path = kept / f"{PARTIAL}{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def complete(partial: Path, state: State, keep: int) -> Path:
    """Have a state on disk, give it its name, and only then remove those beyond the `keep` latest."""
    files = {}
    for path in walk(partial):
        flush(path)
        files[path.relative_to(partial).as_posix()] = path.stat().st_size
    state = state.model_copy(update={"files": files})
    replace(partial / STATE, state.model_dump_json() + "\n", durable=True)
    kept, path = partial.parent, partial.with_name(NAME.format(state.step))
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)
    flush(kept)
    for old, _ in states(kept)[:-keep]:
        shutil.rmtree(old)
    return path


def tidy(kept: Path) -> None:
    """Remove what was being written when its writer was killed."""
    for path in kept.glob(f"{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)


def sweep(store: Store) -> None:
    """Remove what belongs to results that are committed: of a run that was killed between the two."""
    for kept in store.root.glob(f"{AREA}/*/*"):
        if any((store.root / area / kept.parent.name / kept.name / "manifest.json").exists() for area in store.AREAS):
            remove(kept)


def remove(kept: Path) -> None:
    """All that is left of a key, and the folder of the step if it was the last."""
    shutil.rmtree(kept, ignore_errors=True)
    if kept.parent.is_dir() and not any(kept.parent.iterdir()):
        kept.parent.rmdir()


def others(store: Store, address: str, key: str, now: Mapping[str, Any]) -> Iterator[tuple[Path, State, str]]:
    """The latest state of every other key of a step, and in words what is not as it is now."""
    for kept in sorted((store.root / AREA / address).glob("*")):
        found = states(kept) if kept.name != key else []
        if found:
            path, state = found[-1]
            yield path, state, ", ".join(changed(state.decides, now)) or "its operation"


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The names of arguments, inputs and sources that differ, in backticks."""
    for name in {**then, **now}:
        kind, _, what = name.partition(" ")
        if kind in (ARGUMENT, INPUT, SOURCE) and then.get(name) != now.get(name):
            yield f"`{what}`"
        elif name == "guards" and then.get(name) != now.get(name):
            yield "what is asked before it starts"
