"""Pins of a plan, gathered now: hashes of files, shapes of model folders, commits of repositories of the Hub."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from structdsl.hub import Unreachable, Wanted, folder_shape, look_up
from structdsl.lock import LISTED, SHORT, Files, Folder, Listing, Lock, Pin, Repository, Tokenizer
from structdsl.plan import (
    FetchModel,
    FetchTokenizer,
    LoadModel,
    LoadTokenizer,
    Plan,
    ReadDataset,
    ReadObjects,
    ReadTable,
    Step,
)
from structdsl.plan.addresses import is_remote, path_of
from structdsl_runtime.files import data_set_folder, resolve
from structdsl_runtime.globs import match
from structdsl_runtime.keys import listing as listed
from structdsl_runtime.sources import UNREADABLE, Sources, digest

Asking = Literal["hub", "cache", "earlier"]
"""What of a repository is trusted: the cache and the Hub; the cache, else an earlier lock; an earlier lock first."""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """The lock as it would be written now, and what stands in its way."""

    lock: Lock
    missing: dict[str, str] = field(default_factory=dict)  # address -> why it could not be pinned
    unreached: bool = False  # whether repositories are among these
    carried: list[str] = field(default_factory=list)  # addresses whose pin is that of the earlier lock
    listings: dict[str, Listing] = field(default_factory=dict)  # digest -> files


def gather(plan: Plan, *, root: Path, store: Path, earlier: Lock | None, asking: Asking) -> Gathered:
    """Pin every step of a plan that reads from outside.

    A repository that an earlier lock pins at the revision which the spec asks for keeps that pin where `asking` says
    so: a run has to read what was locked, however far the repository has moved on.
    """
    sources = Sources(root.absolute(), store.absolute())
    found: dict[str, Pin] = {}
    gathered = Gathered(
        lock=Lock(compiler=plan.compiler, edition=plan.edition, parameters=plan.parameters, pins={}),
    )
    for step in plan.steps:
        try:
            pin = _pin(step, root, sources, earlier, asking, gathered)
        except Unreachable as error:
            gathered.missing[step.address] = str(error)
            gathered.unreached |= repository(step, root) is not None
        else:
            if pin is not None:
                found[step.address] = pin
    sources.save()
    gathered.lock = gathered.lock.model_copy(update={"pins": found})
    return gathered


def remember(gathered: Gathered, *, root: Path, store: Path) -> Sources:
    """The store's memory of listings, to which those of the sources with many files are added."""
    sources = Sources(root.absolute(), store.absolute())
    for listing in gathered.listings.values():
        if len(listing) > LISTED:
            sources.keep(dict(listing))
    return sources


def _pin(
    step: Step, root: Path, sources: Sources, earlier: Lock | None, asking: Asking, gathered: Gathered
) -> Pin | None:
    """The pin of a step, none where it reads nothing from outside; raises `Unreachable`."""
    wanted = repository(step, root)
    if wanted is not None:
        return _repository(step.address, wanted, earlier, asking, gathered)
    if (address := remote(step)) is not None:
        raise Unreachable(f"`{address}` is not on this machine, and cannot be listed yet")
    return _content(step, root, sources, gathered) if step.sources else None


def repository(step: Step, root: Path) -> Wanted | None:
    """The repository of the Hub that a step reads, if it reads one; `root` is the folder of the spec."""
    match step.operation:
        case FetchModel(id=id_, revision=revision, token=token):
            return Wanted(kind="hub_model", repository=id_, revision=revision, token=_secret(token))
        case FetchTokenizer(id=id_, revision=revision, token=token):
            return Wanted(kind="hub_tokenizer", repository=id_, revision=revision, token=_secret(token))
        case ReadDataset(id=id_, name=name, revision=revision, token=token) if data_set_folder(id_, root) is None:
            return Wanted(kind="hub_dataset", repository=id_, revision=revision, config=name, token=_secret(token))
        case _:
            return None


def _secret(name: str | None) -> str | None:
    """The value of a secret: what the environment variable of that name holds."""
    return os.environ.get(name) if name is not None else None


def remote(step: Step) -> str | None:
    """The address outside of this machine that a step reads, if it reads one that is no repository."""
    match step.operation:
        case ReadObjects(pattern=address) | ReadTable(uri=address) if is_remote(address):
            return address
        case _:
            return None


def _repository(address: str, wanted: Wanted, earlier: Lock | None, asking: Asking, gathered: Gathered) -> Pin:
    before = earlier.pins.get(address) if earlier is not None else None
    usable = (
        isinstance(before, Repository)
        and before.kind == wanted.kind
        and before.repository == wanted.repository
        and wanted.revision in (before.asked, before.revision)  # the commit, where the lock was compiled in
    )
    if before is not None and usable and asking == "earlier":
        return before
    try:
        return look_up(wanted, online=asking == "hub")
    except Unreachable:
        if before is None or not usable or asking != "cache":
            raise
    gathered.carried.append(address)
    return before


def _content(step: Step, root: Path, sources: Sources, gathered: Gathered) -> Pin:
    """Files of a step, under the names that the spec gives them."""
    listing: dict[str, str] = {}
    for pattern in step.sources:
        fixed = _fixed(path_of(pattern), root)
        listing |= {str(fixed / name): value for name, value in listed(step, pattern, sources).items()}
    patterns = ", ".join(f"`{pattern}`" for pattern in step.sources)
    if not listing:
        raise Unreachable(f"no file matches {patterns}")
    if unreadable := [name for name, value in listing.items() if value == UNREADABLE]:
        raise Unreachable(f"`{unreadable[0]}` cannot be read")
    size = sum(path.stat().st_size for pattern in step.sources for path in match(pattern, root)[1])
    key = digest(listing)
    gathered.listings[key] = listing
    short = {name: value[:SHORT] for name, value in sorted(listing.items())} if len(listing) <= LISTED else None
    match step.operation:
        case LoadModel(path=path):
            shape = folder_shape(resolve(path, root))
            return Folder(files=len(listing), bytes=size, digest=key, listing=short, shape=shape)
        case LoadTokenizer():
            return Tokenizer(files=len(listing), bytes=size, digest=key, listing=short)
        case _:
            return Files(files=len(listing), bytes=size, digest=key, listing=short)


def _fixed(pattern: str, root: Path) -> PurePosixPath:
    """The folder, as written, below which a pattern matches names."""
    parts = PurePosixPath(pattern).parts
    plain = next((at for at, part in enumerate(parts) if glob.has_magic(part)), None)
    if plain is None:
        return PurePosixPath(pattern) if resolve(pattern, root).is_dir() else PurePosixPath(pattern).parent
    return PurePosixPath(*parts[:plain])
