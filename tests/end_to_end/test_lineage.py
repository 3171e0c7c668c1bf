"""From a place in a packed row to the bytes of a file in one query, and from a byte to the rows that it is in."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from structdsl_runtime.text import tokens
from tests.end_to_end.folder import Folder, lines

SPEC = """\
language 1
model tiny {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 256)
  tokenizer = bpe(vocab = 600, over = [corpus.book])
}
corpus book  { source = files("book/*.md"), role = domain, chunk = paragraphs(max = 96 tokens) }
corpus told  { source = files("told.jsonl"), role = domain, redact = email, chunk = paragraphs(max = 96 tokens) }
corpus site  {
  source = files("site/*.md"), role = domain, redact = email, dedup = [lines(at_least = 9), lines(at_least = 6)]
  chunk  = sections(max = 96 tokens)
}
corpus asked { source = files("asked.*"), role = instruction }
mixture m {
  budget  = 4k tokens, max_epochs = 9
  weights = { corpus.book: 55%, corpus.told: 15%, corpus.site: 15%, corpus.asked: rest }
}
stage learn: cpt { from = model.tiny, data = mixture.m, length = 64, batch = 256 tokens }
stage answer: sft { from = stage.learn, data = corpus.asked, length = 64, batch = 256 tokens }
"""

BOOK = {
    "one": ("\n", "", "utf-8"),
    "two": ("\r\n", "\ufeff", "utf-8"),
    "three": ("\r\n", "\ufeff", "utf-16-le"),
    "four": ("\r\n", "", "latin-1"),
}
"""Ends of lines, mark and encoding of each file."""

BACK = """
SELECT * FROM stage.learn_lineage
WHERE source = '{source}' AND file_start <= {byte} AND {byte} < file_end ORDER BY position, piece
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    path: Path = tmp_path_factory.mktemp("lineage")
    (path / "book").mkdir()
    for name, (end, mark, encoding) in BOOK.items():
        fish = "ü" if encoding == "latin-1" else "魚"
        parts = [f"## Part {n} of {name}\n\nNumber {n} é stands before number {n + 1}. {fish} {n}\n" for n in range(20)]
        text = "\n".join([f"# {name}\n", *parts])
        (path / "book" / f"{name}.md").write_bytes((mark + text.replace("\n", end)).encode(encoding))
    lines(path / "told.jsonl", [{"text": f"Told {n} “é” by me@b{n}.example.\n", "n": n} for n in range(9)])
    lines(path / "asked.jsonl", [{"question": f"What is {n}?", "answer": f"Number {n}."} for n in range(20)])
    asked = [{"question": f"What is {n}?", "answer": f"Number {n}."} for n in range(20, 24)]
    pq.write_table(pa.Table.from_pylist(asked), path / "asked.parquet")
    (path / "site").mkdir()
    for n in range(9):
        foot = "" if n < 3 else "Imprint | Terms"
        parts = [
            f"# Page {n}",
            "",
            "Home | Contact",
            f"Body é {n} ends here.",
            "## Rest",
            f"Mail {n}: {n}@b.example.",
            foot,
        ]
        (path / "site" / f"{n}.md").write_text("\r\n".join(parts), encoding="utf-8", newline="")
    folder = Folder(path)
    folder.spec.write_text(SPEC, encoding="utf-8")
    folder.shell("run", "--select", "stage.learn.lineage", "--select", "stage.answer.lineage")
    return folder


@pytest.fixture(scope="module")
def tokenizer(made: Folder) -> tokens.Tokenizer:
    (path,) = (path.parent for path in made.store.rglob("tokenizer.json"))
    return tokens.load(path)


def bytes_of(folder: Folder, row: dict[str, Any]) -> bytes:
    """The bytes of the file that a stretch is of."""
    name: str = row["source"].partition("#")[0]
    data = (folder.path / name).read_bytes()
    assert 0 <= row["file_start"] < row["file_end"] <= len(data)
    return data[row["file_start"] : row["file_end"]]


