"""Forms of a text in which what looks the same is the same: Unicode, white space, lines that say nothing.

The ends of lines are those of Unix already. What a form does is written down in the language; nothing here depends on
the language of a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import partial
from typing import Final, Literal

from structdsl.plan import Normalisation
from structdsl_runtime.reading.passing import Pass, each, having, matching
from structdsl_runtime.text.normalise import normalise

_FORMS: Final[Mapping[str, Literal["NFC", "NFKC"]]] = {"nfc": "NFC", "nfkc": "NFKC"}
_UNUSUAL: Final = r"[^\t\n -~]"  # in RE2: all that is not ASCII to be seen
_UNTIDY: Final = r"[\x0b\x0c\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]|[ \t]\n|[ \t]\z|\n\n\n|\A\n|\n\z"
_INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff]")
_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\x0b\x0c]")
_BLANK: Final = re.compile(r"\n{3,}")


LINE_ENDS: Final = Pass(None, having("\r"), each(normalise))


def normaliser(entry: Normalisation) -> Pass:
    """The pass of a normalisation."""
    match entry.what:
        case "unicode":
            return Pass(None, matching(_UNUSUAL), each(partial(_unicode, form=_FORMS[entry.form])))
        case "whitespace":
            return Pass(None, matching(_UNTIDY), each(_whitespace))
        case "boilerplate":
            phrases = tuple(map(str.casefold, entry.phrases))
            return Pass(None, having("\n"), each(partial(_boilerplate, max_words=entry.max_words, phrases=phrases)))


def _unicode(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """The normal form, without characters that nobody sees; those that join or direct letters stay."""
    return _INVISIBLE.sub("", text if text.isascii() else unicodedata.normalize(form, text))


def _whitespace(text: str) -> str:
    """One kind of space, none at the end of a line, at most one blank line in a row, none at either end."""
    if not text.isascii() or "\x0b" in text or "\x0c" in text:
        text = _SPACES.sub(" ", text)
    return _BLANK.sub("\n\n", _trimmed(text)).strip("\n")


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))


def _boilerplate(text: str, max_words: int, phrases: tuple[str, ...]) -> str:
    """A text of several lines without the short ones that have one of the phrases in them."""
    if "\n" not in text:
        return text
    folded = text.casefold()
    present = [phrase for phrase in phrases if phrase in folded]
    if not present:
        return text
    return "\n".join(line for line in text.split("\n") if not _says_nothing(line, max_words, present))


def _says_nothing(line: str, max_words: int, phrases: list[str]) -> bool:
    folded = line.casefold()
    return any(phrase in folded for phrase in phrases) and len(line.split()) <= max_words
