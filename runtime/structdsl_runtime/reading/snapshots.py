"""Data sets as the cache of the Hub has them, for where the Hub is out of reach: the files of a repository at a commit.

Files come into the cache one by one, so a folder of it says nothing of what is not in it. What a split is made of is
looked up in a folder that has a name for every file of the repository, where the cache knows them all, so that what
is missing is missed.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from zipfile import BadZipFile

from structdsl.plan import ReadDataset
from structdsl_runtime import repository

_SHARD: Final = re.compile(r"(.*-)(\d{5})(-of-)(\d{5})([^/]*)")
_TELLING: Final = frozenset({"README.md", ".huggingface.yaml", "dataset_infos.json"})
"""Files that say which others are of a split."""


class PartialError(Exception):
    """The cache has some of what a split is made of; the message says what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A data set at a commit."""

    folder: Path  # called by the commit
    builder: Any  # of the library `datasets`
    is_whole: bool  # whether that is known
    rows: int | None  # that the split has by the card, none where it does not say


def snapshot_of(arguments: ReadDataset, scratch: Path) -> Snapshot | None:
    """What the cache has of a data set at its revision; none where it has nothing.

    Raises `PartialError`, and whatever the library raises for a configuration or a split that is not there.
    """
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one

    folder = repository.snapshot(arguments.id, arguments.revision, "datasets")
    if folder is None or glob.has_magic(str(folder)):  # the library would read whatever matches it
        return None
    names = _names(arguments.id, folder.name)
    missing = [name for name in names or () if not (folder / name).is_file()]
    if telling := sorted(_TELLING.intersection(missing)):
        raise PartialError(_lacks(telling[0]))
    at = _with_gaps(folder, names or (), Path(mkdtemp(dir=scratch))) if missing else folder
    try:
        builder = datasets.load_dataset_builder(str(at), arguments.name)
    except BadZipFile:  # what is in an archive decides how it is read
        archive = next((name for name in missing if name.endswith(".zip")), None)
        if archive is None:
            raise
        raise PartialError(_lacks(archive)) from None
    if (stray := elsewhere(builder, arguments.split, at)) is not None:
        raise PartialError(_lacks(stray))
    files, real = _files(builder, arguments.split), at.resolve()
    shards = (str(Path(name).relative_to(real)) for name in _shards(files) if not Path(name).is_file())
    gap = next((name for name in missing if str(real / name) in files), None) or next(shards, None)
    if gap is not None:
        raise PartialError(_lacks(gap))
    said = (builder.info.splits or {}).get(arguments.split)
    rows = said.num_examples if said is not None else None
    return Snapshot(folder=folder, builder=builder, is_whole=names is not None, rows=rows or None)


def elsewhere(builder: Any, split: str, folder: Path) -> str | None:
    """A file that a split has by the card of its folder, and that does not lie there; none where all do."""
    real = folder.resolve()
    outside = (file for file in _files(builder, split) if not Path(os.path.normpath(file)).is_relative_to(real))
    return min(outside, default=None)


def _files(builder: Any, split: str) -> set[str]:
    return {str(file) for file in (builder.config.data_files or {}).get(split, ())}


def _names(id_: str, commit: str) -> Sequence[str] | None:
    """All files that a repository has at a commit; none where the cache was never told."""
    from huggingface_hub import get_cached_repo_tree  # noqa: PLC0415 - as above
    from huggingface_hub.errors import CachedRepoTreeNotFoundError  # noqa: PLC0415 - as above

    try:
        return [file.path for file in get_cached_repo_tree(id_, repo_type="dataset", revision=commit)]
    except CachedRepoTreeNotFoundError:
        return None


def _with_gaps(folder: Path, names: Sequence[str], at: Path) -> Path:
    """A folder with all files of a repository, of which those are empty that the cache does not have."""
    for name in names:
        place = at / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (folder / name).is_file():
            place.symlink_to((folder / name).absolute())
        else:
            place.touch()
    return at


def _shards(files: Iterable[str]) -> Iterator[str]:
    """The files that there must be beside these by their own names: `train-00000-of-00002.parquet` is one of two."""
    for kind in sorted({(m[1], m[3], m[4], m[5]) for m in map(_SHARD.fullmatch, files) if m is not None}):
        before, of, count, after = kind
        yield from (f"{before}{number:05}{of}{count}{after}" for number in range(int(count)))


def _lacks(name: str) -> str:
    return f"`{name}` is missing"
