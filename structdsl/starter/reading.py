"""Rows, words and headings of single files, read as a run does but that little of it is kept and nothing is refused.

A run reads with libraries which the compiler does without. What is counted here is there at the least; no file takes
longer than its length asks for, nor more memory than `MOST_BYTES` asks for where it is one of rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

HEADINGS = {  # of what level one is, by how a text is marked up
    ".md": r"^(#{1,3}) ",
    ".markdown": r"^(#{1,3}) ",
    ".adoc": r"^(={1,3}) ",
    ".asciidoc": r"^(={1,3}) ",
    ".html": r"<h([1-3])\b",
    ".htm": r"<h([1-3])\b",
}
TEXT = (*HEADINGS, ".rst", ".txt")
PAGES = (".html", ".htm")
DEEPEST = 3  # of the headings that are looked for

MOST_BYTES = 8_000_000  # of a corpus; what is more is left out by `limit`

_TAG = re.compile(r"<(?:(?P<comment>!--)|(?P<name>[a-z][a-z0-9]*+)[^<>]*+>|[/!?][^<>]*+>)", re.IGNORECASE)
_COMMENT_END = re.compile("-->")
_UNSAID = {
    name: re.compile(rf"</{name}\b", re.IGNORECASE)
    for name in ("script", "style", "title", "template", "noscript", "nav", "footer", "aside", "form")
}
"""Elements that are no text of their page, and where each ends. All else within a head is empty."""
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*\Z")
_ENOUGH = 4  # signs of an adornment, below a title of any length


def rows_of(path: Path, kind: str) -> Iterator[tuple[int, Any]]:
    """Each row with its bytes, about; a row that cannot be read is None.

    A damaged file ends where the damage is, and one with a row of more than `MOST_BYTES` ends with that row as None.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            if kind in (".csv", ".tsv"):
                yield from _sheet(file, "\t" if kind == ".tsv" else ",")
                return
            while line := file.readline(MOST_BYTES + 1):
                yield len(line), _parsed(line)
                if len(line) > MOST_BYTES:
                    return
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return


def _sheet(file: Any, delimiter: str) -> Iterator[tuple[int, Any]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    csv.field_size_limit(MOST_BYTES)
    try:
        for row in csv.DictReader(iter(lambda: text.readline(MOST_BYTES + 1), ""), delimiter=delimiter):
            yield sum(len(str(value)) for value in row.values()), row
    except csv.Error:  # a field that is longer
        yield MOST_BYTES + 1, None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def words(text: str, kind: str) -> int:
    """Words that are there at the least; of a page those outside of menus, forms and what nobody sees."""
    return sum(len(part.split()) for part in _said(text)) if kind in PAGES else len(text.split())


def _said(markup: str) -> Iterator[str]:
    """What stands between tags. An element that is not closed goes on to the end, as where a page is parsed."""
    at = 0
    while (tag := _TAG.search(markup, at)) is not None:
        yield markup[at : tag.start()]
        at = tag.end()
        close = _COMMENT_END if tag["comment"] else _UNSAID.get((tag["name"] or "").lower())
        if close is not None:
            end = close.search(markup, at)
            if end is None:
                return
            at = end.end() if tag["comment"] else end.start()
    yield markup[at:]


def depth(text: str, kind: str) -> int:
    """Levels of headings, `DEEPEST` at most; 0 where there are none."""
    if kind == ".rst":
        return min(len(_styles(text)), DEEPEST)
    found = set(re.findall(HEADINGS[kind], text, re.MULTILINE | re.IGNORECASE)) if kind in HEADINGS else set()
    return max((int(mark) if mark.isdigit() else len(mark) for mark in found), default=0)


def _styles(text: str) -> set[tuple[str, bool]]:
    """Signs that stand below titles of reStructuredText, and whether above them too: each is a level."""
    found = set()
    before = ""
    for title, under in pairwise(line.rstrip() for line in text.split("\n")):
        adorned = title and not title[0].isspace() and not _ADORNMENT.match(title) and _ADORNMENT.match(under)
        if adorned and len(under) >= min(_ENOUGH, len(title)):
            found.add((under[0], before == under))
        before = title
    return found
