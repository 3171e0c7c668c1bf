"""Files into documents and faults."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from structdsl.plan import ReadFiles
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.read_files import read_files
from structdsl_runtime.reading import part
from structdsl_runtime.text import unmatched

if TYPE_CHECKING:
    from tests.runtime.data.workshop import Table, Workshop


def read(run: Workshop, pattern: str, **more: Any) -> tuple[Table, Table]:
    made = run(read_files, ReadFiles(corpus="c", pattern=pattern, **{"role": "domain", **more}))
    return made["documents"].to_pylist(), made["faults"].to_pylist()


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def fault(run: Workshop, pattern: str, **more: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        read(run, pattern, **more)
    return caught.value


def test_markdown_is_one_document_a_file(run: Workshop) -> None:
    run.files(notes__b_md="no heading\r\nhere\r", notes__a_md="\ufeff# *Fish* keeping\n\ntext", notes__x__c_txt="x")
    documents, faults = read(run, "notes/**/*.*")
    assert not faults
    assert [(d["doc_id"], d["source"], d["title"]) for d in documents] == [
        ("a.md", "notes/a.md", "Fish keeping"),
        ("b.md", "notes/b.md", "b"),
        ("x/c.txt", "notes/x/c.txt", "c"),
    ]
    assert documents[1] | {"source": "", "title": ""} == {
        "doc_id": "b.md",
        "corpus": "c",
        "role": "domain",
        "text": "no heading\nhere\n",
        "title": "",
        "lang": None,
        "n_chars": 16,
        "source": "",
        "meta": "{}",
    }
    assert documents[0]["text"].startswith("# ")


def test_one_file_without_wildcard_and_from_above(run: Workshop) -> None:
    run.files(spec__x_md="", notes__a_md="text")
    run.root = run.root / "spec"
    documents, _ = read(run, "../notes/a.md")
    assert documents[0]["doc_id"] == "a.md"
    assert documents[0]["source"] == str(run.root.parent / "notes" / "a.md")


def test_rows_of_json_lines(run: Workshop) -> None:
    run.files(
        c_jsonl=lines(
            {"text": "one", "id": 7, "lang": "en", "year": 2024},
            {"text": "two\r\nlines", "title": "Two"},
            {"text": "three\u0000\u2028four", "doc_id": "own"},
        )
    )
    documents, faults = read(run, "*.jsonl")
    assert not faults
    assert [(d["doc_id"], d["source"], d["text"], d["title"], d["lang"], json.loads(d["meta"])) for d in documents] == [
        ("7", "c.jsonl#L1", "one", None, None, {"lang": "en", "year": 2024}),
        ("c.jsonl:2", "c.jsonl#L2", "two\nlines", "Two", None, {}),
        ("own", "c.jsonl#L3", "three\x00\u2028four", None, None, {}),
    ]


def test_columns_rename_and_reach_inside(run: Workshop) -> None:
    run.files(c_jsonl=lines({"body": {"en": "one"}, "a.b": "de", "n": 1, "m": {"k": 2}}))
    documents, _ = read(run, "*.jsonl", columns={"text": "body.en", "lang": "a.b", "doc_id": "n", "score": "m.k"})
    assert (documents[0]["doc_id"], documents[0]["text"], documents[0]["lang"]) == ("1", "one", "de")
    assert json.loads(documents[0]["meta"]) == {"body": {"en": "one"}, "m": {"k": 2}, "score": 2}


def test_questions(run: Workshop) -> None:
    row = {"question": "How many?", "answer": 4, "path": "water", "aliases": ["four", 4], "options": {"A": "4"}}
    run.files(c_jsonl=lines(row | {"answer_idx": "A"}, {"question": "Is it?", "answer": True}))
    (first, second), _ = read(run, "*.jsonl", role="exam")
    assert (first["text"], first["answer"], first["path"], first["chunk_id"]) == ("How many?\n4", "4", "water", None)
    assert (first["aliases"], json.loads(first["options"]), first["answer_idx"]) == (["four", "4"], {"A": "4"}, "A")
    assert (second["answer"], second["aliases"], second["options"]) == ("true", None, None)
    (plain, _), _ = read(run, "*.jsonl", role="instruction")
    assert "aliases" not in plain
    assert set(json.loads(plain["meta"])) == {"aliases", "options", "answer_idx"}


@pytest.mark.parametrize(
    ("line", "reason", "evidence"),
    [
        (b"{", "not json", "Expecting property name"),
        (b'{"text": NaN}', "not json", "NaN"),
        (b"[" * 100_000, "not json", "recursion"),
        (b'{"text": ' + b"1" * 5000 + b"}", "not json", "limit"),
        (b"[1]", "not an object", "list"),
        (b"null", "not an object", "NoneType"),
        (b'{"txt": "x"}', "missing column", "`text` is not there"),
        (b'{"text": null}', "missing column", "`text` is null"),
        (b'{"text": 5}', "wrong type", "`text` is a number: 5"),
        (b'{"text": ["x"]}', "wrong type", "`text` is a list"),
        (b'{"text": " \\n\\t"}', "empty", "`text` has no text"),
        (b'{"text": "x", "id": "good"}', "duplicate id", "an earlier document has it: c.jsonl#L1"),
        (b'{"text": "\xff"}', "undecodable", "byte 0xff at offset 10"),
        (b'{"text": "\\ud800"}', "undecodable", "lone surrogate \\ud800 at character 0"),
        (b'{"text": "x", "m": "\\udfff"}', "undecodable", "lone surrogate"),
    ],
)
def test_a_bad_row_is_a_fault(run: Workshop, line: bytes, reason: str, evidence: str) -> None:
    run.files(c_jsonl=b'{"text": "good", "id": "good"}\n\n' + line + b'\n  \n{"text": "also"}')
    documents, faults = read(run, "*.jsonl")
    assert [document["text"] for document in documents] == ["good", "also"]
    assert [(f["source"], f["step"], f["reason"]) for f in faults] == [("c.jsonl#L3", "read", reason)]
    assert evidence in faults[0]["evidence"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answer": "x"}, "missing column"),
        ({"question": "x", "answer": ""}, "empty"),
        ({"question": 1, "answer": "x"}, "wrong type"),
        ({"question": "x", "answer": ["y"]}, "wrong type"),
        ({"question": "x", "answer": "y", "aliases": "z"}, "wrong type"),
        ({"question": "x", "answer": "y", "aliases": [None]}, "wrong type"),
        ({"question": "x", "answer": "y", "options": "z"}, "wrong type"),
    ],
)
def test_a_bad_question_is_a_fault(run: Workshop, row: dict[str, object], reason: str) -> None:
    run.files(c_jsonl=lines(row, {"question": "q", "answer": "a", "aliases": None}))
    documents, faults = read(run, "*.jsonl", role="exam")
    assert len(documents) == 1
    assert [fault["reason"] for fault in faults] == [reason]


def test_bad_files_are_faults(run: Workshop) -> None:
    run.files(a_md=b"\xff\xfeh", b_md=" \n", c_md="good")
    documents, faults = read(run, "*.md")
    assert [document["doc_id"] for document in documents] == ["c.md"]
    assert [(f["doc_id"], f["reason"], f["evidence"]) for f in faults] == [
        ("a.md", "undecodable", "byte 0xff at offset 0"),
        ("b.md", "empty", "2 bytes, none of them text"),
    ]


@pytest.mark.parametrize("few", [0, 1 << 20])
def test_who_has_an_id_already_is_named(run: Workshop, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(part, "FEW", few)
    run.files(
        a_md="one",
        b_jsonl=lines({"id": "x", "text": "2"}, {"id": "y", "text": "3"}, {"id": "x", "text": "4"}),
        c_md="five",
        d_csv="id,text\na.md,6\ny,7\nz,8\nz,9\nc.md,10\n",
    )
    documents, faults = read(run, "*")
    assert [document["doc_id"] for document in documents] == ["a.md", "x", "y", "c.md", "z"]
    assert [(fault["source"], fault["evidence"].rpartition(": ")[2]) for fault in faults] == [
        ("b.jsonl#L3", "b.jsonl#L1"),
        ("d.csv#L2", "a.md"),
        ("d.csv#L3", "b.jsonl#L2"),
        ("d.csv#L5", "d.csv#L4"),
        ("d.csv#L6", "c.md"),
    ]


def test_the_limit_counts_what_is_good(run: Workshop) -> None:
    run.files(a_jsonl=lines({"text": ""}, {"text": "1"}, {"text": "2"}), b_jsonl=lines({"text": "3"}, {"text": "4"}))
    documents, faults = read(run, "*.jsonl", limit=3)
    assert [document["text"] for document in documents] == ["1", "2", "3"]
    assert len(faults) == 1


def test_a_missing_file(run: Workshop) -> None:
    caught = fault(run, "notes/*.md")
    assert (caught.code, caught.message) == ("E0513", "no file matches `notes/*.md`")
    assert str(run.root / "notes") in caught.notes[0]


@pytest.mark.parametrize(
    ("pattern", "notes"),
    [
        ("notes/*.md", ["notes", "files there: 12 .txt, 1 .csv, 1 without a suffix"]),
        ("notes/**/*.md", ["notes", "files there: 12 .txt, 2 .csv, 1 without a suffix"]),
        ("notes/b.md", ["notes"]),
        ("other/*.md", ["other, which is not there"]),
        ("empty/*.md", ["empty"]),
        ("*/*/x.md", [".", "files there: 12 .txt, 2 .csv, 1 without a suffix"]),
        ("*/x.md", [".", "files there: 12 .txt, 1 .csv, 1 without a suffix"]),
        (f"{'a' * 300}/*.md", [f"{'a' * 300}, which is not there"]),
        (f"notes/{'a' * 300}/*.md", [f"notes/{'a' * 300}, which is not there"]),
    ],
)
def test_what_is_there_in_place_of_what_is_missing(run: Workshop, pattern: str, notes: list[str]) -> None:
    run.files(**{f"notes__{number}_txt": "a" for number in range(12)})
    run.files(notes__a_csv="a", notes__LICENSE="a", **{"notes__.a_md": "a"}, notes__deep__a_csv="a")
    (run.root / "empty").mkdir()
    where, *others = notes
    assert fault(run, pattern).notes == (f"looked in {run.root / where}", *others)


def test_a_folder_that_cannot_be_read(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run.files(locked__in__a_md="a")
    scandir = os.scandir

    def refusing(place: str | Path = ".") -> Any:
        if Path(place).is_relative_to(run.root / "locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(os, "listdir", refusing)
    for pattern, where in (("locked/*.md", "locked"), ("locked/in/*.md", "locked/in")):
        caught = fault(run, pattern)
        assert caught.notes == (f"looked in {run.root / where}, which cannot be read: permission denied",)
        assert (caught.code, caught.helps) == ("E0513", ())


def test_only_so_much_is_looked_at(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run.files(**{f"notes__{number}__{number}_md": "a" for number in range(20)})
    (run.root / "outside").symlink_to("/usr")
    asked = 0

    def counting(place: str | Path = ".") -> Any:
        nonlocal asked
        asked += 1
        assert not os.fspath(place).startswith(f"{run.root}/outside/")
        return scandir(place)

    scandir = os.scandir
    monkeypatch.setattr(unmatched, "_LOOKED_AT", 30)  # entries: 20 folders, and a file in each
    assert fault(run, "notes/*.md").helps == ("`notes/**/*.md` matches at least 10 files in folders below",)
    assert fault(run, "notes/**/*.txt").notes[1] == "files there: at least 10 .md"
    monkeypatch.setattr(os, "scandir", counting)
    for pattern in ("/*.zzz", "*.zzz", "../*.zzz"):
        asked = 0
        assert "matches any number of folders" in fault(run, pattern).helps[0]
        assert 0 < asked < 60


@pytest.mark.parametrize(
    ("pattern", "helps"),
    [
        ("notes/A.md", ["did you mean `notes/a.md`?"]),
        ("./notes/b.md", ["did you mean `./notes/a.md`?"]),
        ("notes/other.txt", []),
        ("note/a.md", ["did you mean `notes/a.md`?"]),
        ("note/*.md", ["did you mean `notes/*.md`?"]),
        ("note/*.txt", []),
        ("notes/*.txt", ["`**` matches"]),
        ("else/a.md", []),
        ("*.md", ["`**/*.md` matches 1 file in folders below"]),
        ("notes/*.{md,MD}", ["`**` matches", "braces are no wildcard"]),
        ("notes/a.{md,MD}", ["did you mean", "braces are no wildcard"]),
        ("notes/{a}*.md", ["`**` matches"]),
        ("n*", ["`notes` is a folder: `n*/**` names all that such folders hold"]),
        (
            "notes/b[1].md",
            ["`[…]` is one letter out of several: for brackets that are in a name, write `notes/b[[]1].md`"],
        ),
        ("c[1]*/**/d[2]?.md", ["`**` matches"]),
        (
            "c[1]/**/d?.md",
            ["`[…]` is one letter out of several: for brackets that are in a name, write `c[[]1]/**/d?.md`"],
        ),
        ("c[1]/**/*.txt", ["`**` matches"]),
    ],
)
def test_what_may_be_meant_by_a_path_that_leads_nowhere(run: Workshop, pattern: str, helps: list[str]) -> None:
    run.files(notes__a_md="a")
    if "[" in pattern:
        run.files(**{"notes__b[1]_md": "b", "c[1]__d2_md": "d"})
    caught = fault(run, pattern)
    assert caught.code == "E0513"
    assert len(caught.helps) == len(helps)
    for said, begins in zip(caught.helps, helps, strict=True):
        assert said.startswith(begins)


@pytest.mark.parametrize(
    ("mark", "says"), [(";", "separated by `;`?"), ("\t", "Name the file `.tsv`"), (" ", None), (",", None)]
)
def test_columns_that_no_comma_separates(run: Workshop, mark: str, says: str | None) -> None:
    run.files(c_csv=f"id{mark}body\n1{mark}some\n")
    (help_, *others) = reversed(fault(run, "c.csv").helps)
    assert says in help_ if says else not any("separated" in each for each in (help_, *others))


def test_a_column_that_no_row_has(run: Workshop) -> None:
    run.files(c_jsonl=lines({"body": "x", "n": 1}, {"body": "y"}))
    caught = fault(run, "*.jsonl")
    assert (caught.code, caught.message) == ("E0514", "column `text` is in no row of corpus `c`")
    assert caught.notes == ("columns that are there: body, n",)
    for columns in ({"text": "body", "lang": "language"}, {"text": "body", "doc_id": "key"}, {"text": "body.en"}):
        assert fault(run, "*.jsonl", columns=columns).code == "E0514"


def test_a_text_file_has_no_questions(run: Workshop) -> None:
    run.files(c_md="text")
    assert fault(run, "*.md", role="exam").code == "E0514"
    assert fault(run, "*.md", columns={"text": "body"}).code == "E0514"


def test_an_unreadable_source(run: Workshop) -> None:
    run.files(notes__a_docx="PK", notes__b_md="x")
    caught = fault(run, "notes/*")
    assert caught.code == "E0515"
    assert "`.jsonl`, `.markdown`, `.md`, `.ndjson`" in caught.helps[0]
    assert fault(run, "notes").code == "E0515"
    (run.root / "link.md").symlink_to("nowhere.md")
    assert fault(run, "*.md").code == "E0515"


def test_nothing_left(run: Workshop) -> None:
    run.files(a_md="", b_md=b"\xff", c_jsonl="\n")
    caught = fault(run, "*.*")
    assert (caught.code, caught.message) == ("E0516", "corpus `c` is empty")
    assert caught.notes[0] == "3 files read; rows dropped: 1 empty, 1 undecodable"


def test_real_exercises(run: Workshop, books: object) -> None:
    documents, faults = read(run, f"{books}/microbiology/exercises.jsonl", role="exam")
    assert len(documents) + len(faults) == 764
    assert all(document["question"] and document["answer"] for document in documents)
    columns = {"question": "term", "answer": "meaning"}
    documents, faults = read(run, f"{books}/nutrition/glossary.jsonl", role="instruction", columns=columns)
    assert len(documents) + len(faults) == 343
