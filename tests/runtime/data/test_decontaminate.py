"""What is measured leaves what is trained on: runs of words, whole short questions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.plan import Decontaminate
from structdsl_runtime.operations.decontaminate import decontaminate
from structdsl_runtime.text.overlap import Batch, Item, Overlap
from structdsl_runtime.text.words import words
from tests.runtime.data.workshop import Workshop

ASKED = "Which of the following drugs is given first to a patient with acute heart failure?"  # 15 words
Rows = list[dict[str, Any]]


def exam(question: str, answer: str = "") -> dict[str, Any]:
    return {"doc_id": "i1", "question": question, "answer": answer}


def told(question: str, answer: str) -> dict[str, Any]:
    return {"doc_id": "d0", "source": "f", "question": question, "answer": answer, "text": f"{question}\n{answer}"}


def chunks_of(texts: Sequence[str], documents: Sequence[str] = ()) -> tuple[Rows, Rows]:
    owners = documents or [f"d{number}" for number in range(len(texts))]
    chunks = [
        {"chunk_id": f"c{n}", "doc_id": owner, "corpus": "notes", "position": n, "text": text, "n_tokens": 1,
         "heading_path": ["h"], "heading_id": "h", "start_byte": 0, "end_byte": 1}
        for n, (text, owner) in enumerate(zip(texts, owners, strict=True))
    ]  # fmt: skip
    return chunks, [{"doc_id": owner, "source": "f"} for owner in dict.fromkeys(owners)]


def cut(run: Workshop, texts: Sequence[str], items: Rows, n: int = 13, documents: Sequence[str] = ()) -> dict[str, Any]:
    chunks, rows = chunks_of(texts, documents)
    arguments = Decontaminate(n=(n,), against=(("corpus.e",),), roles={"documents": "domain", "corpus.e": "exam"})
    return run(decontaminate, arguments, {"documents": rows, "chunks": chunks, "corpus.e": items})


def whole(run: Workshop, role: Any, rows: Rows, items: Rows, of: Any = "exam", n: int = 13) -> dict[str, Any]:
    arguments = Decontaminate(n=(n,), against=(("corpus.e",),), roles={"documents": role, "corpus.e": of})
    return run(decontaminate, arguments, {"documents": rows, "corpus.e": items})


FOUND = {
    "13 words of a question": (" ".join(ASKED.split()[2:]), exam(ASKED), True),
    "12 words": (" ".join(ASKED.split()[3:]), exam(ASKED), False),
    "case and marks": ("(" + ASKED.upper().replace(" ", " - ") + ")", exam(ASKED), True),
    "a word between": (ASKED.replace("given", "never given"), exam(ASKED), False),
    "over the join": ("a b c d e f g h i j k l m", exam("x a b c", "d e f g h i j k l m"), True),
    "the answer alone": ("d e f g h i j k l m n o p q", exam("a b c", "d e f g h i j k l m n o p q"), False),
    "a short question in text": ("I said: what is love? Nothing.", exam("What is love?"), False),
    "nothing": ("", exam(ASKED), False),
    "an item of nothing": ("Some text.", exam(""), False),
    "Han": ("据说急性心力衰竭患者首先应当使用哪种药物", exam("急性心力衰竭患者首先应当使用哪种药物?"), True),
    "Han, another": ("据说慢性心力衰竭患者", exam("急性心力衰竭患者首先应当使用哪种药物?"), False),
    "accents": ("Où est né le père de l'élève qui a gagné le prix hier", exam(
        "OÙ EST NE\u0301 LE PÈRE DE L’ÉLÈVE QUI A GAGNÉ LE PRIX HIER SOIR"), True),
}  # fmt: skip


@pytest.mark.parametrize(("text", "item", "found"), FOUND.values(), ids=FOUND)
def test_what_text_loses(run: Workshop, text: str, item: dict[str, Any], *, found: bool) -> None:
    made = cut(run, [text], [item])
    assert made["chunks"].num_rows == (not found)
    assert made["verdicts"]["doc_id"].to_pylist() == ["d0"] * found
    assert made["matches"].select(["chunk_id", "doc_id", "exam", "item"]).to_pylist() == (
        [{"chunk_id": "c0", "doc_id": "d0", "exam": "corpus.e", "item": "i1"}] * found
    )


def test_the_evidence_is_the_words(run: Workshop) -> None:
    made = cut(run, ["one two three four"], [exam("zero two three four")], n=3)
    assert made["matches"]["evidence"].to_pylist() == ["two three four"]
    assert made["verdicts"].to_pylist() == [
        {"doc_id": "d0", "source": "f", "step": "decontaminate", "reason": "ngrams",
         "evidence": "corpus.e, item i1: two three four"}
    ]  # fmt: skip


def test_a_document_stays_while_a_chunk_of_it_does(run: Workshop) -> None:
    made = cut(run, [ASKED, "fine", ASKED, ASKED], [exam(ASKED)], documents=["a", "a", "b", "b"])
    assert made["chunks"]["chunk_id"].to_pylist() == ["c1"]
    assert made["verdicts"]["doc_id"].to_pylist() == ["b"]
    assert made["matches"].num_rows == 3


ROWS = {
    "the same short question": (told("What is love?", "Rain."), exam("what is LOVE", "Sun."), True),
    "longer than the item": (told("What is love then?", "Rain."), exam("What is love?"), False),
    "a run over the join": (told("a b c", "d e f g h i j k l m"), exam("a b c d e f g h i j k l m"), True),
    "a run in an answer": (told("Ask.", ASKED), exam(ASKED), True),
    "another": (told("What is it?", "Rain."), exam(ASKED), False),
}


@pytest.mark.parametrize(("row", "item", "found"), ROWS.values(), ids=ROWS)
def test_rows_leave_whole(run: Workshop, row: dict[str, Any], item: dict[str, Any], *, found: bool) -> None:
    made = whole(run, "instruction", [row], [item])
    assert made["verdicts"]["doc_id"].to_pylist() == ["d0"] * found
    assert made["matches"]["chunk_id"].to_pylist() == [None] * found


@pytest.mark.parametrize("side", ["prompt", "chosen", "rejected"])
def test_a_preference_leaves_for_any_of_its_texts(run: Workshop, side: str) -> None:
    row = {"doc_id": "p", "source": "f", "prompt": "a", "chosen": "b", "rejected": "c", side: ASKED}
    other = {"doc_id": "q", "source": "f", "prompt": "a", "chosen": "b", "rejected": "c"}
    assert whole(run, "preference", [row, other], [exam(ASKED)])["verdicts"]["doc_id"].to_pylist() == ["p"]


def test_held_out_preferences_are_read_with_both_answers(run: Workshop) -> None:
    item = {"doc_id": "h", "prompt": "a b c", "chosen": "d e f", "rejected": "u v w"}
    texts = ["a b c d", "b c u v", "d e f u", "u v w x"]
    chunks, rows = chunks_of(texts)
    roles: Any = {"documents": "domain", "corpus.p_heldout": "preference"}
    arguments = Decontaminate(n=(4,), against=(("corpus.p_heldout",),), roles=roles)
    made = run(decontaminate, arguments, {"documents": rows, "chunks": chunks, "corpus.p_heldout": [item]})
    assert made["matches"]["chunk_id"].to_pylist() == ["c0", "c1"]


def test_a_hash_that_says_too_much_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(_: Overlap, ids: Any, at: Any) -> Any:
        return (ids[at] + 1).astype(np.uint64)  # sees the first of the words only

    monkeypatch.setattr(Overlap, "_hash", weak)
    items = Batch(items=[Item(exam="e", item="i")], questions=pa.array(["a b c"]), answers=None)
    overlap = Overlap(3, [items])
    assert [hit.text for hit in overlap.runs(pa.array(["a c b", "a b c", "b a a b c c"]))] == [1, 2]


def test_ascii_has_the_words_that_any_text_has() -> None:
    texts = pa.array(["It's 3.5 mg_of A-b", "", None, "\t x\n"])
    plain, other = words(texts), words(pa.concat_arrays([texts, pa.array(["é"])]))
    assert plain.joined().to_pylist() == other.joined().to_pylist()[:4] == ["it s 3 5 mg of a b", "", "", "x"]


TEXTS = st.lists(st.text("ab é急,", max_size=12), max_size=6)


@settings(max_examples=40)
@given(texts=TEXTS, items=TEXTS, n=st.integers(1, 4))
def test_runs_are_those_of_the_definition(texts: list[str], items: list[str], n: int) -> None:
    def split(text: str) -> list[str]:
        found: list[str] = words(pa.array([text], pa.string())).flat.to_pylist()
        return found

    def runs(text: str) -> set[tuple[str, ...]]:
        return {tuple(split(text)[at : at + n]) for at in range(len(split(text)) - n + 1)}

    batch = Batch(
        items=[Item(exam="e", item=str(number)) for number in range(len(items))],
        questions=pa.array(items, pa.string()),
        answers=None,
    )
    found = {hit.text for hit in Overlap(n, [batch]).runs(pa.array(texts, pa.string()))}
    measured = set[tuple[str, ...]]().union(*map(runs, items))
    assert found == {number for number, text in enumerate(texts) if runs(text) & measured}


def test_chunks_are_kept_or_matched(run: Workshop) -> None:
    @settings(max_examples=8)
    @given(texts=TEXTS, items=TEXTS, documents=st.integers(1, 3))
    def holds(texts: list[str], items: list[str], documents: int) -> None:
        owners = [f"d{number % documents}" for number in range(len(texts))]
        if not texts or not items:
            return
        made = cut(run, texts, [exam(item) for item in items], n=2, documents=owners)
        kept, matched = made["chunks"]["chunk_id"].to_pylist(), set(made["matches"]["chunk_id"].to_pylist())
        assert sorted([*kept, *matched]) == sorted(f"c{number}" for number in range(len(texts)))
        left = set(made["chunks"]["doc_id"].to_pylist())
        assert sorted(made["verdicts"]["doc_id"].to_pylist()) == sorted(set(owners) - left)

    holds()
