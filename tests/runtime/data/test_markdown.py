"""Blocks, headings and titles."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl_runtime.text.markdown import blocks, first_title, opens_with
from structdsl_runtime.text.marks import atx, plain
from structdsl_runtime.text.sentences import sentences, words
from structdsl_runtime.text.slug import slug

SOUP = st.lists(
    st.sampled_from(
        [
            "# ",
            "## A",
            "\n",
            "\n\n",
            "\n===\n",
            "---\n",
            "```",
            "~~~~",
            " ",
            "x. ",
            "Y",
            "。",
            "|",
            "- ",
            "\x0c",
            "\u2028",
            "é",
        ]
    )
).map("".join)


@given(SOUP)
def test_blocks_are_the_text(text: str) -> None:
    parts = list(blocks(text))
    assert "".join(block.text for block in parts) == text
    assert all(block.text for block in parts)
    assert all(block.text.strip() for block in parts) or not text.strip()


@given(SOUP)
def test_finer_pieces_are_the_text(text: str) -> None:
    for pieces in (sentences(text), words(text)):
        assert "".join(pieces) == text
        assert all(pieces)


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("# A\n", (1, "A")),
        ("   ###### A b ", (6, "A b")),
        ("## A ## \n", (2, "A")),
        ("## A #1\n", (2, "A #1")),
        ("##\tA", (2, "A")),
        ("## **A**\n", (2, "A")),
        ("#A", None),
        ("####### A", None),
        ("    # A", None),
        ("#### \n", None),
        ("#### ###\n", None),
        ("A # B", None),
    ],
)
def test_atx_headings(line: str, heading: tuple[int, str] | None) -> None:
    assert atx(line) == heading


UNDERLINED = {
    "below": ("A\n===", {"A": 1}),
    "dashes": ("A\n---\ntext", {"A": 2}),
    "one sign is enough": ("A\n=\n\nB\n-\n\nC\n--", {"A": 1, "B": 2, "C": 2}),
    "signs and spaces": ("C\n--- -\n\nD\n=-=\n\nE\n= =", {}),
    "indented": ("text\n\n   *A* b \n  ------- \n\n\ntext", {"A b": 2}),
    "indented as code": ("    A\n===\n\nB\n    ---\n\n\tC\n---", {}),
    "each ends the one before": ("A\n=====\nB\n---\n# C\nD\n===", {"A": 1, "B": 2, "C": 1, "D": 1}),
    "ends of lines": ("A\r\nB\r\n---\r\ntext", {"A B": 2}),
    "several lines": ("one *two\nthree* \n    four\n===\nfive", {"one two three four": 1}),
    "below a blank line": ("A\n\n===", {}),
    "below a heading": ("# A\n---\n\n#\n---", {"A": 1}),
    "below a rule": ("***\nA\n---\n---\nB\n===", {"A": 2, "B": 1}),
    "a rule within": ("A\n***\n---\n- - -\n===", {}),
    "rows of signs": ("===\n---\n\n=====\nA\n=====\n", {"A": 1}),
    "items": ("- A\n---\n\n+ B\n===\n\n12. C\n---\n\n*\n---", {}),
    "an item within": ("A\n- B\n---\n\nC\n1. D\n---", {}),
    "no item": ("A\n2. B\n---\n\n-C\n---\n\n1.5\n---", {"A 2. B": 2, "-C": 2, "1.5": 2}),
    "an item with nothing in it": ("A\n*\n---\n\n-\nB\n---", {"A *": 2, "B": 2}),
    "lazily below an item": ("- A\nB\n---\n\n- C\nD\n===\nE\n---", {}),
    "in an item": ("- A\n\n  B\n  ---\n\n- C\n  ---", {"B": 2}),
    "out of an item": ("- A\n\n  B\n---\n\n- C\n\n  D\nE\n---\nF\n---", {"F": 2}),
    "below an item": ("- A\n\nB\n---\n\n10. C\n\n  D\n---\n\n- # E\nF\n---", {"B": 2, "D": 2, "F": 2}),
    "quotes": ("> A\n---\n\n> B\nC\n===\n\n> D\n> ---\nE\n---", {"E": 2}),
    "below a quote": ("> A\n\nB\n---\n>\nC\n---", {"B": 2, "C": 2}),
    "code": ("```\nA\n===\n\nB\n===\n```\nC\n---", {"C": 2}),
    "markup": ("<b>\n---\n\n<div> A\n---\n\nB\n<p>\n---\n\n<!-- C -->\nD\n---\n\n<!--\nE\n---\n-->", {"D": 2}),
    "tags in a title": ("<b>A</b> c\n---\n\nB\n<i>\n---\n\n<https://d>\n---", {"A c": 2, "B": 2, "<https://d>": 2}),
    "definitions": ("[a]: b\n---\n\n[c]: <d> 'e'\nF\n---\n\n[g]: h i\n---\n\n[^1]: J\n---", {"F": 2, "[g]: h i": 2}),
    "tables": ("| A |\n---\n\nB | C\n--|--\nD | E\n---\n\nF | G\n---", {"F | G": 2}),
    "front matter": ("---\na: b\n-\n\n# c\nd:\n---\nE\n---\n", {"E": 2}),
    "front matter up to dots": ("---\na:\n...\nB\n---", {"B": 2}),
    "no front matter": ("---\nA\n---\n\n---\nb: c\n---", {"A": 2, "b: c": 2}),
    "front matter without an end": ("---\na: b\n\nC\n--", {"C": 2}),
}  # fmt: skip
"""Which titles a text has, and of what level; CommonMark's where nothing else is said."""


