"""What each character is, as bits of one byte: looked up for every byte of a text, and for nothing else of it.

In UTF-8 the bytes of a character follow its first one; all of them carry what the character is, those that follow
carry `FOLLOWS` as well.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

SPACE: Final = 1  # white space, as `str.isspace` has it
WORD: Final = 2  # letters, marks, numbers
ALPHA: Final = 4  # letters
UNSPACED: Final = 8  # letters of scripts that are written without spaces, and the full stops of these scripts
MARK: Final = 16  # what belongs to the letter before it
TERMINAL: Final = 32  # ends a sentence
QUOTE: Final = 64  # may follow what ends a sentence
FOLLOWS: Final = 128  # a byte that is not the first of its character

TERMINALS: Final = ".!?…‼⁇⁈⁉\u037e։؟۔؞।॥෴።፧፨។៕၊။᠃᠉།༎"
"""Ends of sentences in the scripts that put a space after them: Latin, Cyrillic, Greek (U+037E), Armenian, Arabic,
Urdu, Devanagari and its sisters, Sinhala, Ethiopic, Khmer, Burmese, Mongolian, Tibetan."""
WIDE_TERMINALS: Final = "。！？｡．"
"""Ends of sentences where no space follows: Chinese, Japanese."""
QUOTES: Final = "\"'”’»›」』"

_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),
    (0x3041, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x323AF),
)
_OF_KINDS: Final = bytes.maketrans(b"LMNPSZC", bytes((WORD | ALPHA, WORD | MARK, WORD, 0, 0, 0, 0)))
"""First letters of categories, and the bits of their characters."""
_NAMED: Final = 0x32400  # characters from here on have no properties of ours, but for the tags of plane 14
_TAGS: Final = (0xE0100, 0xE01F0)  # variation selectors, which are marks


@cache
def properties() -> Bytes:
    """The bits of every code point."""
    found = np.zeros(0x110000, np.uint8)
    found[:_NAMED] = _named(_NAMED)
    found[slice(*_TAGS)] = WORD | MARK
    for first, last in _UNSPACED:
        block = found[first : last + 1]
        block[(block & ALPHA) > 0] |= UNSPACED
    found[[ord(character) for character in WIDE_TERMINALS]] |= UNSPACED
    return found


def _named(number: int) -> Bytes:
    """The bits of the first code points, but for `UNSPACED`."""
    characters = [chr(code) for code in range(number)]
    kinds = "".join(map(unicodedata.category, characters))[::2].encode()
    found = np.frombuffer(bytearray(kinds.translate(_OF_KINDS)), np.uint8)
    for bit, listed in (
        (SPACE, filter(str.isspace, characters)),
        (TERMINAL, TERMINALS + WIDE_TERMINALS),
        (QUOTE, QUOTES),
    ):
        codes = [ord(character) for character in listed]
        found[[code for code in codes if code < number]] |= bit
    return found


@cache
def _ascii() -> bytes:
    return bytes(_named(128)) + bytes(128)


def bits_of(data: Bytes) -> Bytes:
    """The bits of each byte of valid UTF-8."""
    bits = np.frombuffer(bytearray(data.tobytes().translate(_ascii())), np.uint8)
    first = np.flatnonzero(data >= 0xC0)
    if first.size:
        _spell_out(data, first, bits)
    return bits


def _spell_out(data: Bytes, first: Places, bits: Bytes) -> None:
    """The bits of characters beyond ASCII, whose first bytes are at `first`."""
    lead = data[first].astype(np.int32)
    table = properties()
    for size, smallest, largest, mask in ((2, 0xC0, 0xDF, 0x1F), (3, 0xE0, 0xEF, 0x0F), (4, 0xF0, 0xF7, 0x07)):
        here = (lead >= smallest) & (lead <= largest)
        places = first[here]
        if not places.size:
            continue
        code = lead[here] & mask
        for step in range(1, size):
            code = (code << 6) | (data[places + step] & 0x3F)
        found = table[code]
        bits[places] = found
        found = found | FOLLOWS
        for step in range(1, size):
            bits[places + step] = found
