"""Words, as texts are compared by them: runs of letters, marks and digits, whatever their case.

The text is brought to NFKC and to lower case. Everything but letters, marks and digits separates words, the
underscore and the apostrophe too. In scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar)
each character is a word of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.text.ragged import Numbers

pc: Any = compute  # its stubs know neither every array nor every result
Texts = Any
"""An Arrow array of strings, or of lists of strings."""
Bytes = npt.NDArray[np.uint8]

BLOCK: Final = 1 << 19  # bytes of text looked at together: what is made of them stays in the cache of a processor
_BETWEEN: Final = r"[^\pL\pM\pN]+"
_UNSPACED: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\pM*)"
_ASCII: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 32 for byte in range(256))
_LEAD: Final = 0xC0  # the least byte that a character of more than one begins with
_TOGETHER: Final = 1 << 24  # bytes whose odd texts are folded together
_NOTHING: Final = np.zeros(0, np.int64)
_GONE: Final = 0  # stands for a byte that is taken out
_CODES: Final = 0x20000  # code points that may be folded in place are below this, and in one of
_FOLDED: Final = ((0x80, 0x3000), (0xAC00, 0xD7B0), (0xFB00, 0x10000), (0x1F000, 0x1FB00))


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of some texts: those of text t are `flat[starts[t]:starts[t + 1]]`."""

    flat: Texts  # strings, none of them empty
    starts: npt.NDArray[np.int64]  # one more than there are texts

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.starts)

    def joined(self) -> Texts:
        """Each text again, as its words with single spaces between them."""
        lists = pa.ListArray.from_arrays(pa.array(self.starts, pa.int32()), self.flat)
        joined: Texts = pc.binary_join(lists, " ")
        return joined


def blocks(texts: Texts, size: int = BLOCK) -> Iterator[tuple[int, Texts]]:
    """Neighbouring texts of about `size` bytes together, each block with the number of its first text."""
    offsets = offsets_of(texts)
    first = 0
    while first < len(texts):
        end = int(np.searchsorted(offsets, int(offsets[first]) + size, side="right")) - 1
        end = min(max(end, first + 1), len(texts))
        yield first, texts.slice(first, end - first)
        first = end


def words(texts: Texts) -> Words:
    """The words of each text, in order; those of a missing text are none."""
    return _without_empty(pc.ascii_split_whitespace(folded(texts)))


def folded(texts: Texts) -> Texts:
    """Each text as its words, with one space or more between them, and perhaps before and behind."""
    return pa.concat_arrays([block for _, block in folded_blocks(texts)] or [pa.array([], pa.string())])