@pytest.mark.parametrize(("text", "titles"), UNDERLINED.values(), ids=UNDERLINED)
def test_underlined_headings(text: str, titles: dict[str, int]) -> None:
    assert {block.title: block.level for block in blocks(text) if block.level} == titles


def test_what_is_read_of_an_underlined_heading_is_all_of_it() -> None:
    parts = [(block.level, block.text) for block in blocks("A\n\n[b]: c\nD\nE\n---\n\nF\n***\nG\nH\n=\nI")]
    assert parts == [(0, "A\n\n"), (0, "[b]: c\n"), (2, "D\nE\n---\n\n"), (0, "F\n***\n"), (1, "G\nH\n=\n"), (0, "I")]


def test_fences_hide_headings() -> None:
    text = "# A\n```py\n# B\n\n# C\n```\n# D\n~~~\n# E\n```\n~~~\n## F\n`x` # G\n```\n# H"
    assert [block.title for block in blocks(text) if block.level] == ["A", "D", "F"]


@pytest.mark.parametrize(
    ("title", "words_"),
    [
        ("**A** *b* `c` __d__ _e_", "A b c d e"),
        ("snake_case and 2 * 3 * 4", "snake_case and 2 * 3 * 4"),
        ("[A](http://x) ![b](y.png)", "A b"),
        ("CO<sub>2</sub> if a < b > c", "CO2 if a < b > c"),
        (r"\*A\* COVID-19", "*A* COVID-19"),
        ("***A***  b", "A b"),
    ],
)
def test_titles_lose_their_markup(title: str, words_: str) -> None:
    assert plain(title) == words_


def test_what_a_text_opens_with() -> None:
    assert opens_with("\n# A\n\n## **B**\n\ntext", "B")
    assert not opens_with("text\n\n# A", "A")
    assert not opens_with("# comment in code", "A")
    assert first_title("## A\n\n# B\n\n# C") == "B"
    assert first_title("A") is None
    assert first_title("## A\nB\n---\n\n[C](d)\n===\n# E") == "C"
    assert opens_with("A\n---\nB\n===\n", "B")
    assert opens_with("A\nB\n--\nC\n\n===\n", "A B")
    assert not opens_with("A\nB\n\n--\nC\n===\n", "C")
    assert first_title("A\n=\n") == "A"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Of E. coli it is said. It grows.", ["Of E. coli it is said. ", "It grows."]),
        ("By J. Hulcr et al. in 2012. Yes!", ["By J. Hulcr et al. in 2012. ", "Yes!"]),
        ("水を替える。魚は「食べる。」終わり", ["水を替える。", "魚は「食べる。」", "終わり"]),
        ("यह है। वह है।", ["यह है। ", "वह है।"]),
        ("هل هذا؟ نعم.", ["هل هذا؟ ", "نعم."]),
        ("| a | b |\n| c | d |", ["| a | b |\n", "| c | d |"]),
        ("```\nx = 1\ny. Z\n```", ["```\n", "x = 1\n", "y. Z\n", "```"]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("The Cell Cycle & DNA", "the-cell-cycle-dna"),
        ("COVID-19", "covid-19"),
        ("Ernährung / Übung", "ernährung-übung"),
        ("魚の飼い方", "魚の飼い方"),
        ("हिन्दी भाषा", "हिन्दी-भाषा"),
        ("H₂O — ½", "h2o-1-2"),
        ("???", "untitled"),
    ],
)
def test_slugs(title: str, path: str) -> None:
    assert slug(title) == path


_LINES = st.lists(
    st.sampled_from(
        ["", " ", "# A", "## *A*", "### B #", " # A  ", "```", "A", "B", "===", " ---", "#", "\t# A", "# A\r"]
    )
)


@given(_LINES.map("\n".join))
def test_the_first_line_tells_what_the_blocks_say(text: str) -> None:
    said = takewhile(lambda block: block.level, blocks(text))
    assert opens_with(text, "A") == ("A" in [block.title for block in said])


@given(st.text(st.sampled_from("aB3é ²-_.&\t\x1f\n")))
def test_slugs_of_letters_below_128_are_those_of_any_script(title: str) -> None:
    assert slug(f"{title} é").removesuffix("é").strip("-") == slug(title).replace("untitled", "")
