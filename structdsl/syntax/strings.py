"""What a string literal says: escapes resolved, block strings dedented, and where each character came from.

The lexer reads the UTF-8 bytes of a spec as Latin-1, one character a byte, so that its positions are byte offsets;
here the text of a literal becomes text again. `origins` lets a later pass underline one word inside a string.
"""

from __future__ import annotations

import re

from structdsl.syntax.tree import Span, Text

ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def read(literal: str, start: int) -> Text:
    """The text of a STRING, RAW or BLOCK_STRING token that begins at byte `start`."""
    span = Span(start, start + len(literal))
    raw = literal[0] == "r"
    opening = start + raw
    if literal.startswith('"""', raw):
        pieces = _dedented(literal[raw + 3 : -3], opening + 3)
        value, origins = _plain("".join(text for text, _ in pieces), [at for _, ats in pieces for at in ats])
        return Text(value, raw, span, (*origins, span.end - 3))
    body = literal[raw + 1 : -1]
    if raw or "\\" not in body:
        value, origins = _plain(body, range(opening + 1, span.end - 1))
        return Text(value, raw, span, (*origins, span.end - 1))
    return _escaped(body, span)


def faulty_escape(match: re.Match[str]) -> bool:
    """Whether a match of `ESCAPE` names no character."""
    code, letter = match.groups()
    if code is None:
        return letter not in ESCAPES
    return int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) <= 0xDFFF


def _plain(text: str, offsets: range | list[int]) -> tuple[str, range | list[int]]:
    """Bytes to characters; each character keeps the offset of its first byte."""
    if text.isascii():
        return text, offsets
    starts = [offset for byte, offset in zip(text, offsets, strict=True) if not 0x80 <= ord(byte) < 0xC0]
    return text.encode("latin-1").decode(), starts


def _escaped(body: str, span: Span) -> Text:
    value: list[str] = []
    origins: list[int] = []
    done = 0
    for match in ESCAPE.finditer(body):
        text, offsets = _plain(body[done : match.start()], range(span.start + 1 + done, span.start + 1 + match.start()))
        value.append(text)
        origins.extend(offsets)
        # an unknown escape was reported; its letter stands for itself
        code, letter = match.groups()
        if code is None:
            done = match.start() + 1 if letter not in ESCAPES else match.end()
            character = ESCAPES.get(letter, "")
        else:
            done = match.end()
            character = "\N{REPLACEMENT CHARACTER}" if faulty_escape(match) else chr(int(code, 16))
        value.append(character)
        origins.extend([span.start + 1 + match.start()] * len(character))
    text, offsets = _plain(body[done:], range(span.start + 1 + done, span.end - 1))
    return Text("".join([*value, text]), raw=False, span=span, origins=(*origins, *offsets, span.end - 1))


def _dedented(body: str, start: int) -> list[tuple[str, range]]:
    """The lines of a block string with the offsets of their bytes.

    A line break right after the opening quotes and the one before the closing quotes are no part of the text;
    closing quotes on a line of their own say how much indentation belongs to the spec and not to the text.
    """
    lines: list[tuple[str, range]] = []
    at = start
    for line in body.split("\n"):
        ending = 2 if line.endswith("\r") else 1
        text = line[:-1] if ending == 2 else line
        lines.append((text + "\n", range(at, at + len(text) + 1)))
        at += len(line) + 1
    if len(lines) == 1:
        return [(body, range(start, start + len(body)))]
    if not lines[0][0].strip(" \t\n"):
        lines.pop(0)
    last, offsets = lines.pop()
    margin = last[:-1]
    if margin.strip(" \t"):
        lines.append((margin, offsets[:-1]))
        return lines
    dedented = [_without_margin(text, offsets, len(margin)) for text, offsets in lines]
    if dedented:
        text, offsets = dedented[-1]
        dedented[-1] = (text[:-1], offsets[:-1])
    return dedented


def _without_margin(line: str, offsets: range, margin: int) -> tuple[str, range]:
    if not line.strip(" \t\n"):
        return "\n", offsets[-1:]
    cut = min(margin, len(line) - len(line.lstrip(" \t")))
    return line[cut:], offsets[cut:]
