"""Bytes to text in whatever encoding they are in: UTF-8, what a byte order mark says, or the best guess.

A guess is told with the document, so that it can be looked for; where there is too little to guess from, the bytes
are no text.
"""

from __future__ import annotations

import codecs
from typing import Final

from structdsl_runtime.text.letters import of_one_byte
from structdsl_runtime.text.normalise import UndecodableError, decode

FEWEST: Final = 24  # bytes from which an encoding can be guessed
SAMPLE: Final = 1 << 20  # bytes that a guess looks at

_MARKS: Final = (  # the longer first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def marked(head: bytes) -> str | None:
    """The encoding, other than UTF-8, that the first bytes of a file say it has."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def incremental(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder of bytes that come piece by piece."""
    return codecs.getincrementaldecoder(encoding)()


def text_of(data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    """The text of a file, and its encoding where that is not UTF-8; raises `UndecodableError`.

    `declared` is what the file says of itself in its own way, and is tried before any guess.
    """
    try:
        return decode(data), None
    except UndecodableError as error:
        said = marked(data)
        for encoding in (said,) if said is not None else (declared, guessed(data)):
            if encoding is not None and (text := _try(data, encoding)) is not None:
                return text, codecs.lookup(encoding).name
        raise error from None


def guessed(data: bytes) -> str | None:
    """The encoding that these bytes are most likely in; none where nothing speaks for any."""
    if len(data) < FEWEST or b"\0" in data[:SAMPLE]:
        return None
    if (encoding := of_one_byte(data[:SAMPLE])) is not None:
        return encoding
    from charset_normalizer import from_bytes  # noqa: PLC0415 - few files need it

    best = from_bytes(data[:SAMPLE]).best()
    return best.encoding if best is not None else None


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
