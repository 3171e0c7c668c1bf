"""Data sets as the caches on this machine have them: the files of a repository at a commit, and what is made of them.

A commit is always the same, so one that is here as a whole needs no Hub; where it is out of reach, less may do. Files
come into the cache one by one, so a folder of it says nothing of what is not in it. What a split is made of is
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


def is_here(arguments: ReadDataset) -> bool:
    """Whether something of a data set is in a cache."""
    at = repository.snapshot(arguments.id, arguments.revision, "datasets")
    return at is not None or any(_home(arguments.id).glob("*/*/*"))


def whole(arguments: ReadDataset) -> Path | None:
    """The folder of a data set at the commit that is asked for, with every file of it; none where one is missing."""
    commit = arguments.revision
    if commit is None or not repository.COMMIT.fullmatch(commit):
        return None
    folder = repository.snapshot(arguments.id, commit, "datasets")
    names = _names(arguments.id, commit) if folder is not None else None
    if folder is None or names is None or not all((folder / name).is_file() for name in names):
        return None
    return folder


def names_others(folder: Path) -> bool:
    """Whether the card of a folder has files that are written as lying elsewhere, for whatever configuration."""
    return any(
        "://" in path or path.startswith("/") or ".." in path.split("/")
        for config in _configs(folder)
        for path in _texts([config.get("data_files"), config.get("data_dir")])
    )


def _configs(folder: Path) -> list[dict[str, Any]]:
    """The configurations that a folder says it has, as they are written."""
    from huggingface_hub import RepoCard  # noqa: PLC0415 - slow, as above

    card, settings = folder / "README.md", folder / ".huggingface.yaml"
    written = [card.read_text(encoding="utf-8-sig")] if card.is_file() else []
    if settings.is_file():
        written.append(f"---\n{settings.read_text(encoding='utf-8')}\n---\n")
    found = (config for each in written for config in RepoCard(each).data.get("configs") or ())
    return [config for config in found if isinstance(config, dict)]


def _texts(value: object) -> Iterator[str]:
    """All texts of a value of YAML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def latest(arguments: ReadDataset) -> Any | None:
    """The builder of what the library prepared last of a data set, of whatever revision; none where it has nothing.

    Raises what the library raises for a configuration that is not there, or where it would have to choose one.
    """
    from datasets.packaged_modules.cache.cache import Cache  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

    if not any(_home(arguments.id).glob("*/*/*")):
        return None
    return Cache(**_called(arguments.id), config_name=arguments.name, version="auto", hash="auto")


def prepared(arguments: ReadDataset) -> Any | None:
    """The builder of a split that the library has prepared at the commit that is asked for, with all of its files."""
    from datasets.naming import filenames_for_dataset_split  # type: ignore[import-untyped]  # noqa: PLC0415 - slow
    from datasets.packaged_modules.cache.cache import Cache  # noqa: PLC0415 - slow

    commit = arguments.revision
    if commit is None or not repository.COMMIT.fullmatch(commit):
        return None
    name = arguments.name or "default"  # which one the Hub would take where it has others, the cache does not know
    for folder in _home(arguments.id).glob(f"{glob.escape(name)}/*/{commit}"):
        builder = Cache(**_called(arguments.id), config_name=name, version=folder.parent.name, hash=commit)
        said = (builder.info.splits or {}).get(arguments.split)
        if said is not None:
            files = filenames_for_dataset_split(
                builder.cache_dir, builder.dataset_name, arguments.split, "arrow", said.shard_lengths
            )
            if all(Path(file).is_file() for file in files):
                return builder
    return None


def _home(id_: str) -> Path:
    """Where the library keeps what it prepares of a data set, below folders for configuration, version and commit."""
    from datasets import config  # type: ignore[import-untyped]  # noqa: PLC0415 - slow
    from datasets.naming import camelcase_to_snakecase  # noqa: PLC0415 - slow

    *owner, name = id_.split("/")
    return Path(config.HF_DATASETS_CACHE).expanduser() / "___".join((*owner, camelcase_to_snakecase(name)))


def _called(id_: str) -> dict[str, str]:
    return {"repo_id": id_, "dataset_name": id_.rpartition("/")[2]}


def snapshot_of(arguments: ReadDataset, scratch: Path) -> Snapshot | None:
    """What the cache has of a data set at its revision; none where it has nothing.

    Raises `PartialError`, and whatever the library raises for a configuration or a split that is not there.
    """
    import datasets  # noqa: PLC0415 - slow, and only for specs that name one

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
    shards = [found for found in map(_SHARD.fullmatch, files) if found is not None]
    for kind in sorted({(shard[1], shard[3], shard[4], shard[5]) for shard in shards}):
        before, of, count, after = kind
        yield from (f"{before}{number:05}{of}{count}{after}" for number in range(int(count)))


def _lacks(name: str) -> str:
    return f"`{name}` is missing"
