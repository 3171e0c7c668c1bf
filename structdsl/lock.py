"""`<spec>.adapt.lock`: what outside of a spec decided its results, written down so that git shows when it changes.

A pin for every step of the plan that reads from outside: files with their digest, a model folder with its shape, a
repository of the Hugging Face Hub with its commit. The text is JSON, sorted, one fact a line; it holds no time, no
path of a machine and no secret, so that the same inputs give the same bytes everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from structdsl.counts import counted

FORMAT: Final = 1
LISTED = 100  # files: a source of more is pinned by its digest alone
SHOWN = 5  # names in a message
SHORT = 16  # hexadecimal digits of the digest of a file: enough to see that it is another

Listing = Mapping[str, str]  # file -> digest


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Shape(Record):
    """The size of a model as its `config.json` says; none where it does not."""

    parameters: int | None = None
    hidden: int | None = None
    inner: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    vocab: int | None = None
    positions: int | None = None


class Content(Record):
    """Files on disk."""

    files: int
    bytes: int
    digest: str
    listing: dict[str, str] | None = None  # name -> digest, where there are few


class Files(Content):
    """Documents, or what else a step reads."""

    kind: Literal["files"] = "files"


class Tokenizer(Content):
    kind: Literal["tokenizer"] = "tokenizer"


class Folder(Content):
    """A model folder."""

    kind: Literal["model"] = "model"
    shape: Shape


class Repository(Record):
    """What of a repository of the Hub does not depend on what is in it."""

    repository: str  # "Qwen/Qwen2.5-0.5B"
    asked: str | None = None  # the revision that the spec names
    revision: str  # the commit that it stands for


class HubModel(Repository):
    kind: Literal["hub_model"] = "hub_model"
    shape: Shape


class HubTokenizer(Repository):
    kind: Literal["hub_tokenizer"] = "hub_tokenizer"


class HubDataset(Repository):
    kind: Literal["hub_dataset"] = "hub_dataset"
    columns: dict[str, str] | None = None  # name -> type; none where nothing says so


Pin = Annotated[
    Files | Tokenizer | Folder | HubModel | HubTokenizer | HubDataset,
    Field(discriminator="kind"),
]


class Lock(Record):
    """All pins of a spec, by the address of the step that reads."""

    lock: Literal[1] = FORMAT
    compiler: str
    edition: int
    parameters: dict[str, str] = {}
    pins: dict[str, Pin] = {}

    def revision(self, address: str) -> str | None:
        """The commit that a step reads from the Hub, if it does."""
        pin = self.pins.get(address)
        return pin.revision if isinstance(pin, Repository) else None


class BadLock(ValueError):  # noqa: N818 - a state of affairs
    """A text that is no lock; `notes` say where and why."""

    def __init__(self, reason: str, notes: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.notes = notes


def lock_path(spec: Path) -> Path:
    """`medical.adapt.lock`, beside the spec."""
    return spec.with_name(f"{spec.name}.lock")


def write(lock: Lock) -> str:
    """The text of a lock: the same for equal locks, on every machine."""
    values = lock.model_dump(mode="json", exclude_none=True)
    ordered = {name: values[name] for name in ("lock", "compiler", "edition", "parameters", "pins")}
    ordered["parameters"] = dict(sorted(ordered["parameters"].items()))
    ordered["pins"] = {address: {"kind": pin["kind"], **pin} for address, pin in sorted(ordered["pins"].items())}
    return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"


def read(text: str) -> Lock:
    """The lock that a text is; raises `BadLock`."""
    try:
        values = json.loads(text)
    except ValueError as error:
        merge = "<<<<<<<" in text
        raise BadLock("it holds an unresolved merge" if merge else f"it is no JSON: {error}") from None
    if not isinstance(values, dict) or "lock" not in values:
        raise BadLock("it does not begin like a lock")
    if values["lock"] != FORMAT:
        raise BadLock(f"its format is {values['lock']!r}, and this version reads {FORMAT}")
    try:
        return Lock.model_validate(values)
    except ValidationError as error:
        notes = tuple(f"`{'.'.join(map(str, e['loc']))}`: {e['msg'].lower()}" for e in error.errors()[:3])
        raise BadLock("some of it is not what a lock holds", notes) from None


def model_shapes(lock: Lock) -> dict[str, Shape]:
    """The shape of every model that is pinned, by its address: `model.base`."""
    return {
        address.removesuffix(".load"): pin.shape
        for address, pin in lock.pins.items()
        if isinstance(pin, Folder | HubModel)
    }


def changes(before: Lock, now: Lock, kept: Callable[[str], Listing | None], *, params: bool = True) -> list[str]:
    """What another lock would say, one line a fact.

    `kept` finds the listing behind the digest of a source with many files, where it is still known. Params are left
    out for a run, which may be given others on purpose.
    """
    found = []
    if before.compiler != now.compiler:
        found.append(f"compiler {before.compiler} → {now.compiler}")
    if before.edition != now.edition:
        found.append(f"edition {before.edition} → {now.edition}")
    if params:
        found += [f"param {line}" for line in _entries(before.parameters, now.parameters)]
    for address in sorted(before.pins.keys() | now.pins.keys()):
        old, new = before.pins.get(address), now.pins.get(address)
        if new is None:
            found.append(f"{address} is pinned and no longer in the plan")
        elif old is None:
            found.append(f"{address} is not pinned")
        elif old != new:
            found += [f"{address}: {line}" for line in _pin(old, new, kept)]
    return found


def _pin(old: Pin, new: Pin, kept: Callable[[str], Listing | None]) -> Iterator[str]:
    """How a pin differs."""
    if type(old) is not type(new):
        yield f"{old.kind.replace('_', ' ')} → {new.kind.replace('_', ' ')}"
        return
    if isinstance(old, Content) and isinstance(new, Content) and (old.digest, old.files) != (new.digest, new.files):
        what = "tokenizer changed" if isinstance(new, Tokenizer) else "sources"
        yield f"{what} {_files(old, new, kept)}"
    if isinstance(old, Repository) and isinstance(new, Repository):
        if old.repository != new.repository:
            yield f"repository {old.repository} → {new.repository}"
        if old.asked != new.asked:
            yield f"the spec asks for revision {new.asked or 'main'} in place of {old.asked or 'main'}"
        if old.revision != new.revision:
            yield f"revision {old.revision[:12]} → {new.revision[:12]}"
    if isinstance(old, HubDataset) and isinstance(new, HubDataset):
        yield from (f"column {line}" for line in _entries(old.columns or {}, new.columns or {}))
    if isinstance(old, Folder | HubModel) and isinstance(new, Folder | HubModel):
        shapes = [{k: str(v) for k, v in pin.shape.model_dump().items() if v is not None} for pin in (old, new)]
        yield from (f"shape {line}" for line in _entries(*shapes))


def _entries(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            yield f"`{name}` is gone"
        elif name not in before:
            yield f"`{name}` is new: {now[name]}"
        elif before[name] != now[name]:
            yield f"`{name}` {before[name]} → {now[name]}"


def _files(old: Content, new: Content, kept: Callable[[str], Listing | None]) -> str:
    """As in "+1 ~2 −0 (names)"; counts where the names of the earlier files are not known."""
    before, now = (pin.listing if pin.listing is not None else kept(pin.digest) for pin in (old, new))
    if before is None or now is None:
        return " → ".join(f"{counted(each.files, 'file')}, {counted(each.bytes, 'byte')}" for each in (old, new))
    added, removed = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    changed = sorted(name for name in now.keys() & before.keys() if now[name][:SHORT] != before[name][:SHORT])
    names = [*added, *changed, *removed]
    listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"+{len(added)} ~{len(changed)} −{len(removed)} ({listed})"
