"""Headings of reStructuredText and AsciiDoc, as Markdown has them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.plan import ChunkSections
from structdsl_runtime.operations.chunk_sections import chunk_sections
from structdsl_runtime.reading.offsets import stretches
from structdsl_runtime.text import asciidoc, rst
from structdsl_runtime.text.headings import Code, Title, written
from structdsl_runtime.text.markdown import blocks
from tests.runtime.data.test_sources import read
from tests.runtime.data.workshop import Source, Workshop

RST = {
    "below": ("Fish\n====\n\nText", "# Fish\n\nText"),
    "above and below": ("====\nFish\n====\nText", "# Fish\nText"),
    "levels by appearance": (
        "~~~~~\n Top\n~~~~~\n\nOne\n---\nTwo\n~~~\nThree\n-----\n",
        "# Top\n\n## One\n### Two\n## Three\n",
    ),
    "above and below is a style of its own": ("===\nOne\n===\n\nTwo\n===\n", "# One\n\n## Two\n"),
    "beyond six": (
        "".join(f"T{n}\n{sign * 4}\n" for n, sign in enumerate("=-~^+*#")),
        "".join(f"{'#' * min(n + 1, 6)} T{n}\n" for n in range(7)),
    ),
    "too short, and long enough": ("Fish tank\n====\n\nWater\n===\n", "# Fish tank\n\nWater\n\n===\n"),
    "wide letters": ("魚\n==\n\n水水\n===\n", "# 魚\n\n水水\n\n===\n"),
    "below a label": (".. _fish:\n\nFish\n====", ".. _fish:\n\n# Fish"),
    "a number before it": ("1. Fish\n=======", "# 1. Fish"),
    "roles": (":mod:`!os` --- *all* of :ref:`it <x>`\n====", "# `os` --- *all* of `it`"),
    "what Markdown takes for one": ("Fish\n\n  Water\n---\n", "Fish\n\n  Water\n\n---\n"),
    "what Markdown takes for one of several lines": ("One\ntwo\n---\n", "One\ntwo\n\n---\n"),
    "hashes behind it": ("F #\n===", "# F # #"),
    "within a paragraph": ("One\ntwo\n~~~\nText", "One\ntwo\n\\~~~\nText"),
    "items and fields": ("- Fish\n~~~~~~\n\n:a: b\n....", "- Fish\n\\~~~~~~\n\n:a: b\n...."),
    "indented": ("::\n\n    Fish\n    ====\n", "::\n\n    Fish\n    ====\n"),
    "a transition": ("One\n\n~~~~\n\nTwo", "One\n\n\\~~~~\n\nTwo"),
    "a table": (
        "=  =====\n#  Water\n=  =====\n1\n--------\n2  Wet\n=  =====\n",
        "```\n=  =====\n#  Water\n=  =====\n1\n--------\n2  Wet\n=  =====\n```\n",
    ),
    "code": (
        "Do::\n\n   # cut\n\n   it\n\nThen\n----",
        "Do::\n\n   ```\n   # cut\n\n   it\n   ```\n\n# Then",
    ),
    "directly below code": ("Do::\n\n   cut\nThen\n----", "Do::\n\n   cut\n# Then"),
    "two colons without code": ("Do::\nit\n~~~~", "Do::\nit\n\\~~~~"),
    "a directive": (
        ".. code-block:: sh\n   :caption: x\n\n   # ``` \n\n# so",
        ".. code-block:: sh\n   :caption: x\n\n   ````\n   # ``` \n   ````\n\n\\# so",
    ),
    "code that Markdown does not see": ("- a::\n\n    # x\n\n  b::\n\n     y", "- a::\n\n    # x\n\n  b::\n\n     y"),
    "a block is indented further than what opens it": ("* a::\n\n  # x\n", "* a::\n\n  \\# x\n"),
}

ASCIIDOC = {
    "a header": ("= Fish\nA. Nemo\n:toc:\n\n== Water ==\n=== Wet", "# Fish\nA. Nemo\n:toc:\n\n## Water\n### Wet"),
    "hashes": ("# Fish\n\n## Water\n", "# Fish\n\n## Water\n"),
    "below an anchor": ("[[a]]\n== Fish [[b]]\n[discrete]\n== Water", "[[a]]\n## Fish\n[discrete]\n## Water"),
    "underlined": (
        "Fish\n====\n\nWater\n-----\n\nSalt\n~~~~~\nMore\n^^^^\nLast\n+++\n",
        "# Fish\n\n## Water\n\n### Salt\n#### More\n##### Last\n",
    ),
    "within a paragraph": ("one\n== two\n# three\n", "one\n== two\n\\# three\n"),
    "no title": ("==Fish\n= \n.Fish\n~~~~~\n\n. One\n~~~~~", "==Fish\n\n= \n.Fish\n\\~~~~~\n\n. One\n\\~~~~~"),
    "a listing": (
        "[source,sh]\n----\n# cut\n== x\n----\n== Fish",
        "[source,sh]\n```\n# cut\n== x\n```\n## Fish",
    ),
    "literals, passthroughs and comments": (
        "....\n```\n....\n++++\n<b>\n++++\n////\n= x\n////\n",
        "````\n```\n````\n```\n<b>\n```\n```\n= x\n```\n",
    ),
    "a fence": ("```rb\n# x\n```\n== Fish", "```rb\n# x\n```\n## Fish"),
    "blocks within blocks": (
        "[NOTE]\n=====\n== x\n\n====\n----\n# y\n----\n====\n=====\n== Fish",
        "[NOTE]\n\n=====\n== x\n\n====\n```\n# y\n```\n====\n=====\n## Fish",
    ),
    "a table": ("|===\n|a\n\n# b\n|===\n\n== Fish", "|===\n|a\n\n\\# b\n|===\n\n## Fish"),
    "a block that nothing closes": ("****\n\n== Fish\n\n```\n# x", "****\n\n## Fish\n\n\\```\n\\# x"),
    "no front matter": ("---\na: b\n\n== Fish\n---", "\n---\na: b\n\n## Fish\n---"),
    "an indented paragraph": ("  # x\n  y\n\n* a\n  # b", "  ```\n  # x\n  y\n  ```\n\n* a\n  \\# b"),
}
"""What a text becomes."""

CASES = [(rst.markdown_headings, *case) for case in RST.values()] + [
    (asciidoc.markdown_headings, *case) for case in ASCIIDOC.values()
]


@pytest.mark.parametrize(("convert", "text", "expected"), CASES, ids=[*RST, *ASCIIDOC])
def test_titles_become_headings(convert: Callable[[str], str], text: str, expected: str) -> None:
    assert convert(text) == expected


PIECES = [
    "",
    "",
    "Fish",
    "====",
    "----",
    "....",
    "~~~~",
    "```",
    "= A",
    "## B",
    "  # x",
    "   ~~~",
    "a::",
    ".. b::",
    "- c",
]
PIECES += ["    d", "|===", "--", "[e]", "=  =", "# #", "   ----", "====\t", "\t# f", "1. g::", "\u3000# h"]
SOUP = st.lists(st.sampled_from(PIECES) | st.text("=-`~#:. a\t", max_size=6), max_size=16)


@settings(max_examples=400)
@given(lines=SOUP, module=st.sampled_from([rst, asciidoc]))
def test_no_other_line_becomes_a_heading_or_opens_a_fence(lines: list[str], module: object) -> None:
    parts = list(vars(module)["_parts"](lines))
    text = written([*parts, Title(1, "The end")])
    titles = [min(part.level, 6) for part in parts if isinstance(part, Title)]
    assert [block.level for block in blocks(text) if block.level] == [*titles, 1]


@given(lines=st.lists(st.sampled_from(PIECES), max_size=16))
def test_no_line_with_a_word_is_lost(lines: list[str]) -> None:
    rest = iter(rst.markdown_headings("\n".join(lines)).split("\n"))
    for line in lines:
        bare = line.strip()
        if any(map(str.isalnum, bare)):
            assert any(bare in other for other in rest)


def test_code_keeps_its_lines() -> None:
    lines = ["# a", "", "````", "~~~"]
    block, after = blocks(written([Code(lines), "b"])), "b"
    text = "".join(part.text for part in takewhile(lambda part: not part.level, block))
    assert text == "\n".join(["`````", *lines, "`````", after])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rst", "Fish\n====\n\nOne.\n\nWater\n-----\n\nTwo::\n\n  # no\n"),
        ("a.adoc", "= Fish\n\nOne.\n\n== Water\n\nTwo\n"),
    ],
)
def test_sections_of_files(run: Workshop, name: str, text: str) -> None:
    (run.root / name).write_text(text)
    documents, faults = read(run, name)
    assert not faults
    assert documents[0]["title"] == "Fish"
    inputs: dict[str, Source] = {"documents": run.counted(documents), "tokenizer": run.tokenizer}
    made = run(chunk_sections, ChunkSections(max_tokens=1000), inputs)
    assert [(row["level"], row["title"]) for row in made["headings"].to_pylist()] == [(1, "Fish"), (2, "Water")]
    assert [row["heading_path"] for row in made["chunks"].to_pylist()] == [["Fish"], ["Fish", "Water"]]


def test_lines_that_stay_have_a_place_in_the_file() -> None:
    data = b"Fish\r\n====\r\n\r\nOne line.\r\n\r\nDo::\r\n\r\n  # cut\r\n\r\nThe last.\r\n"
    text = rst.markdown_headings(data.decode().replace("\r\n", "\n"))
    for line in ("One line.", "Do::", "  # cut", "The last."):
        place = text.index(line)
        assert any(
            start <= place
            and place + len(line) <= start + count
            and data[at + place - start :].startswith(line.encode())
            for start, at, count in stretches(data, text)
        )
