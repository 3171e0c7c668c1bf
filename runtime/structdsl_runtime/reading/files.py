"""A file that is one document: its text out of whatever form it has, and its title."""

from __future__ import annotations

import io
import logging
import re
from functools import partial
from pathlib import PurePath
from typing import Final

from structdsl_runtime.operation import Fault
from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.reading.rows import Row, too_long
from structdsl_runtime.reading.streams import opened
from structdsl_runtime.text import asciidoc, rst
from structdsl_runtime.text.encodings import text_of
from structdsl_runtime.text.html import page
from structdsl_runtime.text.markdown import first_title
from structdsl_runtime.text.normalise import UndecodableError, check_encodable, normalise
from structdsl_runtime.text.sources import BUFFER, unreadable

_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)


def file_row(portion: Portion, most: int) -> Row:
    """The one row of a file, with its `text`, and a `title` where the file says one apart from its text."""
    row = _row(portion, most)
    row.titled, row.name = partial(_title_of, portion=portion), _name_of(portion)
    return row


def _row(portion: Portion, most: int) -> Row:
    with opened(portion.source, portion.format) as file:
        data = file.read(min(BUFFER, most + 1))  # as much is set aside in memory as is asked for
        if len(data) == BUFFER:
            data += file.read(most + 1 - BUFFER)
    if len(data) > most:
        with opened(portion.source, portion.format) as file:
            return too_long(1, sum(map(len, iter(lambda: file.read(1 << 20), b""))), most, "")
    try:
        record = _record(data, portion)
    except UndecodableError as error:
        return Row("", 1, None, reason="undecodable", evidence=str(error))
    except _BrokenError as error:
        return Row("", 1, None, reason="broken", evidence=str(error))
    if not str(record["text"]).strip():
        return Row("", 1, None, reason="empty", evidence=f"{len(data)} bytes, none of them text")
    own = portion.format.name not in {"html", "pdf"}
    encoding = record.get("encoding")
    return Row("", 1, record, data=data if own else None, encoding=str(encoding) if encoding else None)


def _title_of(text: str, portion: Portion) -> str | None:
    """The title that the text of a file gives it."""
    match portion.format.name:
        case "markdown" | "text" | "html" | "rst" | "asciidoc":
            return first_title(text)
        case _:
            return None


def _name_of(portion: Portion) -> str:
    """What a file is called that has no title."""
    name = PurePath(portion.source.name)
    if portion.format.name == "code":
        return name.name
    return name.with_suffix("").stem if portion.format.codec else name.stem


class _BrokenError(Exception):
    """A file that is not in the format that its name says."""


def _record(data: bytes, portion: Portion) -> dict[str, object]:
    title: str | None = None
    encoding: str | None = None
    match portion.format.name:
        case "pdf":
            text, title = _pdf(data, portion)
        case "html":
            said = _CHARSET.search(data, 0, 1024)
            markup, encoding = text_of(data, said[1].decode("ascii") if said else None)
            text, title = page(markup)
        case _:
            text, encoding = text_of(data)
    check_encodable(text)
    text = normalise(text)
    match portion.format.name:
        case "rst":
            text = rst.markdown_headings(text)
        case "asciidoc":
            text = asciidoc.markdown_headings(text)
    return {"text": text, "title": title, **({"encoding": encoding} if encoding else {})}


def _pdf(data: bytes, portion: Portion) -> tuple[str, str | None]:
    """The text of the pages, a blank line between two; raises `_BrokenError`, or Fault E0515 without the library."""
    try:
        import pypdf  # noqa: PLC0415 - an extra
    except ImportError:
        raise _no_pdf(portion) from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it says of a file stands in the row that is left out
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        pages = [page.extract_text() for page in reader.pages]
        title = reader.metadata.title if reader.metadata is not None else None
    except Exception as error:  # noqa: BLE001 - whatever a parser of hostile files trips over, the file is to blame
        raise _BrokenError(f"{type(error).__name__}: {error}"[:200]) from None
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    return text.encode("utf-8", "replace").decode(), title.strip() or None if isinstance(title, str) else None


def _no_pdf(portion: Portion) -> Fault:
    return unreadable(
        portion.source.shown, "the library that reads PDF is not installed", "`pip install 'structdsl[pdf]'` brings it"
    )
