r"""Where the text of a file stands in the file: stretches that are the same in both.

A file of UTF-8 and its text differ by a byte order mark, by `\r\n` for `\n`, and by what is cleaned or redacted. Each
stretch says from which byte of the text, and from which byte of the file, how many bytes are the same; what lies
between two stretches of the one was made of what lies between them in the other, or left out. Stretches come in order,
the first starts with the text and the last ends with it, be they empty.

In other encodings few bytes are the same, or none. An empty stretch is then a place that is known in both: there is one
at the start of each line and at every 64th character of it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from structdsl_runtime.text.encodings import behind_mark
from structdsl_runtime.text.normalise import BYTE_ORDER_MARK

Stretch = tuple[int, int, int]
"""Byte of the text, byte of the file, how many bytes."""

_MARK: Final = BYTE_ORDER_MARK.encode()
_PIECE: Final = re.compile(r"[^\n]{1,64}\n?|\n")
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_NARROW: Final = b" \t\x0b\x0c"
_WIDE: Final = re.compile(rb"\xc2\xa0|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xaf]|\xe2\x81\x9f|\xe3\x80\x80")
"""The spaces of Unicode in UTF-8."""


class Stretches:
    """Stretches in order, as three columns: a long text has half a million of them."""

    __slots__ = ("counts", "places", "starts")

    def __init__(self, found: Iterable[Stretch] = ()) -> None:
        self.starts, self.places, self.counts = array("q"), array("q"), array("q")
        for start, place, count in found:
            self.starts.append(start)
            self.places.append(place)
            self.counts.append(count)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, at: int) -> Stretch:
        return self.starts[at], self.places[at], self.counts[at]

    def __iter__(self) -> Iterator[Stretch]:
        return zip(self.starts, self.places, self.counts, strict=True)


def stretches(data: bytes, text: str) -> Stretches:
    r"""The stretches of a text that was made of these bytes in UTF-8; a lone `\r` counts as the `\n` it became."""
    start = len(_MARK) if data.startswith(_MARK) else 0
    before = data[start:] if start else data
    plain = before.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in before else before
    ends = Stretches(_ends(before, start) if b"\r\n" in before else [(0, start, len(before))])
    after = text.encode()
    return ends if after == plain else Stretches(_through(_same(plain, after), ends))


def stretches_in(encoding: str, data: bytes, text: str) -> Stretches:
    """The stretches of a text that was made of bytes in another encoding; none where that would not yield them again.

    Raises UnicodeDecodeError for bytes that are not in it.
    """
    before = data.decode(encoding)
    known = Stretches(_joined(_known(encoding, data, before)))
    if known.places[-1] + known.counts[-1] != len(data):
        return Stretches()
    found, end = stretches(before.encode(), text), len(text.encode())
    return Stretches(_to_both_ends(_through(found, known), found, known, end))


def _to_both_ends(made: Iterable[Stretch], found: Stretches, known: Stretches, end: int) -> Iterator[Stretch]:
    """Stretches through others, and the nearest places that are known where they do not reach the ends of a text."""
    last = -1
    for start, place, count in made:
        if last < 0 < start:
            yield _at_start(found, known)
        yield start, place, count
        last = start + count
    if last < 0:
        yield _at_start(found, known)
    if max(last, 0) < end:
        _, start, count = found[-1]
        byte, file, _ = known[bisect_left(known, start + count, key=lambda each: each[0] + each[2])]
        yield end, file + max(start + count - byte, 0), 0


def _at_start(found: Stretches, known: Stretches) -> Stretch:
    """The start of a text that starts between two places: at the one before."""
    start = found.places[0]
    byte, file, count = known[bisect_right(known.starts, start) - 1]
    return 0, file + min(start - byte, count), 0


def _known(encoding: str, data: bytes, text: str) -> Iterator[Stretch]:
    """Where the pieces of a text stand in the bytes that it was decoded from, up to one that would be other bytes."""
    codec, place = behind_mark(encoding, data)
    narrow = _is_over_ascii(codec)
    start = 0
    for found in _PIECE.finditer(text):
        piece = found[0]
        own, theirs = piece.encode(), _encoded(piece, codec)
        if theirs is None or not data.startswith(theirs, place):
            break
        beyond = _BEYOND_ASCII.search(piece)
        yield start, place, 0 if not narrow else len(piece) if beyond is None else beyond.start()
        start, place = start + len(own), place + len(theirs)
    yield start, place, 0


def _is_over_ascii(codec: str) -> bool:
    """Whether what is ASCII is the same in an encoding."""
    return _encoded(bytes(range(128)).decode(), codec) == bytes(range(128))


def _encoded(text: str, codec: str) -> bytes | None:
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return None


def _ends(data: bytes, start: int) -> Iterator[Stretch]:
    r"""Stretches between each `\r` that left and the `\n` behind it."""
    at = gone = 0
    for match in re.finditer(rb"\r\n", data):
        if match.start() > at:
            yield at - gone, start + at, match.start() - at
        at, gone = match.start() + 1, gone + 1
    yield at - gone, start + at, len(data) - at


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that has something on it."""

    start: int
    data: bytes
    key: bytes  # the line without white space


