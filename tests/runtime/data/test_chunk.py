"""Chunks: exact, capped, never empty, never across a heading."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.plan import Chunk, CountTokens, LoadTokenizer, ReadFiles, TrainTokenizer
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.chunk import chunk
from structdsl_runtime.operations.count_tokens import count_tokens
from structdsl_runtime.operations.read_files import read_files
from structdsl_runtime.operations.tokenizer import load_tokenizer, train_tokenizer
from structdsl_runtime.text import layout, tokens
from structdsl_runtime.text.chunking import chunk_documents
from structdsl_runtime.text.markdown import blocks
from tests.runtime.data.plain_chunks import Made, parts_of, plainly

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.runtime.data.workshop import Table, Workshop

PIECES = [
    "# A",
    "## B",
    "### C d",
    "Some words here. And more!",
    "x" * 90,
    "水。魚。",
    "é😀",
    "\n",
    "\n\n",
    " ",
    "| a |\n| b |",
    "```\n",
]
DOCUMENTS = st.lists(st.sampled_from(PIECES), min_size=1).map("\n".join)


ODD = [
    *("  ", "\t", "\r", "\x0c", "\x1c", "\x85", "\xa0", "\u3000", "\u2028", " \u2003\r", "\u200b", "\u3002"),
    *("~~~~", " ```py", "   ~~~ x", "``` `", "    ```", "    # no", "   # **A** ##", "#", "#\xa0", "## #", "\xa0# A"),
    *("# A\r", "\u3000x\u3002", "x\u3000"),
    *("===", "---", "  ----- ", "====\r", "--", "--- -", "    ---", "=-=", "- B", "1. B", "A\n===", "\n  *B*\n---"),
    *(
        "-",
        "=",
        "- ",
        "> C",
        "  B\nC",
        "B\nC\n---",
        "---\nk: v",
        "<div>",
        "***",
        "2. C",
        "[a]: b",
        "   D",
        "|--|",
        "...",
    ),
]
MARKDOWN = st.lists(st.sampled_from(PIECES + ODD), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", "\r\n"]).map(lambda end: end.join(lines))
)


def cut(text: str, cap: int, tokenizer: tokens.Tokenizer) -> Made:
    return parts_of([text], chunk_documents, cap=cap, count=tokenizer.count_batch)[0]


def with_borders(texts: Iterable[str]) -> list[int]:
    """Words, and the borders between lines: a text has more of them than its parts."""
    return [len(text.split()) + text.strip().count("\n") for text in texts]


@settings(max_examples=400)
@given(texts=st.lists(MARKDOWN | st.text("#`~ \n\r\u3000ax.", max_size=30), max_size=4), data=st.data())
def test_the_quick_way_is_the_plain_way(tokenizer: tokens.Tokenizer, texts: list[str], data: st.DataObject) -> None:
    count = data.draw(st.sampled_from([tokens.estimate, tokenizer.count_batch, with_borders]))
    cap, even = data.draw(st.integers(4, 40)), data.draw(st.booleans())
    known = data.draw(st.sampled_from([None, np.array(count(texts), np.int64)]))
    quick = parts_of(texts, chunk_documents, cap=cap, count=count, even=even, known=known)
    assert quick == [plainly(text, cap=cap, count=count, even=even) for text in texts]


def test_white_space_is_all_that_python_strips() -> None:
    assert {chr(code).encode() for code in range(sys.maxunicode + 1) if chr(code).isspace()} == set(layout.WHITE)


@given(text=DOCUMENTS, cap=st.integers(4, 60))
def test_the_chunks_are_the_text(tokenizer: tokens.Tokenizer, text: str, cap: int) -> None:
    made = cut(text, cap, tokenizer)
    data = text.encode()
    assert "".join(part.text for part in made.chunks) == text
    assert all(part.text for part in made.chunks)
    assert all(part.tokens == tokenizer.count_batch([part.text])[0] <= cap for part in made.chunks)
    assert all(data[part.start : part.end].decode() == part.text for part in made.chunks)
    for heading in made.headings:
        assert data[heading.start :].decode().lstrip(" ").startswith("#" * heading.level)
        assert heading.parent is None or made.headings[heading.parent].level < heading.level


@given(text=DOCUMENTS)
def test_text_never_crosses_a_heading(tokenizer: tokens.Tokenizer, text: str) -> None:
    made = cut(text, 10_000, tokenizer)
    for part in made.chunks:
        levels = [bool(block.level) for block in blocks(part.text)]
        assert levels == sorted(levels, reverse=True)  # headings first, then text


def test_headings_open_the_next_chunk_together(tokenizer: tokens.Tokenizer) -> None:
    text = "before\n\n# A\n\n## B\n\nfirst\n\nsecond\n\n## C\n### D\nthird\n\n# E\n"
    made = cut(text, 100, tokenizer)
    assert [part.text for part in made.chunks] == [
        "before\n\n",
        "# A\n\n## B\n\nfirst\n\nsecond\n\n",
        "## C\n### D\nthird\n\n",
        "# E\n",
    ]
    assert [part.heading for part in made.chunks] == [None, 1, 3, 4]


def test_a_heading_never_ends_a_chunk(tokenizer: tokens.Tokenizer) -> None:
    made = cut("## What is water?\n\n" + "Water is wet. " * 40, 16, tokenizer)
    assert len(made.chunks) > 5
    assert made.chunks[0].text.startswith("## What is water?\n\nWater")


def test_paragraphs_are_packed_greedily(tokenizer: tokens.Tokenizer) -> None:
    paragraphs = [f"Water number {number}.\n\n" for number in range(9)]
    size = tokenizer.count_batch(paragraphs[:1])[0]
    made = cut("".join(paragraphs), 4 * size, tokenizer)
    assert [part.text.count("Water") for part in made.chunks] == [4, 4, 1]


def test_a_character_above_the_cap(tokenizer: tokens.Tokenizer) -> None:
    with pytest.raises(Fault) as caught:
        cut("a 😀", 2, tokenizer)
    assert caught.value.code == "E0710"


def test_the_tables(run: Workshop, world: str) -> None:
    documents = [{"doc_id": "a/b.md", "corpus": "notes", "text": world}]
    made = run(chunk, Chunk(max_tokens=50), {"documents": run.counted(documents), "tokenizer": run.tokenizer})
    chunks, headings = made["chunks"].to_pylist(), made["headings"].to_pylist()
    assert [row["title"] for row in headings] == [
        "Fish keeping",
        "Water care",
        "Testing",
        "Changing",
        "Feeding",
        "How often",
    ]
    ids = {row["heading_id"]: row for row in headings}
    assert [ids[row["parent_id"]]["title"] if row["parent_id"] else None for row in headings] == [
        None, "Fish keeping", "Water care", "Water care", "Fish keeping", "Feeding",
    ]  # fmt: skip
    assert headings[1]["heading_id"] == f"notes/a/b.md@{world.index('## Water')}"
    assert [row["chunk_id"] for row in chunks] == [f"notes/a/b.md#{number:04d}" for number in range(len(chunks))]
    assert "".join(row["text"] for row in chunks) == world
    assert chunks[-1]["heading_path"] == ["Fish keeping", "Feeding", "How often"]
    assert ids[chunks[-1]["heading_id"]]["title"] == "How often"
    assert len(chunks) > 6


def test_documents_are_cut_together_as_they_are_alone(
    run: Workshop, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [world, "", "no heading", world[:200], "\n", world.replace("#", "##") + "```\n# A", "# B\n\nx"]
    documents = run.counted([{"doc_id": str(n), "corpus": "c", "text": text} for n, text in enumerate(texts)])
    tokenizer: list[dict[str, Path]] = [{}, {"tokenizer": run.tokenizer}]
    for more in tokenizer:
        made = []
        for size in (1, 500, 1 << 20):
            monkeypatch.setattr(sys.modules[chunk.__module__], "TOGETHER", size)
            made.append(run(chunk, Chunk(max_tokens=50), {"documents": documents, **more}))
        assert made[0] == made[1] == made[2]
        assert {row["doc_id"] for row in made[0]["chunks"].to_pylist()} == {"0", "2", "3", "4", "5", "6"}


def test_counts(run: Workshop, tokenizer: tokens.Tokenizer, world: str) -> None:
    documents = [{"doc_id": "a", "text": world}, {"doc_id": "b", "text": "<|endoftext|>"}]
    made = run(count_tokens, CountTokens(), {"documents": documents, "tokenizer": run.tokenizer})
    assert made["counts"].to_pylist() == [
        {"doc_id": "a", "n_tokens": len(tokenizer.encode_batch([world])[0])},
        {"doc_id": "b", "n_tokens": tokenizer.count_batch(["<|endoftext|>"])[0]},
    ]
    assert tokenizer.eos_id not in tokenizer.encode_batch(["<|endoftext|>"])[0]


def test_a_tokenizer_is_read_once_for_all_parts(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    load = tokens.load

    def noted(folder: Path) -> tokens.Tokenizer:
        read.append(folder)
        return load(folder)

    monkeypatch.setattr(tokens, "load", noted)
    folder = run.root / "tokenizer"
    shutil.copytree(run.tokenizer, folder)
    for _ in range(2):
        run(count_tokens, CountTokens(), {"documents": [{"doc_id": "a", "text": "x"}], "tokenizer": folder})
    assert read == [folder]
    os.utime(folder / "tokenizer.json", (1, 1))
    run(count_tokens, CountTokens(), {"documents": [{"doc_id": "a", "text": "x"}], "tokenizer": folder})
    assert read == [folder, folder]


def outline(run: Workshop, texts: dict[str, str], *, root: str, depth: int = 3, title: str | None = None) -> Table:
    documents = [
        {"doc_id": name, "corpus": "c", "text": text, "title": title, "source": name} for name, text in texts.items()
    ]
    made = run(chunk, Chunk(max_tokens=99), {"documents": run.counted(documents), "tokenizer": run.tokenizer})
    return run.nodes({"c": (documents, made["headings"])}, depth, root=root, titles=[("c", "The Book")]).to_pylist()


def brief(nodes: Table) -> list[tuple[int, str, str]]:
    assert [node["position"] for node in nodes] == list(range(len(nodes)))
    return [(node["depth"], node["title"], node["path"]) for node in nodes]


def test_the_only_top_heading_is_the_root_of_its_document(run: Workshop, world: str) -> None:
    nodes = outline(run, {"a.md": world}, root="document", depth=2)
    assert brief(nodes) == [
        (1, "Fish keeping", "fish-keeping"),
        (2, "Water care", "fish-keeping/water-care"),
        (2, "Feeding", "fish-keeping/feeding"),
    ]
    assert nodes[0]["node_id"] == nodes[0]["heading_id"] == "c/a.md@0"
    assert {node["tree_id"] for node in nodes} == {"c/a.md@0"}


@pytest.mark.parametrize("text", ["# A\n\n# B\n\nx", "## Z\n\n# A\n\nx", "## A\n\nx", "no heading"])
def test_else_a_root_is_made(run: Workshop, text: str) -> None:
    nodes = outline(run, {"x/a.md": text}, root="document")
    assert (nodes[0]["node_id"], nodes[0]["heading_id"], nodes[0]["doc_id"]) == ("doc:c/x/a.md", None, "x/a.md")
    assert brief(nodes)[0] == (0, "a", "a")
    assert all(node["parent_id"] == "doc:c/x/a.md" and node["path"].startswith("a/") for node in nodes[1:])
    assert outline(run, {"x/a.md": text}, root="document", title="Own")[0]["title"] == "Own"
    assert outline(run, {"c.jsonl:3": text}, root="document", title="A")[0]["title"] in {"A", "c.jsonl:3"}


def test_one_tree_for_a_corpus(run: Workshop) -> None:
    texts = {"b.md": "# B\n\n### Deep\n\nx", "a.jsonl#L10": "# Ten", "a.jsonl#L9": "# Nine\n\n## Nine\n\n## Nine"}
    nodes = outline(run, texts, root="corpus")
    assert brief(nodes) == [
        (0, "The Book", ""),
        (1, "Nine", "nine"),
        (2, "Nine", "nine/nine"),
        (2, "Nine", "nine/nine"),
        (1, "Ten", "ten"),
        (1, "B", "b"),
        (3, "Deep", "b/deep"),
    ]
    assert nodes[0]["node_id"] == "corpus:c"
    assert nodes[0]["doc_id"] is None
    assert len({node["node_id"] for node in nodes}) == len(nodes)


def test_files_of_the_same_name_in_two_corpora(run: Workshop) -> None:
    document = {"doc_id": "a.md", "text": "# A\n\nText.", "title": "A", "source": "a.md"}
    tables: dict[str, tuple[Table, Table]] = {}
    for corpus in ("y", "x"):
        documents = [document | {"corpus": corpus}]
        tables[corpus] = documents, run(chunk, Chunk(max_tokens=64), {"documents": documents})["headings"].to_pylist()
    nodes = run.nodes(tables, 1, root="document")
    assert [(node["corpus"], node["node_id"]) for node in nodes.to_pylist()] == [("y", "y/a.md@0"), ("x", "x/a.md@0")]


def test_the_tokenizer_serves_transformers(run: Workshop, tokenizer: tokens.Tokenizer, world: str) -> None:
    import transformers  # noqa: PLC0415 - slow, and no other test here needs it

    loaded = transformers.AutoTokenizer.from_pretrained(run.tokenizer)
    assert loaded.eos_token_id == loaded.pad_token_id == tokenizer.eos_id
    ids = tokenizer.encode_batch([world])[0]
    assert loaded(world)["input_ids"] == ids
    assert loaded.decode(ids) == tokenizer.decode(ids) == world
    assert [tokenizer.decode([number]) for number in tokenizer.encode_batch(["│ ├─ x"])[0]] == ["│ ", "├─ ", "x"]
    assert len(loaded) <= 600


def test_training_a_tokenizer_twice(run: Workshop, world: str) -> None:
    run(train_tokenizer, TrainTokenizer(vocab=600), {"c": [{"text": world}]})
    first, second = (folder / "tokenizer.json" for folder in (run.tokenizer, run.output("tokenizer")))
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(Fault):
        run(train_tokenizer, TrainTokenizer(vocab=100), {"c": [{"text": world}]})


def test_loading_a_tokenizer(run: Workshop) -> None:
    run(load_tokenizer, LoadTokenizer(path=str(run.tokenizer)))
    copied = run.output("tokenizer")
    assert (copied / "tokenizer.json").read_bytes() == (run.tokenizer / "tokenizer.json").read_bytes()
    with pytest.raises(Fault) as caught:
        run(load_tokenizer, LoadTokenizer(path="nowhere"))
    assert caught.value.code == "E0515"
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (copied / name).unlink()
    with pytest.raises(Fault) as caught:
        run(load_tokenizer, LoadTokenizer(path=str(copied)))
    assert caught.value.code == "E0711"


def test_a_textbook(run: Workshop, books: Path) -> None:
    pattern = f"{books}/microbiology/*.md"
    documents = run(read_files, ReadFiles(corpus="c", role="domain", pattern=pattern))["documents"]
    made = run(chunk, Chunk(max_tokens=512), {"documents": run.counted(documents), "tokenizer": run.tokenizer})
    texts = {row["doc_id"]: row["text"] for row in documents.to_pylist()}
    chunks, headings = made["chunks"].to_pylist(), made["headings"].to_pylist()
    for doc_id, text in texts.items():
        own = [row for row in chunks if row["doc_id"] == doc_id]
        assert "".join(row["text"] for row in own) == text
        assert own[-1]["end_byte"] == len(text.encode())
    assert max(row["n_tokens"] for row in chunks) <= 512
    levels = [row["level"] for row in headings]
    assert [levels.count(level) for level in (1, 2, 3, 4)] == [26, 153, 605, 224]
    nodes = run.nodes({"c": (documents.to_pylist(), made["headings"])}, 3, root="corpus")
    assert nodes.num_rows == 1 + 26 + 153 + 605


def test_loading_a_tokenizer_from_home(run: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = shutil.copytree(run.tokenizer, tmp_path / "own")
    (own / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    run(load_tokenizer, LoadTokenizer(path="~/own"))
    assert (run.output("tokenizer") / "chat_template.jinja").is_file()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "it has no tokenizer, none of `tokenizer.json`, `tokenizer.model`"),
        ({"tokenizer.json": "garbage"}, "`tokenizer.json` is no tokenizer: expected value at line 1"),
        ({"tokenizer.json": None, "tokenizer_config.json": "{"}, "`tokenizer_config.json` is no JSON"),
        ({"config.json": '{"model_type": "llama"}', "tokenizer.model": "garbage"}, "cannot be converted"),
    ],
)
def test_a_folder_without_a_tokenizer_that_works(run: Workshop, files: dict[str, str | None], says: str) -> None:
    folder = run.root / "broken"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text or (run.tokenizer / name).read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(Fault) as caught:
        run(load_tokenizer, LoadTokenizer(path="broken"))
    assert caught.value.code == "E0715"
    assert caught.value.message.startswith("`broken` holds no usable model: ")
    assert says in caught.value.message
    assert "\n" not in caught.value.message
