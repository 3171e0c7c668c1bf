"""Words and their numbers: one definition, whichever way a text takes to it."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.text.hashed import hashed, hashed_blocks, numbered, runs, within
from structdsl_runtime.text.words import blocks, words

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text("aB1 _’—½é\u0301İßﬁ²µ™\u00ad\u200b", max_size=14),
        st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn")), max_size=8),
        st.text("a急ア가가😀Ⅷ㎏", max_size=6),
    ),
    max_size=6,
)


def by_definition(text: str) -> list[str]:
    """Letters, marks and digits of the NFKC form in lower case, code point by code point."""
    normal = "".join(_lower(character) for character in unicodedata.normalize("NFKC", text))
    return re.findall(r"\S+", "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in normal))


def _lower(character: str) -> str:
    return character.lower() if len(character.lower()) == 1 else {"İ": "i"}.get(character, character)


@settings(max_examples=150)
@given(texts=TEXTS)
def test_texts_in_company_have_the_words_that_they_have_alone(texts: list[str | None]) -> None:
    array = pa.array(texts, pa.string())
    together = words(array).joined().to_pylist()
    through_patterns = words(pa.array([f"{text or ''} \u0e01" for text in texts], pa.string())).joined().to_pylist()
    assert [f"{text} \u0e01".strip() for text in together] == through_patterns
    padded = pa.array(["é", *texts, "ﬁ²"], pa.string()).slice(1, len(texts))
    assert words(padded).joined().to_pylist() == together


@pytest.mark.parametrize(
    "text",
    ["It’s 3.5 m² — naïve", "№ 5™", "ÀÉ\u00a0ÎÕ\u2009Ü", "½ a", "E\u0301TE", "Straße ΑΣ", "a\u00adb", "ﬁn Ⅷ", "😀a"],
)
def test_words_are_those_of_the_definition(text: str) -> None:
    assert words(pa.array([text])).flat.to_pylist() == by_definition(text)


@settings(max_examples=100)
@given(texts=TEXTS, n=st.integers(1, 7))
def test_equal_runs_have_equal_numbers_and_no_others_do(texts: list[str | None], n: int) -> None:
    array = pa.array(texts, pa.string())
    found, split = hashed(array), words(array)
    assert (found.starts == split.starts).all()
    assert found.words.tolist() == numbered(split.flat).tolist()
    assert found.strings(np.arange(len(found.words))).to_pylist() == split.flat.to_pylist()
    at = within(found.starts, n)
    flat = split.flat.to_pylist()
    spelt = [" ".join(flat[place : place + n]) for place in at.tolist()]
    numbers = runs(found.words, n)[at].tolist()
    assert len(set(zip(spelt, numbers, strict=True))) == len(set(spelt)) == len(set(numbers))
    ends = [
        end for start, end in zip(found.starts, found.starts[1:], strict=False) for end in range(start + n, end + 1)
    ]
    assert [place + n for place in at.tolist()] == ends


def test_words_of_any_length_have_numbers_of_their_own() -> None:
    sizes = [1, 7, 8, 9, 16, 17, 1023, 1024, 1025, 5000]
    texts = [letter * size for size in sizes for letter in "ab"] + ["ab" * 2000, "ab" * 2000 + "b"]
    numbers = hashed(pa.array([" ".join(texts)])).words
    assert len(set(numbers.tolist())) == len(texts)
    assert numbered(pa.array(texts)).tolist() == numbers.tolist()


def test_blocks_are_all_texts_in_order() -> None:
    texts = pa.array(["a" * 3_000_000, "", "b" * 3_000_000, "c" * 9_000_000, None, "d"])
    found = [(first, part.to_pylist()) for first, part in blocks(texts.slice(1, 5))]
    assert [text for _, part in found for text in part] == texts.to_pylist()[1:]
    assert [first for first, _ in found] == np.cumsum([0, *(len(part) for _, part in found)])[:-1].tolist()
    assert len(found) > 1


def test_the_words_of_blocks_are_those_of_each_text() -> None:
    """Texts of every kind, more than a block of them, touching one another without a space."""
    several = ["a" * 40, "é" * 20, "½ e\u0301", "", "急性 b", None, "plain words", "²" * 9] * 6000
    texts = pa.array(several, pa.string())
    alone = {text: words(pa.array([text], pa.string())).flat.to_pylist() for text in several[:8]}
    found = list(hashed_blocks(texts.slice(3)))
    assert len(found) > 1
    for first, block in found:
        spelt = block.strings(np.arange(len(block.words))).to_pylist()
        parts = [spelt[a:b] for a, b in zip(block.starts.tolist(), block.starts[1:].tolist(), strict=False)]
        assert parts == [alone[text] for text in several[3 + first : 3 + first + len(parts)]]
    assert sum(len(block.lengths) for _, block in found) == len(several) - 3
