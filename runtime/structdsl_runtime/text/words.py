"""Words, as texts are compared by them: runs of letters, marks and digits, whatever their case.

The text is brought to NFKC and to lower case. Everything but letters, marks and digits separates words, the
underscore and the apostrophe too. In scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar)
each character is a word of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

pc: Any = compute  # its stubs know neither every array nor every result
Texts = Any
"""An Arrow array of strings, or of lists of strings."""
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

_BETWEEN: Final = r"[^\pL\pM\pN]+"
_UNSPACED: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\pM*)"
_ASCII: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 32 for byte in range(256))
_LEAD: Final = 0xC0  # the least byte that a character of more than one begins with
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


def words(texts: Texts) -> Words:
    """The words of each text, in order; those of a missing text are none."""
    return _without_empty(pc.ascii_split_whitespace(folded(texts)))


def folded(texts: Texts) -> Texts:
    """Each text as its words, with one space or more between them, and perhaps before and behind.

    What takes no more bytes when it is folded is written over what it was, in a copy of the whole array; texts with
    anything else (marks, scripts without spaces, what grows when it is folded) go through regular expressions.
    """
    texts = pc.fill_null(texts.cast(pa.string()), "")
    ends, data = offsets_of(texts), texts.buffers()[2]
    first, last = int(ends[0]), int(ends[-1])
    raw = data.slice(first, last - first).to_pybytes() if last > first else b""
    read, made = np.frombuffer(raw, np.uint8), np.frombuffer(bytearray(raw.translate(_ASCII)), np.uint8)
    ends -= first
    if not (read >= _LEAD).any():
        return strings(made, ends)
    hard, made, ends = _fold_others(read, made, ends)
    plain = strings(made, ends)
    if not len(hard):
        return plain
    place = np.arange(len(texts))
    place[hard] = len(texts) + np.arange(len(hard))
    return pa.concat_arrays([plain, _of_any(texts.take(pa.array(hard)))]).take(pa.array(place))


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
        made, ends = np.delete(made, gone), ends - np.searchsorted(gone, ends)
    return hard, made, ends


@dataclass(frozen=True, slots=True)
class _Foldings:
    """By code point: whether it is folded in place, and to which bytes, `_GONE` where they are fewer."""

    easy: npt.NDArray[np.bool_]
    bytes: Bytes  # (code points, 4)


@cache
def _foldings() -> _Foldings:
    easy, bytes_ = np.zeros(_CODES, np.bool_), np.full((_CODES, 4), _GONE, np.uint8)
    codes = [code for first, end in _FOLDED for code in range(first, end)]
    characters = [chr(code) for code in codes]
    normal = pc.utf8_lower(pc.utf8_normalize(pa.array(characters), "NFKC"))
    moved = pc.match_substring_regex(normal, rf"\pM|{_UNSPACED}|[\x{{1100}}-\x{{11FF}}]")
    result = pc.replace_substring_regex(normal, _BETWEEN, " ")
    for code, character, moves, becomes in zip(codes, characters, moved.to_pylist(), result.to_pylist(), strict=True):
        size, new = len(character.encode()), becomes.encode()
        if moves or len(new) > size:
            continue
        new = b" " * size if new.isspace() else new
        easy[code] = True
        bytes_[code, : len(new)] = list(new)
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