def test_every_stretch_is_the_bytes_of_its_file(made: Folder, tokenizer: tokens.Tokenizer) -> None:
    rows = {row["row"]: row["input_ids"] for row in made.rows("SELECT row, input_ids FROM stage.learn_packed")}
    found = made.rows("SELECT * FROM stage.learn_lineage ORDER BY position, piece")
    assert sum(row["length"] for row in found) == sum(
        row["n_tokens"] for row in made.rows("SELECT n_tokens FROM stage.learn_samples")
    )
    sources = set()
    for _, stretches in groupby(found, key=lambda row: row["position"]):
        parts = list(stretches)
        assert [part["piece"] for part in parts] == list(range(len(parts)))
        ids = [number for part in parts for number in rows[part["row"]][part["start"] :][: part["length"]]]
        origin: dict[str, Any] = parts[0]
        sources.add(origin["source"].partition("#")[0])
        if origin["corpus"] == "book":
            text = bytes_of(made, origin).decode(BOOK[origin["doc_id"].removesuffix(".md")][2]).replace("\r\n", "\n")
            assert tokenizer.decode(ids) == text + "<|endoftext|>"
            assert len(text.encode()) == origin["end_byte"] - origin["start_byte"]
            assert (made.path / origin["source"]).name == origin["doc_id"]
        elif origin["source"].startswith("asked.parquet#R"):
            number = 19 + int(origin["source"].partition("#R")[2])
            assert tokenizer.decode(ids) == f"What is {number}?\nNumber {number}.<|endoftext|>"
            assert (origin["file_start"], origin["file_end"]) == (None, None)
        elif origin["corpus"] != "site":
            number = int(origin["source"].partition("#L")[2]) - 1
            record = json.loads(bytes_of(made, origin))
            if origin["corpus"] == "asked":
                assert record["question"] == f"What is {number}?"
                assert tokenizer.decode(ids) == f"What is {number}?\nNumber {number}.<|endoftext|>"
            else:
                assert record["n"] == number
                assert tokenizer.decode(ids).startswith(f"Told {number} “é” by ")
    assert sources >= {*(f"book/{name}.md" for name in BOOK), "told.jsonl", "asked.jsonl", "asked.parquet", "site/0.md"}


def test_lines_that_were_cut_move_nothing(made: Folder) -> None:
    found = made.rows(
        "SELECT DISTINCT source, file_start, file_end, c.position, c.text FROM stage.learn_lineage"
        " JOIN corpus.site_chunks AS c USING (chunk_id)"
    )
    assert {row["position"] for row in found} == {0, 1}
    for row in found:
        n, data = row["source"][5:6], bytes_of(made, row).decode()
        if row["position"]:
            assert row["text"].rstrip() == f"## Rest\nMail {n}: [email]."
            assert data.rstrip() == f"## Rest\r\nMail {n}: {n}@b.example."
        else:
            assert row["text"] == f"# Page {n}\n\nBody é {n} ends here.\n"
            assert data == f"# Page {n}\r\n\r\nHome | Contact\r\nBody é {n} ends here.\r\n"


@pytest.mark.parametrize("name", BOOK)
def test_the_way_back(made: Folder, tokenizer: tokens.Tokenizer, name: str) -> None:
    text = (made.path / "book" / f"{name}.md").read_bytes()
    byte = text.index("Number 7 é".encode(BOOK[name][2]))
    found = made.rows(BACK.format(source=f"book/{name}.md", byte=byte))
    assert found
    ids = {row["row"]: row["input_ids"] for row in made.rows("SELECT row, input_ids FROM stage.learn_packed")}
    said = "".join(tokenizer.decode(ids[row["row"]][row["start"] :][: row["length"]]) for row in found)
    drawn = made.rows(f"SELECT count(*) AS n FROM mixture.m WHERE sample_id = '{found[0]['chunk_id']}'")[0]["n"]
    assert said.count("Number 7 é") == drawn > 0
    assert made.rows(BACK.format(source=f"book/{name}.md", byte=len(text))) == []


def test_rows_of_a_file_of_questions(made: Folder) -> None:
    found = made.rows("SELECT source, start_byte, kind, file_start, file_end FROM stage.answer_lineage")
    columnar = [row for row in found if row["source"].startswith("asked.parquet")]
    found = [row for row in found if row not in columnar]
    assert sorted(row["source"] for row in found) == sorted(f"asked.jsonl#L{n}" for n in range(1, 21))
    assert {(row["start_byte"], row["kind"]) for row in found} == {(None, "question")}
    places = sorted((row["source"], row["file_start"], row["file_end"]) for row in columnar)
    assert places == [(f"asked.parquet#R{n}", None, None) for n in range(1, 5)]
    for row in found:
        assert json.loads(bytes_of(made, row))["question"] == f"What is {int(row['source'].partition('#L')[2]) - 1}?"
