"""Kinds of files, told by their suffix: those that are one document, and those whose rows are documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from structdsl_runtime.text.sources import unreadable

WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "markdown": (".md", ".markdown"),
    "text": (".txt",),
    "html": (".html", ".htm"),
    "pdf": (".pdf",),
    "rst": (".rst",),
    "asciidoc": (".adoc", ".asciidoc"),
    "code": (".py", ".js", ".ts", ".c", ".h", ".cpp", ".hpp", ".java", ".go", ".rs", ".sh", ".sql"),
}
"""Formats whose files are one document each, and the suffixes of their names."""

ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "json lines": (".jsonl", ".ndjson"),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
}
"""Formats whose files have a row a document."""

COMPRESSION: Final[Mapping[str, Literal["gzip", "zstd"]]] = {".gz": "gzip", ".zst": "zstd"}
"""What may stand after the suffix of a format that is text, and the codec of Arrow that undoes it."""

WHOLE_SUFFIXES: Final = frozenset(suffix for suffixes in WHOLE.values() for suffix in suffixes)

_FORMATS: Final = {suffix: name for kinds in (WHOLE, ROWS) for name, suffixes in kinds.items() for suffix in suffixes}
_BINARY: Final = frozenset({"parquet", "arrow", "pdf"})


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is read."""

    name: str
    codec: Literal["gzip", "zstd"] | None  # of the compression around it

    @property
    def whole(self) -> bool:
        return self.name in WHOLE


def format_of(name: str, shown: str) -> Format:
    """The format of a file by its name; raises Fault E0515 where none has this suffix."""
    path = PurePath(name.lower())
    codec = COMPRESSION.get(path.suffix)
    if codec is not None:
        path = path.with_suffix("")
    found = _FORMATS.get(path.suffix)
    if found is None or (codec is not None and found in _BINARY):
        kinds = ", ".join(f"`{known}`" for known in sorted(_FORMATS))
        help_ = f"files that are read: {kinds}, and those of them that are text with `.gz` or `.zst` after it"
        raise unreadable(shown, "not a kind of file that is read", help_)
    return Format(found, codec)
