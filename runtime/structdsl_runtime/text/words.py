"""Words, as texts are compared by them: runs of letters, marks and digits, whatever their case.

The text is brought to NFKC and to lower case. Everything but letters, marks and digits separates words, the
underscore and the apostrophe too. In scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar)
each character is a word of its own. Text in ASCII takes a way that is several times as fast, to the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

pc: Any = compute  # its stubs know neither every array nor every result
Texts = Any
"""An Arrow array of strings, or of lists of strings."""

_BETWEEN: Final = r"[^\pL\pM\pN]+"
_UNSPACED: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\pM*)"
_ASCII: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 32 for byte in range(256))


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
    texts = pc.fill_null(texts.cast(pa.string()), "")
    plain = pc.string_is_ascii(texts)
    count = pc.sum(plain).as_py() or 0
    if count == len(texts):
        lists = _of_ascii(texts)
    elif not count:
        lists = _of_any(texts)
    else:
        both = pa.concat_arrays([_of_ascii(texts.filter(plain)), _of_any(texts.filter(pc.invert(plain)))])
        plain_ = np.asarray(plain)
        place = np.where(plain_, np.cumsum(plain_) - 1, count + np.cumsum(~plain_) - 1)
        lists = both.take(pa.array(place, pa.int64()))
    return _without_empty(lists)


def _of_ascii(texts: Texts) -> Texts:
    _, offsets, data = texts.buffers()
    folded = pa.py_buffer(data.to_pybytes().translate(_ASCII) if data is not None else b"")
    copy = pa.Array.from_buffers(pa.string(), len(texts), [None, offsets, folded], offset=texts.offset)
    lists: Texts = pc.ascii_split_whitespace(copy)
    return lists


def _of_any(texts: Texts) -> Texts:
    folded = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))
    spaced = pc.replace_substring_regex(folded, _UNSPACED, r" \1 ")
    lists: Texts = pc.split_pattern_regex(spaced, _BETWEEN)
    return lists


def _without_empty(lists: Texts) -> Words:
    """What stands before the first separator of a text or after its last may be nothing, which is no word."""
    flat = lists.flatten()
    there = np.asarray(pc.greater(pc.binary_length(flat), 0))
    before = np.concatenate(([0], np.cumsum(there)))
    lengths = np.asarray(lists.value_lengths(), dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    return Words(flat=flat.filter(pa.array(there)), starts=before[starts].astype(np.int64))