def _lines(data: bytes) -> list[_Line]:
    bare = (data if data.isascii() else _WIDE.sub(b"", data)).translate(None, _NARROW)
    lines, keys = data.split(b"\n"), bare.split(b"\n")
    starts = accumulate((len(line) + 1 for line in lines), initial=0)
    return [_Line(start, line, key) for start, line, key in zip(starts, lines, keys, strict=False) if key]


def _same(before: bytes, after: bytes) -> Iterator[Stretch]:
    """Stretches of two texts around lines of the one that are lines of the other."""
    start_new = start_old = 0
    for old, new in _paired(_lines(before), _lines(after)):
        yield from _around(before[start_old : old.start], after[start_new : new.start], start_old, start_new)
        alike = len(new.data) if old.data == new.data else 0
        if alike:
            yield new.start, old.start, alike
        start_new, start_old = new.start + alike, old.start + alike
    yield from _around(before[start_old:], after[start_new:], start_old, start_new)


def _paired(old: Sequence[_Line], new: Sequence[_Line]) -> Iterator[tuple[_Line, _Line]]:
    """Lines that each text has once, white space aside, in the same order, and those between two of them."""
    once = {key for key, count in Counter(line.key for line in old).items() if count == 1}
    once &= {key for key, count in Counter(line.key for line in new).items() if count == 1}
    places = {line.key: place for place, line in enumerate(old) if line.key in once}
    start_new = start_old = 0
    for at, line in enumerate(new):
        place = places.get(line.key, -1)
        if place >= start_old:
            yield from _between(old[start_old:place], new[start_new:at])
            yield old[place], line
            start_new, start_old = at + 1, place + 1
    yield from _between(old[start_old:], new[start_new:])


def _between(old: Sequence[_Line], new: Sequence[_Line]) -> Iterable[tuple[_Line, _Line]]:
    """Pairs where as many lines became as many, or where lines only left; else none."""
    if len(old) == len(new):
        return zip(old, new, strict=True)
    rest = iter(old)
    kept = [next((line for line in rest if line.key == each.key), None) for each in new]
    return [(line, each) for line, each in zip(kept, new, strict=True) if line is not None] if None not in kept else ()


def _around(before: bytes, after: bytes, old: int, new: int) -> Iterator[Stretch]:
    """What two stretches have in common at their start and at their end, no character cut in two."""
    head = len(_whole(before[: _common(before, after)]))
    tail = _common(before[head:][::-1], after[head:][::-1])
    while tail and after[len(after) - tail] & 0xC0 == 0x80:
        tail -= 1
    yield new, old, head
    yield new + len(after) - tail, old + len(before) - tail, tail


def _common(one: bytes, other: bytes) -> int:
    """How many bytes the two start with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _whole(data: bytes) -> bytes:
    return data.decode("utf-8", "ignore").encode()


def _through(found: Iterable[Stretch], known: Stretches) -> Iterator[Stretch]:
    """Stretches of a text in another, through those of the other in the file."""
    return _joined(_meeting(found, known))


def _meeting(found: Iterable[Stretch], known: Stretches) -> Iterator[Stretch]:
    for text, other, length in found:
        for at in range(max(bisect_right(known.starts, other) - 1, 0), len(known)):
            start, file, count = known[at]
            low, high = max(other, start), min(other + length, start + count)
            if low <= high:
                yield text + low - other, file + low - start, high - low
            if start + count >= other + length:
                break


def _joined(found: Iterable[Stretch]) -> Iterator[Stretch]:
    """Neighbours are one, and none is empty beside another."""
    held: Stretch | None = None
    for new in found:
        if held is not None and held[0] + held[2] != new[0]:
            yield held
            held = new
        elif held is None or not held[2]:
            held = new
        elif held[1] + held[2] == new[1]:
            held = (held[0], held[1], held[2] + new[2])
        elif new[2]:
            yield held
            held = new
    if held is not None:
        yield held
