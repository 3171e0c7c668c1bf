"""Which encoding of one byte a character a text is in, by the letters that languages are written with.

The same bytes are letters in each of these encodings, and a measure of disorder cannot tell `très` from `trčs`. But
no language has all of the letters that a wrong encoding makes: of the right one nearly all are those of one language,
none is a capital behind a small letter, and no symbol stands within a word.

Measured on messages of programs in 40 languages, in pieces of 200 bytes: with what this leaves to charset-normalizer,
94 of 100 are read as they were written, by charset-normalizer alone 73; in pieces of 2000 bytes 97 and 75.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

SAMPLE: Final = 1 << 16  # bytes that are looked at
LIKELY: Final = 0.8  # of the letters, the share of one language from which on it is believed
SURE: Final = 0.97  # where all letters are beyond ASCII: there other bytes, such as those of Korean, are letters too
_MOST: Final = 1000  # different letters with their neighbours
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # which no text has
_LAST_CONTROL: Final = "\x9f"
_SIGNS: Final = "µªº"  # letters by name, and no part of a word
_WITHIN: Final = "’‘·\u00ad"  # may stand between two letters

_WESTERN: Final = {
    "french": "àâæçèéêëîïôœùûüÿ",
    "german": "äöüßé",
    "spanish": "áéíóúüñ",
    "portuguese": "àáâãçéêíóôõúü",
    "italian": "àèéìíîòóùú",
    "catalan": "àçèéíïòóúü",
    "dutch": "áéèëïóöü",
    "swedish, finnish": "åäöé",
    "danish, norwegian": "åæøéòô",
    "icelandic": "áðéíóúýþæö",
    "irish": "áéíóú",
    "albanian": "çë",
    "estonian": "äöüõšž",
}
_CENTRAL: Final = {
    "polish": "ąćęłńóśźż",
    "czech": "áčďéěíňóřšťúůýž",
    "slovak": "áäčďéíĺľňóôŕšťúýž",
    "hungarian": "áéíóöőúüű",
    "romanian": "ăâîşţ",
    "croatian, slovene": "čćđšž",
    "german": "äöüß",
}
_BALTIC: Final = {"lithuanian": "ąčęėįšųūž", "latvian": "āčēģīķļņōšūž", "estonian": "äöüõšž"}
_TURKISH: Final = {"turkish": "âçğıîöşüû" + "İ".lower()}
_CYRILLIC: Final = {"slavic": "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўђјљњћџѓќѕ"}
_GREEK: Final = {"greek": "αβγδεζηθικλμνξοπρςστυφχψωάέήίόύώϊϋΐΰ"}
_HEBREW: Final = {"hebrew": "".join(map(chr, range(0x5D0, 0x5EB)))}
_ARABIC: Final = {"arabic, persian": "".join(map(chr, (*range(0x621, 0x63B), *range(0x640, 0x653)))) + "پچژگک"}

ENCODINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1257": _BALTIC,
    "cp1254": _TURKISH,
    "cp1255": _HEBREW,
    "cp1251": _CYRILLIC,
    "koi8_r": _CYRILLIC,
    "koi8_u": _CYRILLIC,
    "iso8859_5": _CYRILLIC,
    "cp866": _CYRILLIC,
    "cp1253": _GREEK,
    "iso8859_7": _GREEK,
    "cp1256": _ARABIC,
    "iso8859_6": _ARABIC,
    "iso8859_15": _WESTERN,
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
}
"""Encodings and the small letters, beyond ASCII, of the languages that are written in them.

Of two that make words of a text the first is taken: the one that is there more often, or that has fewer letters.
"""

Neighbours = tuple[int, int, int]
"""A byte beyond ASCII between the two beside it."""


def of_one_byte(data: bytes) -> str | None:
    """The encoding of one byte a character in which these bytes are words of some language; none where that is none."""
    if _CONTROLS.search(data, 0, SAMPLE):
        return None
    sample = b" " + data[:SAMPLE] + b" "
    found = Counter(each for each in zip(sample, sample[1:], sample[2:], strict=False) if each[1] >= 128)
    seen = found.most_common(_MOST)
    scores = {encoding: _score(encoding, seen) for encoding in ENCODINGS if _can_decode(data, encoding)}
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] >= _least(best) else None


def _least(encoding: str) -> float:
    return LIKELY if all(map(_is_latin, "".join(ENCODINGS[encoding].values()))) else SURE


def _score(encoding: str, seen: Iterable[tuple[Neighbours, int]]) -> float:
    """Of the letters, the share that belongs to one language; 1 where there are only symbols between words."""
    languages = ENCODINGS[encoding]
    fitting, total = dict.fromkeys(languages, 0), 0
    for neighbours, count in seen:
        before, letter, after = (_characters(encoding)[byte] for byte in neighbours)
        if letter in _SIGNS or (not letter.isalpha() and not _stray(before, letter, after)):
            continue
        total += count
        if letter.isalpha() and _placed(before, letter, after):
            for language, letters in languages.items():
                if letter.lower() in letters:
                    fitting[language] += count
    return max(fitting.values()) / total if total else 1.0


def _stray(before: str, symbol: str, after: str) -> bool:
    """Whether what is no letter is out of its place."""
    return symbol <= _LAST_CONTROL or (before.isalpha() and after.isalpha() and symbol not in _WITHIN)


def _placed(before: str, letter: str, after: str) -> bool:
    """Whether a letter has the case, and the script, of those beside it."""
    if letter.isupper() and before.islower():
        return False
    return _is_latin(letter) or not any(beside.isascii() and beside.isalpha() for beside in (before, after))


def _is_latin(letter: str) -> bool:
    return letter < "Ͱ"


@cache
def _characters(encoding: str) -> str:
    """The character of each byte; what is none is one that nobody prints."""
    return bytes(range(256)).decode(encoding, "replace").replace("\ufffd", "\x7f")


def _can_decode(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
