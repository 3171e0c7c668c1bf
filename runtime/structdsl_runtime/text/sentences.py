"""Finer and finer pieces of a text that is too long for a chunk: sentences, words, runs of characters.

Each function returns pieces that concatenate to the text; white space stays with what it follows, or, between words,
with the word that it precedes, as byte-level BPE wants it.

Sentences are told apart in the scripts of `TERMINATED`, each by its own full stops: with a space behind them, or
without one in Chinese and Japanese. A full stop ends no sentence after an initial, an abbreviation of English, German,
French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish or Russian, or an ordinal, nor before a small letter. Thai
and Lao write no full stops: they are cut at their spaces, as words are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

TERMINATED: Final = {
    "Latin, Cyrillic, Hebrew, Hangul, Tamil": ".!?…‼⁇⁈⁉",
    "Greek": "\u037e",  # and `;` after a Greek letter, which Unicode holds for the same
    "Armenian": "։",
    "Arabic, Urdu": "؟۔؞",
    "Devanagari, Bengali, Gurmukhi, Odia": "।॥",
    "Sinhala": "෴",
    "Ethiopic": "።፧፨",
    "Khmer": "។៕",
    "Burmese": "။",
    "Tibetan": "།༎",
    "Mongolian": "᠃᠉",
    "Han, kana": "。！？｡．",
}
"""The scripts whose sentences are told apart, and what ends one."""

ABBREVIATIONS: Final = {
    "English": "mr mrs ms dr prof rev gen col sgt capt lt jr sr st vs cf al approx dept univ inc ltd co corp",
    "German": "hr fr bzw evtl ggf vgl bspw sog inkl zzgl hrsg mio mrd geb gest",
    "French": "mme mlle mm mgr éd env",
    "Spanish": "sra srta ud uds dña av admón",
    "Italian": "sig sigg dott avv ing on",
    "Portuguese": "dra exmo exma av",
    "Dutch": "dhr mevr bijv drs blz jhr",
    "Polish": "np tzn tzw ul mgr inż hab św",
    "Turkish": "vb örn bkz doç yrd sn",
    "Russian": "гг ул им см рис стр тов проф акад напр св",
}
"""Words behind which a full stop ends no sentence; as initials and words with full stops in them have it everywhere."""
_ABBREVIATIONS: Final = frozenset(" ".join(ABBREVIATIONS.values()).split())
_NUMBERED: Final = frozenset(
    "no nos nr nº núm fig figs abb tab vol vols bd eq eqs sec ch chap kap cap art p pp s pág págs pag ref".split()  # noqa: SIM905 - words
)
"""The same, where a number follows."""
_CLOSING: Final = "\"'”’»›)\\]」』）】》〉"
_OPENING: Final = "\"'“‘«‹([{¿¡„*_"
_SPACED: Final = TERMINATED["Latin, Cyrillic, Hebrew, Hangul, Tamil"] + TERMINATED["Greek"] + TERMINATED["Armenian"]
_ALWAYS: Final = "".join(stops for stops in TERMINATED.values() if stops[0] not in _SPACED).replace("．", "")
_LINE: Final = r"\n(?=[ \t]*(?:[|>*+-]|\d+[.)][ \t]))"  # rows of tables, items of lists
_STOPS: Final = (
    rf"(?<![{_SPACED}])[{_SPACED}]++[{_CLOSING}]*+(?:[ \u00a0\u202f]»)?(?=\s)"
    rf"|(?<=[Ͱ-Ͽἀ-῿]);(?=\s)"
    rf"|(?P<always>(?:[{_ALWAYS}]|．(?![0-9０-９])|፡፡)(?:[{_ALWAYS}．!?…])*+[{_CLOSING}]*+)(?!と|って)"
)
_CANDIDATE: Final = re.compile(f"(?P<line>{_LINE})|{_STOPS}")
_FIRST: Final = re.compile(f"[\n;．፡{_SPACED}{_ALWAYS}]")  # what a candidate begins with; found much sooner
_SPACE: Final = re.compile(r"\s*")
_BEFORE: Final = re.compile(r"(?:[\w'’-]|\.(?=\w))*\Z")
_FENCED: Final = re.compile(r"\s*(?:`{3}|~{3})")
_NEW_LINE: Final = re.compile(r"\n(?=.)")
_WORD: Final = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")
UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U000323af"
)
"""Characters of scripts that are written without spaces, as a class of a regular expression."""
_ELLIPSIS: Final = 3  # full stops in a row: more of them lead to the number of a page
_LOOK_BACK: Final = 24  # characters before a full stop that an abbreviation may have


def sentences(paragraph: str) -> list[str]:
    """Sentences, rows of a table, items of a list, or lines of fenced code."""
    cuts = [line.end() for line in _NEW_LINE.finditer(paragraph)] if _FENCED.match(paragraph) else _ends(paragraph)
    return [paragraph[start:end] for start, end in pairwise([0, *cuts, len(paragraph)]) if start < end]


def words(sentence: str) -> list[str]:
    """Runs of characters that are not white space, each with the white space before it."""
    return _WORD.findall(sentence)


def runs(word: str, number: int) -> list[str]:
    """`number` runs of characters of equal length, or single characters where there are fewer."""
    size = max(1, -(-len(word) // number))
    return [word[start : start + size] for start in range(0, len(word), size)]


def _ends(paragraph: str) -> list[int]:
    """Where sentences end, the white space behind them included."""
    cuts: list[int] = []
    done = 0
    for match in _candidates(paragraph):
        if match.start() < done:
            continue
        if match["line"] is not None:
            done = match.end()
        else:
            space = _SPACE.match(paragraph, match.end())
            assert space is not None, "it matches nothing too"
            if not match["always"] and not _ends_here(paragraph, match, space.end()):
                continue
            done = space.end()
        cuts.append(done)
    return cuts


def _candidates(paragraph: str) -> Iterator[re.Match[str]]:
    """Where a sentence may end; looked for only where one character says that it can be."""
    done = 0
    for first in _FIRST.finditer(paragraph):
        match = _CANDIDATE.match(paragraph, first.start()) if first.start() >= done else None
        if match is not None:
            done = match.end()
            yield match


def _ends_here(paragraph: str, stop: re.Match[str], following: int) -> bool:
    """Whether a full stop with a space behind it ends a sentence, as far as what is around it says."""
    behind = paragraph[following : following + 8].lstrip(_OPENING)
    if behind[:1].islower():
        return False
    if stop[0] != ".":
        return stop[0].strip(".") != "" or len(stop[0]) <= _ELLIPSIS
    before = _BEFORE.search(paragraph[max(0, stop.start() - _LOOK_BACK) : stop.start()])
    word = before[0] if before is not None else ""
    if word.isdecimal():
        return len(word) > 2 or not behind[:1].isalpha()
    parts = word.split(".")
    if len(parts) > 1:
        return any(len(part) > 3 for part in parts)  # "e.g.", "U.S.", "z.B."
    if word.lower() in _NUMBERED and behind[:1].isdecimal():
        return False
    return not (len(word) == 1 and word.isalpha()) and word.lower() not in _ABBREVIATIONS
