"""Signals: what is measured of each document, and the published rules that are written in them.

A rule is a condition that drops a document. Its thresholds are SQL over what was measured, so that another threshold
measures nothing again. Words are told apart in two ways, and what depends on that is there twice: `n_words` counts
what stands between white space, `n_words_unicode` runs of letters and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from structdsl.plan.plan import Column

Bundle = Literal["gopher", "gopher_repetition", "c4", "fineweb"]
Splitter = Literal["whitespace", "unicode"]

SPLITTERS: tuple[Splitter, ...] = ("whitespace", "unicode")

UNICODE = "_unicode"
"""How the names of signals end that take words by the rules of Unicode."""

_OF_TEXTS: Mapping[str, tuple[str, str]] = {
    "n_symbol_words": ("BIGINT", "Words between white space that are punctuation and symbols alone."),
    "n_hashes": ("BIGINT", "`#`."),
    "n_ellipses": ("BIGINT", "`...` and `…`."),
    "n_braces": ("BIGINT", "`{` and `}`."),
    "n_lorem_ipsum": ("BIGINT", "`lorem ipsum`, in capitals or not, as in what follows."),
    "n_sentences": ("BIGINT", "Ends of sentences: full stops of any script, and what stands for them."),
    "n_lines": ("BIGINT", "Lines, blank ones included."),
    "n_full_lines": ("BIGINT", "Lines with more than white space in them."),
    "n_bullet_lines": ("BIGINT", "Lines that begin with `-` or `•`."),
    "n_ellipsis_lines": ("BIGINT", "Lines that end in `...` or `…`."),
    "n_ended_lines": ("BIGINT", "Lines that end as a sentence does, or with a closing quotation mark."),
    "n_short_lines": ("BIGINT", "Lines that are not blank, of 30 characters at most."),
    "n_javascript_lines": ("BIGINT", "Lines with `javascript`."),
    "n_policy_lines": ("BIGINT", "Lines with `terms of use`, `privacy policy`, `cookie policy`, `use cookies`, …"),
    "duplicate_lines": ("DOUBLE", "Of the lines that are not blank, the fraction that stood in the text before."),
    "duplicate_line_characters": ("DOUBLE", "Their characters, of all."),
    "n_paragraphs": ("BIGINT", "Runs of lines between blank ones."),
    "duplicate_paragraphs": ("DOUBLE", "Of the paragraphs, the fraction that stood in the text before."),
    "duplicate_paragraph_characters": ("DOUBLE", "Their characters, of all."),
}

_OF_WORDS: Mapping[str, tuple[str, str]] = {
    "n_words": ("BIGINT", "Words with a letter or a number in them."),
    "n_unique_words": ("BIGINT", "Different words."),
    "mean_word_length": ("DOUBLE", "Characters of a word with a letter or a number in it, on average."),
    "n_alphabetic_words": ("BIGINT", "Words with a letter in them."),
    "n_stop_words": ("BIGINT", "How many of `the`, `be`, `to`, `of`, `and`, `that`, `have`, `with` are there."),
    "n_c4_lines": ("BIGINT", "Lines that C4 leaves in: five words, an end of a sentence, no script, no policy."),
    "n_c4_sentences": ("BIGINT", "Ends of sentences in these lines."),
    **{
        f"top_{n}gram": ("DOUBLE", f"Characters of the most frequent run of {n} words that repeats, of all.")
        for n in (2, 3, 4)
    },
    **{
        f"duplicate_{n}gram": ("DOUBLE", f"Characters in runs of {n} words that stood in the text before, of all.")
        for n in (5, 6, 7, 8, 9, 10)
    },
}

_KNOWN: Mapping[str, tuple[str, str]] = {
    **_OF_TEXTS,
    **_OF_WORDS,
    **{name + UNICODE: (type_, f"`{name}`, by the words of Unicode.") for name, (type_, _) in _OF_WORDS.items()},
}

SIGNALS: tuple[Column, ...] = tuple(
    Column(name=name, type=type_, doc=meaning) for name, (type_, meaning) in _KNOWN.items()
)
"""All that can be measured of a document, in order."""

_RULES: Mapping[Bundle, tuple[str, ...]] = {
    # Rae et al. 2021 (arXiv 2112.11446), appendix A.1.1, "Quality Filtering"
    "gopher": (
        "n_words{u} < 50",
        "n_words{u} > 100000",
        "mean_word_length{u} < 3",
        "mean_word_length{u} > 10",
        "n_hashes / {every} > 0.1",
        "n_ellipses / {every} > 0.1",
        "n_bullet_lines / n_lines > 0.9",
        "n_ellipsis_lines / n_lines > 0.3",
        "n_alphabetic_words{u} / {every} < 0.8",
        "n_stop_words{u} < 2",
    ),
    # The same, "Repetition Removal", table A1
    "gopher_repetition": (
        "duplicate_lines > 0.3",
        "duplicate_paragraphs > 0.3",
        "duplicate_line_characters > 0.2",
        "duplicate_paragraph_characters > 0.2",
        "top_2gram{u} > 0.2",
        "top_3gram{u} > 0.18",
        "top_4gram{u} > 0.16",
        "duplicate_5gram{u} > 0.15",
        "duplicate_6gram{u} > 0.14",
        "duplicate_7gram{u} > 0.13",
        "duplicate_8gram{u} > 0.12",
        "duplicate_9gram{u} > 0.11",
        "duplicate_10gram{u} > 0.1",
    ),
    # Raffel et al. 2020 (JMLR 21:140), section 2.2: what drops a page; nothing is cut out of one
    "c4": ("n_lorem_ipsum > 0", "n_braces > 0", "n_c4_sentences{u} < 3"),
    # Penedo et al. 2024 (arXiv 2406.17557), section 3.6: the rules that FineWeb adds to those of the others
    "fineweb": (
        "n_ended_lines / n_full_lines <= 0.12",
        "duplicate_line_characters >= 0.1",
        "n_short_lines / n_full_lines >= 0.67",
    ),
}

BUNDLES: tuple[Bundle, ...] = tuple(_RULES)


def rules(bundle: Bundle, words: Splitter) -> tuple[str, ...]:
    """The conditions of SQL under which a published bundle drops a document, in its order."""
    unicode = words == "unicode"  # whose words are never symbols alone
    every = "n_words_unicode" if unicode else "(n_words + n_symbol_words)"
    return tuple(rule.format(u=UNICODE if unicode else "", every=every) for rule in _RULES[bundle])
