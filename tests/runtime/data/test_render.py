"""Samples of scpt and ssft: what is shown, what is asked for, in which order, and what fits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from structdsl.plan import Chunk, RenderScpt, RenderSsft, Tokenise
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.chunk import chunk
from structdsl_runtime.operations.render_scpt import render_scpt
from structdsl_runtime.operations.render_ssft import render_ssft
from structdsl_runtime.operations.tokenise import tokenise
from structdsl_runtime.structure.templates import TEMPLATES, chunk_prompt, training_text
from structdsl_runtime.text import tokens
from tests.runtime.data.workshop import scpt_rows, select

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.data.workshop import Source, Table, Workshop

BOOK = "\n\n".join(
    f"# C{chapter}\n\nOpening of {chapter}.\n\n"
    + "\n\n".join(
        f"## S{chapter}{section}\n\n### P{chapter}{section}\n\nText of {chapter}{section}." for section in range(5)
    )
    for chapter in range(3)
)


def rows_of(run: Workshop, texts: dict[str, str], root: str, epochs: int = 1, cap: int = 60) -> tuple[Table, Table]:
    """Rows of a mixture and nodes, as the compiler's SQL makes them."""
    documents = [
        {"doc_id": name, "corpus": "c", "text": text, "title": None, "source": name} for name, text in texts.items()
    ]
    made = run(chunk, Chunk(max_tokens=cap), {"documents": run.counted(documents), "tokenizer": run.tokenizer})
    nodes = run.nodes({"c": (documents, made["headings"])}, 3, root=root, titles=[("c", "The Book")]).to_pylist()
    roots = {node["doc_id"]: node["node_id"] for node in nodes if node["parent_id"] is None}
    rows: Table = []
    for epoch in range(1, 1 + epochs):
        for row in made["chunks"].to_pylist():
            node = row["heading_id"] or roots.get(row["doc_id"], roots.get(None))
            place = {key: row[key] for key in ("doc_id", "chunk_id", "heading_path")} | {"node_id": node}
            rows.append(_row(len(rows), row["chunk_id"], epoch, "chunk", row["text"]) | place)
            if row["position"] % 3 == 2:
                rows.append(_row(len(rows), f"web/{len(rows)}", 1, "plain", "Some text.\n"))
    return rows, nodes


def _row(position: int, sample_id: str, epoch: int, kind: str, text: str) -> dict[str, Any]:
    own = {"position": position, "sample_id": sample_id, "epoch": epoch, "kind": kind, "text": text}
    corpus = "c" if kind == "chunk" else "web"
    return own | {
        "corpus": corpus,
        "role": "domain",
        **dict.fromkeys(("doc_id", "chunk_id", "node_id", "heading_path")),
    }


def with_recalls(rows: Table, nodes: Table, seed: int = 0) -> Table:
    """Rows of a stage: those of the mixture in this order, and between them what is recalled."""
    pool = {row["sample_id"]: row | {"chunk_id": row["sample_id"]} for row in rows}
    tables = {
        "draw": [row | {"position": position} for position, row in enumerate(rows)],
        "pool": list(pool.values()),
        "links": [row for row in pool.values() if row["node_id"]],
        "nodes": nodes,
    }
    return scpt_rows(tables, seed)


def scpt(run: Workshop, rows: Table, nodes: Table, *, seed: int = 0, length: int = 512, reserve: int = 60) -> Table:
    """The samples of a stage, whose tokens are those that its samples have."""
    given: dict[str, Source] = {
        "rows": with_recalls(rows, nodes, seed),
        "trees": nodes,
        "tokenizer": run.tokenizer,
    }
    made = run(render_scpt, RenderScpt(length=length, reserve=reserve), given)
    tokens_ = run(tokenise, Tokenise(length=length), {"samples": made["samples"], "tokenizer": run.tokenizer})["tokens"]
    assert made["tokens"].equals(tokens_)
    return made["samples"].to_pylist()


def kinds(samples: Table) -> Counter[str]:
    return Counter(sample["kind"] for sample in samples)


