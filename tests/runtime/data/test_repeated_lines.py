"""Lines that many documents repeat are cut out of each, and every one of them is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.dedup.lines import cut, lines
from structdsl_runtime.text.markdown import blocks
from tests.runtime.data.test_chunk import MARKDOWN
from tests.runtime.data.test_duplicates import made
from tests.runtime.data.workshop import Workshop

MENU = "Home | Contact"


def texts_of(run: Workshop, dedup: str, texts: Sequence[str], old: Sequence[str] = ()) -> list[str | None]:
    named = {f"d{number}": text for number, text in enumerate(texts)}
    tables = made(run, dedup, named, {f"o{number}": text for number, text in enumerate(old)} if old else None)
    return [row["text"] for row in sorted(tables["_lines"], key=lambda row: str(row["doc_id"]))]


CASES = {
    "a menu": ([f"{MENU}\na", f"b\n{MENU}\nc", f"d\n{MENU}"], ["a", "b\nc", "d"]),
    "in too few": ([f"{MENU}\na", f"b\n{MENU}"], [f"{MENU}\na", f"b\n{MENU}"]),
    "twice in one counts once": ([f"{MENU}\n{MENU}", MENU], [f"{MENU}\n{MENU}", MENU]),
    "all of them, then": ([f"{MENU}\nx\n{MENU}", MENU, f"y\n{MENU}\n"], ["x", "", "y\n"]),
    "white space around it": ([f"\t{MENU} \r\na", f"{MENU}\nb", f"c\n {MENU}"], ["a", "b", "c"]),
    "marks and nothing": (["---\n\na", "---\n\nb", "---\n\nc"], ["---\n\na", "---\n\nb", "---\n\nc"]),
    "headings": (["# See\na", "# See\nb", "# See\nc"], ["# See\na", "# See\nb", "# See\nc"]),
    "no heading": (["#1\na", "#1\nb", "#1\nc"], ["a", "b", "c"]),
    "underlined": (["See\n===\na", "See\n===\nb", "See\n===\nc"], None),
    "underlined, of several lines": ([f"See\n{MENU}\n---\n{MENU}"] * 3, [f"See\n{MENU}\n---"] * 3),
    "rows over a rule": ([f"a\n- {MENU}\n---\n{n}" for n in "abc"], None),
    "code": ([f"```py\n# See\n{n}\n```" for n in "abc"], [f"```py\n{n}\n```" for n in "abc"]),
    "as far in as code": ([f"    # See\n{n}" for n in "abc"], [*"abc"]),
    "front matter": ([f"---\na: b\nc: d\n---\n{n}" for n in "xyz"], [f"---\na: b\n---\n{n}" for n in "xyz"]),
    "any script": (["主页 联系\nä", "ö\n主页 联系", "主页 联系\nü"], ["ä", "ö", "ü"]),
    "case": ([f"{MENU}\na", f"{MENU.upper()}\nb", f"{MENU.lower()}\nc"], None),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "left"), CASES.values(), ids=CASES)
def test_what_is_cut(run: Workshop, texts: list[str], left: list[str] | None) -> None:
    assert texts_of(run, "lines(at_least = 3)", texts) == (left or texts)


def test_what_is_cut_is_written_down_and_who_is_emptied_leaves(run: Workshop) -> None:
    texts = {"a": f"x\n{MENU}\n", "b": f"\n{MENU}\n", "c": ""}
    tables = made(run, "lines(at_least = 2)", texts)
    assert tables["_cut_lines"] == [
        {"doc_id": "a", "line": 2, "text": MENU, "start_byte": 2, "end_byte": 17},
        {"doc_id": "b", "line": 2, "text": MENU, "start_byte": 1, "end_byte": 16},
    ]
    assert [(row["doc_id"], row["step"], row["reason"]) for row in tables["_emptied"]] == [("b", "dedup", "lines")]
    assert {row["doc_id"]: row["n_chars"] for row in tables["_lines"]} == {"a": 2, "b": 1, "c": 0}


def test_documents_of_others_count_and_stay(run: Workshop) -> None:
    dedup = "lines(at_least = 3, against = [corpus.old])"
    assert texts_of(run, dedup, [f"{MENU}\na"], [MENU, f"{MENU}\n"]) == ["a"]


def test_who_has_left_counts_no_more(run: Workshop) -> None:
    tables = made(run, "[exact, lines(at_least = 2)]", {"a": f"{MENU}\nx", "b": f"{MENU}\nx", "c": "y"})
    assert tables["_repeated_2"] == []


@settings(max_examples=60)
@given(texts=st.lists(st.one_of(st.none(), st.text("a1é急# -\n\r", max_size=12)), max_size=5))
def test_lines_are_those_of_the_definition(texts: list[str | None]) -> None:
    found = lines(pa.array(texts, pa.string()))
    split = [(number, line) for number, text in enumerate(texts) for line in _lines(text or "")]
    pieces = [found.data[begin:end].tobytes().decode() for begin, end in zip(found.begin, found.end, strict=True)]
    assert list(zip(found.text.tolist(), pieces, strict=True)) == split
    alike = Counter(zip(found.numbers.tolist(), [piece.strip("\t\n\v\f\r ") for piece in pieces], strict=True))
    assert len(alike) == len({number for number, _ in alike}) == len({piece for _, piece in alike})
    kept = cut(found, found.counts).to_pylist()
    stay = [(number, line) for (number, line), leaves in zip(split, found.counts, strict=True) if not leaves]
    for number in range(len(texts)):
        whole = "".join(line for at, line in stay if at == number)
        assert kept[number] in {whole, whole.removesuffix("\n")}


@settings(max_examples=300)
@given(texts=st.lists(MARKDOWN, max_size=3), data=st.data())
def test_headings_stay_and_none_is_made(texts: list[str], data: st.DataObject) -> None:
    found = lines(pa.array(texts, pa.string()))
    some = data.draw(st.lists(st.booleans(), min_size=len(found.counts), max_size=len(found.counts)))
    left = cut(found, found.counts & np.array(some, np.bool_)).to_pylist()
    for before, after in zip(texts, left, strict=True):
        assert _headings(after) == _headings(before)


def _headings(text: str) -> list[tuple[int, str]]:
    return [(block.level, block.title) for block in blocks(text) if block.level]


def _lines(text: str) -> list[str]:
    pieces = [f"{piece}\n" for piece in text.split("\n")]
    return [*pieces[:-1], *([pieces[-1].removesuffix("\n")] if pieces[-1] != "\n" else [])]