def folded_blocks(texts: Texts) -> Iterator[tuple[int, Texts]]:
    """The texts of each block, `folded`, with the number of the first of them.

    What takes no more bytes when it is folded is written over what it was, in a copy of the whole block; texts with
    anything else (marks, scripts without spaces, what grows when it is folded) go through regular expressions, those
    of many blocks together, for these are compiled anew each time.
    """
    texts = texts.cast(pa.string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    for before, several in blocks(texts, _TOGETHER):
        found = [(first, *_fold(block)) for first, block in blocks(several)]
        hard = np.concatenate([_NOTHING, *(first + numbers for first, _, numbers in found)])
        others = _of_any(several.take(pa.array(hard))) if len(hard) else several.slice(0, 0)
        done = 0
        for first, plain, numbers in found:
            yield before + first, _spliced(plain, numbers, others.slice(done, len(numbers))) if len(numbers) else plain
            done += len(numbers)


def _spliced(texts: Texts, numbers: Numbers, others: Texts) -> Texts:
    """The texts, with others in the place of those of these numbers."""
    pieces, begin = [], 0
    for place, number in enumerate(numbers.tolist()):
        pieces += [texts.slice(begin, number - begin), others.slice(place, 1)]
        begin = number + 1
    return pa.concat_arrays([*pieces, texts.slice(begin)])


def _fold(texts: Texts) -> tuple[Texts, Numbers]:
    """The texts, and which of them are not folded by this."""
    ends, data = offsets_of(texts), texts.buffers()[2]
    first, last = int(ends[0]), int(ends[-1])
    raw = bytearray(data.slice(first, last - first) if last > first else b"")
    read, made = np.frombuffer(raw, np.uint8), np.frombuffer(raw.translate(_ASCII), np.uint8)
    ends -= first
    if not (read >= _LEAD).any():
        return strings(made, ends), _NOTHING
    hard, made, ends = _fold_others(read, made, ends)
    return strings(made, ends), hard


def _fold_others(read: Bytes, made: Bytes, ends: Numbers) -> tuple[Numbers, Bytes, Numbers]:
    """Which texts are not folded by this; the bytes of the others, all characters folded; and where each text ends."""
    lead = np.flatnonzero(read >= _LEAD)
    begin = read[lead].astype(np.int32)
    size = 2 + (begin >= 0xE0) + (begin >= 0xF0)
    code = begin & np.array([0x1F, 0x0F, 0x07], np.int32)[size - 2]
    for place in range(1, 4):
        there = size > place
        code[there] = code[there] << 6 | read[lead[there] + place] & 0x3F
    foldings = _foldings()
    known = code < len(foldings.easy)
    code[~known] = 0
    easy = foldings.easy[code] & known
    hard = np.unique(np.searchsorted(ends, lead[~easy], side="right") - 1)
    lead, size, code = lead[easy], size[easy], code[easy]
    for place in range(4):
        there = size > place
        made[lead[there] + place] = foldings.bytes[code[there], place]
    gone = np.flatnonzero(made == _GONE)
    if len(gone):
        left = made.tobytes().replace(bytes([_GONE]), b"")
        made, ends = np.frombuffer(left, np.uint8), ends - np.searchsorted(gone, ends)
    return hard, made, ends


@dataclass(frozen=True, slots=True)
class _Foldings:
    """By code point: whether it is folded in place, and to which bytes, `_GONE` where they are fewer."""

    easy: npt.NDArray[np.bool_]
    bytes: Bytes  # (code points, 4)


@cache
def _foldings() -> _Foldings:
    easy, bytes_ = np.zeros(_CODES, np.bool_), np.full((_CODES, 4), _GONE, np.uint8)
    codes = np.concatenate([np.arange(first, end) for first, end in _FOLDED])
    size = 2 + (codes >= 0x800) + (codes >= 0x10000)
    normal = pc.utf8_lower(pc.utf8_normalize(pa.array(map(chr, codes), pa.string()), "NFKC"))
    moves = np.asarray(pc.match_substring_regex(normal, rf"\pM|{_UNSPACED}|[\x{{1100}}-\x{{11FF}}]"))
    becomes = pc.replace_substring_regex(normal, _BETWEEN, " ")
    between = np.asarray(pc.equal(becomes, " "))
    ends = offsets_of(becomes)
    new, data = np.diff(ends), np.frombuffer(becomes.buffers()[2], np.uint8)
    easy[codes] = ~moves & (new <= size)
    for place in range(4):
        there = new > place
        bytes_[codes[there], place] = data[ends[:-1][there] + place]
        bytes_[codes[between & (size > place)], place] = ord(" ")
    return _Foldings(easy, bytes_)


def offsets_of(texts: Texts) -> Numbers:
    """Where each text begins in the buffer of the array, and where the last one ends."""
    offsets = texts.buffers()[1]
    if not offsets:
        return np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)


def strings(data: Bytes, ends: Numbers) -> Texts:
    """Texts that lie one behind the other in `data`, each between two of `ends`."""
    offsets, buffer = pa.py_buffer(ends.astype(np.int32).data), pa.py_buffer(data.data)
    return pa.Array.from_buffers(pa.string(), len(ends) - 1, [None, offsets, buffer])


def _of_any(texts: Texts) -> Texts:
    normal = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
    spaced = pc.replace_substring_regex(normal, _UNSPACED, r" \1 ")
    return pc.replace_substring_regex(spaced, _BETWEEN, " ")


def _without_empty(lists: Texts) -> Words:
    """What stands before the first separator of a text or after its last may be nothing, which is no word."""
    flat = lists.flatten()
    there = np.asarray(pc.greater(pc.binary_length(flat), 0))
    before = np.concatenate(([0], np.cumsum(there)))
    lengths = np.asarray(lists.value_lengths(), dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    return Words(flat=flat.filter(pa.array(there)), starts=before[starts].astype(np.int64))
