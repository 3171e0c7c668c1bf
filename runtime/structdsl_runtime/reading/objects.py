"""Objects of a store that fsspec can reach, as sources: `s3://bucket/folder/*.md`, and in tests `memory://…`.

What an object is by content is not asked of the network: its entity tag, or its size and the time of its last change,
stand for it.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

from structdsl_runtime.operation import Fault
from structdsl_runtime.text import unmatched
from structdsl_runtime.text.sources import a_folder, nothing_matches, unreadable

TELLING: Final = (
    "ETag",
    "etag",
    "md5",
    "contentHash",
    "generation",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
)
"""Fields of a listing that are others when the object is, by the names that stores give them."""

_BUFFER: Final = 1 << 20
_MAGIC: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a store: what `Source` is of a disk."""

    shown: str  # "s3://bucket/folder/a.md"
    name: str  # below the fixed part of the pattern
    stamp: str
    size: int
    pattern: str  # by which it was found: of the same store
    path: str  # in the store: as part of an address, `::` in it would be taken for two

    def open(self) -> BinaryIO:
        files, _ = _reached(self.pattern)
        return cast("BinaryIO", io.BufferedReader(files.open(self.path, "rb"), _BUFFER))

    def now(self) -> str:
        files, _ = _reached(self.pattern)
        files.invalidate_cache()
        return _stamp(files.info(self.path))


def find_objects(pattern: str) -> list[Object]:
    """The objects of a pattern in the order of their addresses.

    Raises Fault E0513 where there is none, E0515 where the store cannot be reached, for a folder that is named outright
    and for an address within another.
    """
    if "::" in pattern:
        inner, _, outer = pattern.partition("::")
        help_ = f"unpack `{outer}`, and name the files; or name those of one store: `s3://bucket/folder/*.md`"
        raise unreadable(pattern, f"what is within another address (`{inner}`) is not read", help_)
    files, path = _reached(pattern)
    scheme = pattern.partition("://")[0]
    base = _fixed(path)
    try:
        files.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = files.glob(path, detail=True)
    except Exception as error:
        raise unreadable(pattern, f"{type(error).__name__}: {error}"[:300]) from error
    objects = [
        Object(
            shown=f"{scheme}://{name.lstrip('/')}",
            name=name.removeprefix(base).lstrip("/"),
            stamp=_stamp(info),
            size=int(info.get("size") or 0),
            pattern=pattern,
            path=name,
        )
        for name, info in found.items()
        if info.get("type") != "directory"
    ]
    if not objects and not _MAGIC.intersection(path) and _is_folder(files, path, pattern):
        raise a_folder(pattern)
    if not objects:
        raise nothing_matches(pattern, f"{scheme}://{base.lstrip('/')}", helps=unmatched.helps_with(pattern), held=None)
    return sorted(objects, key=lambda each: each.shown)


def _is_folder(files: Any, path: str, pattern: str) -> bool:
    try:
        return bool(files.isdir(path))
    except Exception as error:
        raise unreadable(pattern, f"{type(error).__name__}: {error}"[:300]) from error


def listing(pattern: str) -> dict[str, str] | None:
    """The objects of a pattern by name, and what each of them is now; None where they cannot be listed."""
    try:
        return {each.name: each.stamp for each in find_objects(pattern)}
    except Fault as fault:
        return {} if fault.code == "E0513" else None


def _reached(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; raises Fault E0515 for one that is not known here, or not
    there.
    """
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - most plans read no store

    try:
        files, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        scheme = address.partition("://")[0]
        help_ = "`pip install s3fs`, `gcsfs` or `adlfs` brings that of a cloud; fsspec lists the others"
        raise unreadable(address, f"nothing here knows `{scheme}://`: {error}", help_) from None
    except Exception as error:  # some ask their server at once
        raise unreadable(address, f"{type(error).__name__}: {error}"[:300]) from error
    return files, path


def _fixed(path: str) -> str:
    """The folder in front of the first wildcard."""
    parts = PurePosixPath(path).parts
    end = next((at for at, part in enumerate(parts) if _MAGIC & set(part)), len(parts) - 1)
    return str(PurePosixPath(*parts[:end])) if end else ""


def _stamp(info: Mapping[str, Any]) -> str:
    """The size and the first telling field; a time is the same however it is spelt."""
    told = next((info[name] for name in TELLING if info.get(name) is not None), "")
    return f"{info.get('size')} {told.timestamp() if isinstance(told, dt.datetime) else told}"