def test_a_chunk_sample_by_its_skeleton(run: Workshop, world: str) -> None:
    rows, nodes = rows_of(run, {"a.md": world}, "document")
    samples = scpt(run, rows, nodes)
    sample = next(sample for sample in samples if sample["response"].startswith("### Changing"))
    opening, map_, closing, end = sample["prompt"].split("\n\n")
    assert "Fish keeping" in opening
    assert map_ == (
        "```\nFish keeping\n├─ Water care\n│ ├─ Testing\n│ └─ **Changing**\n└─ Feeding\n  └─ How often\n```"
    )
    assert "Changing" in closing
    assert "Fish keeping" in closing
    assert end == ""
    assert sample["kind"] == "chunk"


def test_a_title_only_where_the_heading_is_elsewhere(run: Workshop, world: str) -> None:
    rows, nodes = rows_of(run, {"a.md": "Before.\n\n" + world, "b.md": "No heading."}, "document", cap=30)
    titles = {node["node_id"]: node["title"] for node in nodes}
    chunks = [sample for sample in scpt(run, rows, nodes) if sample["kind"] == "chunk"]
    texts = {row["chunk_id"]: row["text"] for row in rows}
    for sample in chunks:
        text = texts[sample["chunk_id"]].rstrip()
        expected = text if text.startswith("#") else f"{titles[sample['node_id']]}\n{text}"
        assert sample["response"] == expected
    assert {sample["response"][0] == "#" for sample in chunks} == {True, False}
    assert any(sample["response"] == "b\nNo heading." for sample in chunks)


@pytest.mark.parametrize(("root", "recalled"), [("corpus", 3 + 15), ("document", 3 + 15)])
def test_a_full_pass_over_a_book(run: Workshop, root: str, recalled: int) -> None:
    sections = "".join(f"## S{n}\n\n" + "".join(f"### P{n}{m}\n\nText.\n\n" for m in range(6)) for n in range(5))
    texts = {"all.md": BOOK} if root == "corpus" else {f"{n}.md": f"# C{n}\n\n{sections}" for n in range(3)}
    rows, nodes = rows_of(run, texts, root, epochs=2)
    samples = scpt(run, rows, nodes)
    assert kinds(samples)["recall"] == 2 * recalled
    assert [sample["position"] for sample in samples] == list(range(len(samples)))
    mixture = [(sample["sample_id"], sample["epoch"]) for sample in samples if sample["kind"] != "recall"]
    assert mixture == [(row["sample_id"], row["epoch"]) for row in rows]  # order kept, each once an epoch
    recalls = Counter((sample["sample_id"], sample["epoch"]) for sample in samples if sample["kind"] == "recall")
    assert set(recalls.values()) == {1}
    assert samples == scpt(run, rows, nodes)
    assert samples != scpt(run, rows, nodes, seed=1)


def test_rows_apart_make_what_they_make_together(run: Workshop) -> None:
    rows, nodes = rows_of(run, {"all.md": BOOK}, "corpus", epochs=2)
    whole = scpt(run, rows, nodes)
    rows = with_recalls(rows, nodes)
    parts = []
    for part in (rows[:7], rows[7:8], rows[8:]):
        trees = select("stage_trees", {"rows": part, "nodes": nodes})
        given: dict[str, Source] = {"rows": part, "trees": trees, "tokenizer": run.tokenizer}
        parts += run(render_scpt, RenderScpt(length=512, reserve=60), given)["samples"].to_pylist()
    assert parts == whole


def test_a_partial_pass_recalls_what_it_visited(run: Workshop) -> None:
    rows, nodes = rows_of(run, {"all.md": BOOK}, "corpus")
    titles = {node["node_id"]: node["title"] for node in nodes}
    part = [row for row in rows if row["node_id"] and titles[row["node_id"]] in ("P11", "P13", "C2")]
    samples = scpt(run, part, nodes)
    recalls = [titles[sample["node_id"]] for sample in samples if sample["kind"] == "recall"]
    assert sorted(recalls) == ["C1", "C2", "S11", "S13"]
    for place, sample in enumerate(samples):
        if sample["kind"] == "recall":
            before = {titles[other["node_id"]] for other in samples[:place]}
            assert any(title[1:].startswith(titles[sample["node_id"]][1:]) for title in before)


