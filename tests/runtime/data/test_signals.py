"""Signals: the kernel finds in any text what plain Python finds, and rules drop whom their authors would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.plan import MeasureSignals
from structdsl.signals import SIGNALS, UNICODE, Bundle, rules
from structdsl_runtime.operations.measure_signals import measure_signals
from structdsl_runtime.signals import measure, slab
from tests.runtime.data.signals_reference import measured, unicode_words

if TYPE_CHECKING:
    from tests.runtime.data.workshop import Workshop

NAMES = [signal.name for signal in SIGNALS]
PIECES = [
    *("the ", "be to\n", "of", "a", "b ", "1 ", "_ ", "K", "٣", "ab cd ef gh ij kl mn op qr st uv "),
    *("\n", "\n\n", " \n", " ", "\t", "\u2028", "\u00a0", "\x1c", "\x00", "a\x00", "\x85"),
    *("- x", "• y", "…", "...", "..", ". ", '."', ".'’ ", "!?", "؟", "। ", "。", "！」", "#", "{", "}"),
    *("中文字", "กำ", "ｶﾞ", "é", "e\u0301", "\u3099", "🙂", "𐍈", "한국어 ", "नमस्ते "),
    *("javaScript", "Lorem ipsum ", "terms of use", "word word word word word. "),
    *("supercalifragilisticexpialidocious" * 3 + " ", "123456789 ", "12345678\x00 "),
]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=60), max_size=5)


@settings(max_examples=60)  # the reference takes its time
@given(texts=TEXTS, size=st.sampled_from([1, 100, 1 << 19]))
def test_the_kernel_finds_what_plain_python_finds(texts: list[str], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slab, "SIZE", size)
        found = measure.measure(pa.array(texts, pa.string()), NAMES)
    rows = pa.table(found).to_pylist() if texts else []
    for text, row in zip(texts, rows, strict=True):
        assert row == pytest.approx(measured(text), abs=1e-12)


def test_there_is_a_measure_for_every_signal() -> None:
    assert set(measure.SIGNALS) == set(NAMES)
    assert measure.UNICODE == UNICODE


WORDS = [
    ("two words", ["two", "words"]),
    ("don't, e-mail_me", ["don", "t", "e", "mail", "me"]),
    ("naïve e\u0301te\u0301 x²", ["naïve", "e\u0301te\u0301", "x²"]),
    ("中文 kana かな", ["中", "文", "kana", "か", "な"]),
    ("ไทย กำ", ["ไ", "ท", "ย", "ก", "ำ"]),
    ("漢a字", ["漢", "a", "字"]),
    ("한국어 단어", ["한국어", "단어"]),
    ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ("— … 🙂", []),
]


@pytest.mark.parametrize(("text", "words"), WORDS, ids=[text for text, _ in WORDS])
def test_words_by_the_rules_of_unicode(text: str, words: list[str]) -> None:
    assert unicode_words(text) == words
    made = slab.unicode_words(next(slab.slabs(pa.array([text]))))
    assert made.lengths.tolist() == [len(word) for word in words]


def test_a_row_a_document(run: Workshop) -> None:
    documents = [{"doc_id": "a", "text": "one two"}, {"doc_id": "b", "text": ""}]
    made = run(measure_signals, MeasureSignals(signals=("n_words", "mean_word_length")), {"documents": documents})
    assert made["signals"].to_pylist() == [
        {"doc_id": "a", "n_words": 2, "mean_word_length": 3.0},
        {"doc_id": "b", "n_words": 0, "mean_word_length": None},
    ]


PROSE = "We have seen that the keeper of the small lake goes out with a boat to feed the fish each day.\n"
BROKEN: list[tuple[Bundle, str, str]] = [
    ("gopher", PROSE * 3, ""),
    ("gopher", PROSE, "n_words < 50"),
    ("gopher", "a" + " the of" * 100, "mean_word_length < 3"),
    ("gopher", "the of " + "supercalifragilistic " * 100, "mean_word_length > 10"),
    ("gopher", PROSE * 3 + "#" * 40, "n_hashes / (n_words + n_symbol_words) > 0.1"),
    ("gopher", PROSE * 3 + "..." * 40, "n_ellipses / (n_words + n_symbol_words) > 0.1"),
    ("gopher", ("- " + PROSE) * 3, "n_bullet_lines / n_lines > 0.9"),
    ("gopher", PROSE.replace(".", "...") * 3, "n_ellipsis_lines / n_lines > 0.3"),
    ("gopher", PROSE * 3 + "1234 " * 40, "n_alphabetic_words / (n_words + n_symbol_words) < 0.8"),
    ("gopher", "Nothing else stands here but words. " * 20, "n_stop_words < 2"),
    ("gopher_repetition", PROSE, ""),
    ("gopher_repetition", PROSE * 3, "duplicate_lines > 0.3"),
    ("gopher_repetition", "go there " * 50, "top_2gram > 0.2"),
    ("c4", PROSE * 3, ""),
    ("c4", PROSE * 2, "n_c4_sentences < 3"),
    ("c4", PROSE * 3 + "f() { }", "n_braces > 0"),
    ("c4", PROSE * 3 + "Lorem Ipsum dolor", "n_lorem_ipsum > 0"),
    ("c4", PROSE * 2 + PROSE.replace("boat", "JavaScript"), "n_c4_sentences < 3"),
    ("fineweb", "".join(f"{n}. {PROSE}" for n in range(5)), ""),
    ("fineweb", "".join(f"{n}. {PROSE[:-2]}\n" for n in range(9)), "n_ended_lines / n_full_lines <= 0.12"),
    ("fineweb", PROSE * 2, "duplicate_line_characters >= 0.1"),
    ("fineweb", "A.\nB.\nC.\n", "n_short_lines / n_full_lines >= 0.67"),
]


@pytest.mark.parametrize(("bundle", "text", "rule"), BROKEN, ids=[f"{b}: {r or 'kept'}" for b, _, r in BROKEN])
def test_the_first_rule_that_drops_a_text(bundle: Bundle, text: str, rule: str) -> None:
    signals = pa.table(measure.measure(pa.array([text]), NAMES))
    with duckdb.connect() as connection:
        connection.register("signals", signals)
        broken = [r for r in rules(bundle, "whitespace") if connection.sql(f"SELECT {r} FROM signals").fetchall()[0][0]]
    assert (broken or [""])[0] == rule


@pytest.mark.parametrize("bundle", ["gopher", "gopher_repetition", "c4", "fineweb"])
def test_rules_of_unicode_words_name_signals_that_are_there(bundle: Bundle) -> None:
    signals = pa.table(measure.measure(pa.array([PROSE * 3]), NAMES))
    with duckdb.connect() as connection:
        connection.register("signals", signals)
        for rule in rules(bundle, "unicode"):
            assert connection.sql(f"SELECT {rule} FROM signals").fetchall()[0][0] in {True, False}
