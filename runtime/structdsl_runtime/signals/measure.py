"""Signals of texts, by name: only those that are asked for, and what several of them need is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from structdsl_runtime.signals import lines, ngrams, slab, words
from structdsl_runtime.signals.characters import Places

Measured = npt.NDArray[Any]

UNICODE: Final = "_unicode"  # ends the names of signals that take words by the rules of Unicode


class Splitter:
    """The words of a slab in one of two ways, and what was found of them so far."""

    def __init__(self, texts: Texts, split: slab.Words, suffix: str) -> None:
        self.texts, self.words, self.suffix = texts, split, suffix

    @cached_property
    def hashes(self) -> words.Hashes:
        return words.hashes(self.texts.slab, self.words)

    @cached_property
    def repetitions(self) -> Mapping[int, slab.Floats]:
        """By the length of an n-gram; of those that are asked for."""
        named = {length: name + self.suffix for length, name in REPETITIONS.items()}
        wanted = [length for length, name in named.items() if name in self.texts.names]
        return ngrams.repetitions(self.texts.slab, self.words, self.hashes, wanted)

    @cached_property
    def real(self) -> Places:
        return self.words.sums(words.counted(self.words))

    @cached_property
    def kept_lines(self) -> lines.Flags:
        return lines.kept_by_c4(self.texts.slab, self.texts.lines, self.words, self.texts.lowered)

    @cached_property
    def kept_sentences(self) -> Places:
        found = self.texts.lines
        owner = np.searchsorted(found.ends, self.texts.sentences, "left")
        return self.texts.slab.per_text(self.texts.sentences[self.kept_lines[owner]])


class Texts:
    """A slab of texts, and what was found in it so far."""

    def __init__(self, texts: slab.Slab, names: Sequence[str]) -> None:
        self.slab = texts
        self.names = frozenset(names)

    @cached_property
    def spaced(self) -> Splitter:
        return Splitter(self, slab.spaced_words(self.slab), "")

    @cached_property
    def unicode(self) -> Splitter:
        return Splitter(self, slab.unicode_words(self.slab), UNICODE)

    @cached_property
    def lines(self) -> lines.Lines:
        return lines.lines_of(self.slab, self.spaced.words)

    @cached_property
    def lowered(self) -> bytes:
        return self.slab.data.tobytes().lower()

    @cached_property
    def sentences(self) -> Places:
        return lines.sentence_ends(self.slab)

    @cached_property
    def duplicate_lines(self) -> tuple[slab.Floats, slab.Floats]:
        full = self.lines.full
        return lines.duplicates(self.slab, self.lines.starts[full], self.lines.ends[full])

    @cached_property
    def paragraphs(self) -> tuple[Places, Places]:
        first, last = lines.paragraphs(self.lines)
        return self.lines.starts[first], self.lines.ends[last]

    @cached_property
    def duplicate_paragraphs(self) -> tuple[slab.Floats, slab.Floats]:
        return lines.duplicates(self.slab, *self.paragraphs)

    def count(self, *characters: str) -> Places:
        """How many of some ASCII characters each text has."""
        used = self.slab.data[: len(self.slab.bits)]
        found = [self.slab.per_text(np.flatnonzero(used == ord(character))) for character in characters]
        total: Places = np.sum(found, axis=0)
        return total

    def with_line(self, phrases: Sequence[bytes]) -> Places:
        """How many lines of each text have one of these phrases, whatever the case of their letters."""
        return self.lines.count(lines.with_any(self.lines, lines.occurrences(self.lowered, phrases)))


REPETITIONS: Final[Mapping[int, str]] = {length: f"top_{length}gram" for length in ngrams.TOP} | {
    length: f"duplicate_{length}gram" for length in ngrams.DUPLICATE
}


def _repetition(length: int, split: Splitter) -> Measured:
    return split.repetitions[length]


def _spaced(of: Callable[[Splitter], Measured], texts: Texts) -> Measured:
    return of(texts.spaced)


def _unicode(of: Callable[[Splitter], Measured], texts: Texts) -> Measured:
    return of(texts.unicode)


_OF_WORDS: Final[Mapping[str, Callable[[Splitter], Measured]]] = {
    "n_words": lambda split: split.real,
    "n_unique_words": lambda split: words.distinct(split.hashes, split.words),
    "mean_word_length": lambda split: words.mean_length(split.words),
    "n_alphabetic_words": lambda split: words.alphabetic(split.words),
    "n_stop_words": lambda split: words.stop_words(split.texts.slab, split.words),
    "n_c4_lines": lambda split: split.texts.lines.count(split.kept_lines),
    "n_c4_sentences": lambda split: split.kept_sentences,
    **{name: partial(_repetition, length) for length, name in REPETITIONS.items()},
}

_OF_TEXTS: Final[Mapping[str, Callable[[Texts], Measured]]] = {
    "n_symbol_words": lambda texts: texts.spaced.words.counts - texts.spaced.real,
    "n_hashes": lambda texts: texts.count("#"),
    "n_ellipses": lambda texts: texts.slab.per_text(lines.dots(texts.slab)),
    "n_braces": lambda texts: texts.count("{", "}"),
    "n_lorem_ipsum": lambda texts: texts.slab.per_text(lines.occurrences(texts.lowered, (b"lorem ipsum",))),
    "n_sentences": lambda texts: texts.slab.per_text(texts.sentences),
    "n_lines": lambda texts: lines.number_of(texts.slab, texts.lines),
    "n_full_lines": lambda texts: texts.lines.count(texts.lines.full),
    "n_bullet_lines": lambda texts: texts.lines.count(lines.bullets(texts.slab, texts.lines)),
    "n_ellipsis_lines": lambda texts: texts.lines.count(lines.ellipses(texts.slab, texts.lines)),
    "n_ended_lines": lambda texts: texts.lines.count(lines.ended(texts.slab, texts.lines)),
    "n_short_lines": lambda texts: texts.lines.count(lines.short(texts.slab, texts.lines)),
    "n_javascript_lines": lambda texts: texts.with_line((b"javascript",)),
    "n_policy_lines": lambda texts: texts.with_line(lines.POLICIES),
    "duplicate_lines": lambda texts: texts.duplicate_lines[0],
    "duplicate_line_characters": lambda texts: texts.duplicate_lines[1],
    "n_paragraphs": lambda texts: texts.slab.per_text(texts.paragraphs[0]),
    "duplicate_paragraphs": lambda texts: texts.duplicate_paragraphs[0],
    "duplicate_paragraph_characters": lambda texts: texts.duplicate_paragraphs[1],
}

SIGNALS: Final[Mapping[str, Callable[[Texts], Measured]]] = {
    **_OF_TEXTS,
    **{name: partial(_spaced, of) for name, of in _OF_WORDS.items()},
    **{name + UNICODE: partial(_unicode, of) for name, of in _OF_WORDS.items()},
}


def measure(texts: pa.Array[Any], names: Sequence[str]) -> dict[str, pa.Array[Any]]:
    """The signals of these names, a value for each text; a mean of nothing is missing."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for piece in slab.slabs(texts):
        known = Texts(piece, names)
        for name in names:
            found[name].append(SIGNALS[name](known))
    return {
        name: pa.array(np.concatenate(parts) if parts else np.empty(0), from_pandas=True)
        for name, parts in found.items()
    }