def test_recall_by_chapter_and_section(run: Workshop) -> None:
    rows, nodes = rows_of(run, {"all.md": BOOK}, "corpus")
    made = {sample["sample_id"]: sample for sample in scpt(run, rows, nodes)}
    ids = {node["title"]: f"recall:{node['node_id']}" for node in nodes}
    chapter, section = made[ids["C1"]], made[ids["S12"]]
    assert "```\nThe Book\n├─ C0\n├─ **C1**\n└─ C2\n```" in chapter["prompt"]
    assert chapter["response"] == "C1\n" + "\n".join(
        f"├─ S1{n}\n│ └─ P1{n}" if n < 4 else "└─ S14\n  └─ P14" for n in range(5)
    )
    assert "```\nC1\n├─ S10\n├─ S11\n├─ **S12**\n├─ S13\n└─ S14\n```" in section["prompt"]
    assert "The Book" in chapter["prompt"].split("\n")[0]
    assert "C1" in section["prompt"].split("\n")[0]
    assert section["response"] == "C1\n├─ S10\n├─ S11\n├─ S12\n│ └─ P12\n├─ S13\n└─ S14"


def test_a_small_tree_is_recalled_once_a_pass(run: Workshop, world: str) -> None:
    rows, nodes = rows_of(run, {"a.md": world, "b.md": "# B\n\nx"}, "document", epochs=3)
    samples = scpt(run, rows, nodes)
    recalls = [sample for sample in samples if sample["kind"] == "recall"]
    assert len(recalls) == 3 * 2
    assert {sample["response"] for sample in recalls} == {
        "Fish keeping\n├─ Water care\n│ ├─ Testing\n│ └─ Changing\n└─ Feeding\n  └─ How often",
        "B",
    }
    assert all("```" not in sample["prompt"] for sample in recalls)


def test_plain_rows_have_no_prompt(run: Workshop, world: str) -> None:
    rows, nodes = rows_of(run, {"a.md": world}, "document")
    plain = [sample for sample in scpt(run, rows, nodes) if sample["kind"] == "plain"]
    assert plain
    assert {(sample["prompt"], sample["response"], sample["node_id"]) for sample in plain} == {
        ("", "Some text.\n", None)
    }


@pytest.mark.parametrize("length", [150, 200, 300])
def test_every_sample_fits(run: Workshop, tokenizer: tokens.Tokenizer, length: int) -> None:
    chapter = "# A chapter\n\n" + "".join(f"## Section number {n}\n\nText of {n}.\n\n" for n in range(40))
    rows, nodes = rows_of(run, {"a.md": chapter}, "document", cap=40)
    titles = {node["node_id"]: node["title"] for node in nodes}
    for sample in scpt(run, rows, nodes, length=length, reserve=40):
        prompt, response = tokenizer.count_batch([sample["prompt"], sample["response"]])
        assert prompt + response + 1 <= length
        if sample["kind"] == "chunk":
            assert prompt <= length - 41
            assert f"**{titles[sample['node_id']]}**" in sample["prompt"]
            assert "A chapter" in sample["prompt"].split("```")[1]


def test_no_room_for_the_bare_path(run: Workshop, world: str) -> None:
    rows, nodes = rows_of(run, {"a.md": world}, "document")
    with pytest.raises(Fault) as caught:
        scpt(run, rows, nodes, length=90)
    assert caught.value.code == "E0710"
    assert caught.value.notes[0].endswith("tokens")
    assert caught.value.notes[1] == "`length` is 90"


def test_templates() -> None:
    for templates in TEMPLATES.values():
        assert len(set(templates.announce)) == len(set(templates.continue_)) >= 20
        assert all("{field}" in sentence for sentence in templates.announce)
        assert all("{field}" in sentence and "{aspect}" in sentence for sentence in templates.continue_)
    prompts = {chunk_prompt("M", field="F {x}", aspect="A", sample_id=str(n)) for n in range(500)}
    assert len(prompts) == len(TEMPLATES["en"].announce)
    assert not any("{" in text for text in training_text())


QUESTIONS: Table = [
    {"sample_id": f"q/{n}", "corpus": "q", "question": f"Q{n}?", "answer": f"A{n}", "doc_id": str(n), "node_id": node}
    for n, node in enumerate(["c/a.md@0", "changing", "changing", None, "c/b.md@0"])
]


