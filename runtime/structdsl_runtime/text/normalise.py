r"""Bytes to normalised text: UTF-8, no byte order mark, `\n` as the only end of a line.

All byte offsets of chunks and headings count in the UTF-8 form of this text.
"""

from __future__ import annotations

from typing import Final

BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


class UndecodableError(ValueError):
    """What could not be read as text; the message is the evidence."""


def decode(data: bytes) -> str:
    """The text of UTF-8 bytes, line ends as they are; raises `UndecodableError` that says where, also for a NUL."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UndecodableError(f"byte 0x{data[error.start]:02x} at offset {error.start}") from None
    check_no_nul(data)
    return text.removeprefix(BYTE_ORDER_MARK)


def check_no_nul(data: bytes) -> None:
    """Raise `UndecodableError` for bytes that are no text, though UTF-8 can spell them."""
    if (place := data.find(b"\0")) >= 0:
        raise UndecodableError(f"byte 0x00 at offset {place}")


def normalise(text: str) -> str:
    r"""`\r\n` and `\r` become `\n`; nothing else changes."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def check_encodable(text: str) -> None:
    """Raise `UndecodableError` for half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UndecodableError(f"lone surrogate \\u{ord(text[error.start]):04x} at character {error.start}") from None