def ssft(run: Workshop, world: str, **more: Any) -> tuple[Table, dict[str, str]]:
    _, nodes = rows_of(run, {"a.md": world, "b.md": "# B\n\nx", "c.md": "# C\n\nx"}, "document")
    ids = {node["title"].lower(): node["node_id"] for node in nodes}
    rows = [
        row | {"position": n, "messages": None, "node_id": ids.get(row["node_id"], row["node_id"])}
        for n, row in enumerate(QUESTIONS)
    ]
    arguments = RenderSsft.model_validate({"length": 512, "reveal": "map", "epochs": 1, "seed": 0} | more)
    made = run(render_ssft, arguments, {"rows": rows, "trees": nodes, "tokenizer": run.tokenizer})
    return made["samples"].to_pylist(), ids


def test_twins_share_their_answer(run: Workshop, world: str) -> None:
    samples, ids = ssft(run, world)
    assert kinds(samples) == {"question": 5, "structured": 4, "recall": 2}
    plain = {sample["sample_id"]: sample for sample in samples if sample["kind"] == "question"}
    for sample in samples:
        if sample["kind"] == "structured":
            twin = plain[sample["sample_id"]]
            assert twin["prompt"] == f"Q{sample['doc_id']}?\n"
            assert sample["prompt"].startswith(twin["prompt"])
            assert sample["response"].endswith("Answer: " + twin["response"])
    shown = {s["response"] for s in samples if s["kind"] == "structured" and s["node_id"] == ids["changing"]}
    map_ = "Fish keeping\n└─ Water care\n  └─ **Changing**"
    assert shown == {f"The related knowledge points of Fish keeping:\n{map_}\n\nAnswer: A{n}" for n in (1, 2)}
    assert {sample["response"][:5] for sample in samples if sample["kind"] == "recall"} == {"Fish ", "B"}


def test_what_is_revealed(run: Workshop, world: str) -> None:
    samples, _ = ssft(run, world, reveal="path")
    assert kinds(samples) == {"question": 5, "structured": 4}
    path = "The place of this in Fish keeping:\nFish keeping > Water care > Changing\n\nAnswer: A1"
    assert path in {sample["response"] for sample in samples}
    samples, _ = ssft(run, world, reveal="none")
    assert kinds(samples) == {"question": 5}


def test_every_epoch_is_a_fresh_permutation(run: Workshop, world: str) -> None:
    samples, _ = ssft(run, world, epochs=3)
    assert [sample["position"] for sample in samples] == list(range(33))
    epochs = [[(s["sample_id"], s["kind"]) for s in samples if s["epoch"] == epoch] for epoch in (1, 2, 3)]
    assert [sample["epoch"] for sample in samples] == sorted(sample["epoch"] for sample in samples)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len({frozenset(epoch) for epoch in epochs}) == 1
    assert samples == ssft(run, world, epochs=3)[0]
    assert samples != ssft(run, world, epochs=3, seed=1)[0]


def test_a_textbook(run: Workshop, tokenizer: tokens.Tokenizer, books: Path) -> None:
    texts = {path.name: path.read_text("utf-8") for path in sorted((books / "microbiology").glob("0[1-3]*.md"))}
    rows, nodes = rows_of(run, texts, "corpus", cap=1000)
    for row in rows:  # chunks below a heading of level 4 belong to a node above
        known = {node["node_id"] for node in nodes}
        if row["node_id"] and row["node_id"] not in known:
            row["node_id"] = next(node["node_id"] for node in nodes if node["title"] == row["heading_path"][2])
    samples = scpt(run, rows, nodes, length=2048, reserve=1000)
    visited = {node["node_id"] for node in nodes if node["depth"] in (1, 2)}
    assert kinds(samples)["recall"] == len(visited)
    sizes = tokenizer.count_batch([sample["prompt"] + sample["response"] for sample in samples])
    assert max(sizes) < 2048


def test_a_mixture_of_nothing_has_no_samples(run: Workshop) -> None:
    rows, nodes = rows_of(run, {"all.md": BOOK}, "corpus")
    none = pa.Table.from_pylist(with_recalls(rows, nodes)).slice(0, 0)
    assert with_recalls([], nodes) == []
    given: dict[str, Source] = {
        "rows": none,
        "trees": pa.Table.from_pylist(nodes).slice(0, 0),
        "tokenizer": run.tokenizer,
    }
    made = run(render_scpt, RenderScpt(length=512, reserve=60), given)
    assert [table.num_rows for table in made.values()] == [0, 0]
