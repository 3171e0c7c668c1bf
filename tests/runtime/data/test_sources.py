"""Formats, encodings, stores, tables and data sets: what comes out of each, and what is said of those that are bad."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import socket
import sys
from decimal import Decimal
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any

import duckdb
import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from structdsl.plan import ReadDataset, ReadFiles, ReadObjects, ReadTable
from structdsl_runtime import repository
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.read_dataset import read_dataset
from structdsl_runtime.operations.read_files import read_files, read_objects
from structdsl_runtime.operations.read_table import read_table
from structdsl_runtime.reading.found import Found
from structdsl_runtime.reading.part import Sink, read_portion
from structdsl_runtime.reading.portions import portions
from structdsl_runtime.sources import UNREADABLE, Sources
from tests.runtime.data.test_reading import Written, quickly
from tests.runtime.data.test_reading import read as read_cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.runtime.data.workshop import Table, Workshop


def read(run: Workshop, pattern: str, **more: Any) -> tuple[Table, Table]:
    made = run(read_files, ReadFiles(corpus="c", pattern=pattern, **{"role": "domain", **more}))
    return made["documents"].to_pylist(), made["faults"].to_pylist()


def fault(run: Workshop, function: Any, arguments: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        run(function, arguments)
    return caught.value


def unread(run: Workshop, pattern: str) -> Fault:
    caught = fault(run, read_files, ReadFiles(corpus="c", role="domain", pattern=pattern))
    assert caught.code == "E0515"
    return caught


def parquet(table: pa.Table, **more: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **more)
    return file.getvalue()


def arrow(table: pa.Table) -> bytes:
    file = io.BytesIO()
    feather.write_feather(table, file)
    return file.getvalue()


def stream(table: pa.Table, rows: int = 1000) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, rows)
    return file.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PAGE = """<!doctype html><html><head><title>On  fish</title><script>var x = "no";</script></head><body>
<nav><ul><li><a href="/">Home</a></ul></nav><article><h1>Fish <em>tanks</em></h1><p>Fish &amp; <b>chips</b> &lt;3</p>
<h2>What to do</h2><ul><li>feed<ul><li>little</ul><li>clean</ul><pre># no heading
  x &lt; 1</pre></article><footer>Imprint</footer></body></html>"""
PAGE_TEXT = """# Fish tanks

Fish & chips <3

## What to do

- feed
  - little
- clean

```
# no heading
  x < 1
```"""


def pdf(text: str) -> bytes:
    """The smallest file with one line on one page."""
    drawn = f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj{content}endobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF"
    )
    return (body + end).encode()


PDF = pdf("Hello fish")
ROWS = pa.table({"text": ["one", "two"], "day": [dt.date(2024, 5, 1), None], "n": [1.5, float("nan")]})
FILES: dict[str, tuple[bytes, list[tuple[str, str, str | None]]]] = {
    "a.html": (PAGE.encode(), [("a.html", PAGE_TEXT, "On fish")]),
    "a.rst": (b"====\nFish\n====\n\nText\n", [("a.rst", "# Fish\n\nText\n", "Fish")]),
    "a.adoc": (b"= Fish tank\n\nText", [("a.adoc", "# Fish tank\n\nText", "Fish tank")]),
    "a.py": (b"# Fish\nprint(1)\n", [("a.py", "# Fish\nprint(1)\n", "a.py")]),
    "a.pdf": (PDF, [("a.pdf", "Hello fish", "a")]),
    "a.md.gz": (gzip.compress(b"# Fish\n"), [("a.md.gz", "# Fish\n", "Fish")]),
    "b.txt.gz": (gzip.compress(b"x") + gzip.compress(b"y"), [("b.txt.gz", "xy", "b")]),
    "a.jsonl.gz": (
        gzip.compress(b'{"text": "one"}\n{"text": "two"}'),
        [("a.jsonl.gz:1", "one", None), ("a.jsonl.gz:2", "two", None)],
    ),
    "a.ndjson.zst": (zstd(b'{"text": "one"}\n'), [("a.ndjson.zst:1", "one", None)]),
    "a.csv": (
        b'id,text,title\r\n7,"a ""b""\nc",\r\n2024-05-01,007,T\r\n',
        [("7", 'a "b"\nc', None), ("2024-05-01", "007", "T")],
    ),
    "a.tsv": (b"\xef\xbb\xbftext\ttitle\nx, y\tT\n\n", [("a.tsv:2", "x, y", "T")]),
    "a.parquet": (parquet(ROWS), [("a.parquet:1", "one", None), ("a.parquet:2", "two", None)]),
    "a.feather": (arrow(ROWS), [("a.feather:1", "one", None), ("a.feather:2", "two", None)]),
    "a.arrow": (stream(ROWS, 1), [("a.arrow:1", "one", None), ("a.arrow:2", "two", None)]),
}


@pytest.mark.parametrize("name", FILES)
def test_formats(run: Workshop, name: str) -> None:
    data, expected = FILES[name]
    (run.root / name).write_bytes(data)
    documents, faults = read(run, name)
    assert not faults
    assert [(row["doc_id"], row["text"], row["title"]) for row in documents] == expected


def test_values_of_tables(run: Workshop) -> None:
    values: dict[str, Any] = {
        "t": [dt.datetime(2024, 5, 1, 2, 3, tzinfo=dt.UTC)],
        "d": [Decimal("1.10")],
        "b": [b"\xff"],
        "m": [{"k": [1]}],
    }
    run.files(a_parquet=parquet(pa.table({"text": ["x"]} | values)), b_parquet=parquet(ROWS))
    documents, _ = read(run, "*.parquet")
    assert [json.loads(row["meta"]) for row in documents] == [
        {"t": "2024-05-01T02:03:00+00:00", "d": "1.10", "b": "ff", "m": {"k": [1]}},
        {"day": "2024-05-01", "n": 1.5},
        {"day": None, "n": None},
    ]
    assert [row["source"] for row in documents] == ["a.parquet#R1", "b.parquet#R1", "b.parquet#R2"]


GERMAN = "Größe und Maß: schöne Grüße aus Köln, überall hört man Möwen schreien."


def test_encodings_are_guessed_and_told(run: Workshop) -> None:
    run.files(
        a_txt=GERMAN.encode("cp1252"),
        b_txt=GERMAN.encode("utf-16"),
        c_txt=b"\xff" * 3,
        d_html=f"<meta charset=iso-8859-2><p>{'Łódź ma łabędzie i gęsi. ' * 3}".encode("iso-8859-2"),
        e_csv=f'text\n"{GERMAN}"\n'.encode("cp1252"),
        f_jsonl=(json.dumps({"text": GERMAN}, ensure_ascii=False) + "\n").encode("utf-16"),
        g_txt=GERMAN.encode(),
    )
    documents, faults = read(run, "*.*")
    told = {row["doc_id"]: json.loads(row["meta"]).get("encoding") for row in documents}
    assert [row["text"] for row in documents if row["doc_id"] != "d.html"] == [GERMAN] * 5
    assert told == {
        "a.txt": "cp1252", "b.txt": "utf-16", "d.html": "iso8859-2", "e.csv:2": "cp1252", "f.jsonl:1": "utf-16",
        "g.txt": None,
    }  # fmt: skip
    assert "Łódź" in next(row["text"] for row in documents if row["doc_id"] == "d.html")
    assert [(row["doc_id"], row["reason"]) for row in faults] == [("c.txt", "undecodable")]


def test_zeros_are_wide_letters_or_no_text(run: Workshop) -> None:
    table = f'id,text\na,"{GERMAN}"\nb,two\n'
    run.files(
        a_txt=GERMAN.encode("utf-16-le"),
        b_md=GERMAN.encode("utf-32-be"),
        c_html=f"<p>{GERMAN}".encode("utf-16-be"),
        d_csv=table.encode("utf-16-le"),
        e_tsv=table.replace("\na", "\na2")
        .replace("\nb", "\nb2")
        .replace(",t", "\tt")
        .replace("a2,", "a2\t")
        .replace("b2,", "b2\t")
        .encode("utf-16-be"),
        f_csv=b'id,text\nx,good\ny,"b\xc3\xa9\na\0d"\nz,"also\ngood"\nzz,\0\n',
        g_txt=bytes(1000),
        h_jsonl=b'{"text": "good"}\n{"text": "b\0d"}\n{"text": "e\\u0000d"}\n\0\n'
        + '{"text": "JSON"}\n'.encode("utf-16-le"),
        i_py=b"x = '\0'",
    )
    documents, faults = read(run, "*.*")
    told = {row["doc_id"]: (row["text"], json.loads(row["meta"]).get("encoding")) for row in documents}
    assert told == {
        "a.txt": (GERMAN, "utf-16-le"),
        "b.md": (GERMAN, "utf-32-be"),
        "c.html": (GERMAN, "utf-16-be"),
        "a": (GERMAN, "utf-16-le"),
        "b": ("two", "utf-16-le"),
        "a2": (GERMAN, "utf-16-be"),
        "b2": ("two", "utf-16-be"),
        "x": ("good", None),
        "z": ("also\ngood", None),
        "h.jsonl:1": ("good", None),
        "h.jsonl:3": ("e\0d", None),
    }
    assert {row["reason"] for row in faults} == {"undecodable"}
    assert [(row["source"], row["evidence"]) for row in faults] == [
        ("f.csv#L3", "byte 0x00 at offset 8"),
        ("f.csv#L7", "byte 0x00 at offset 3"),
        ("g.txt", "byte 0x00 at offset 0"),
        ("h.jsonl#L2", "byte 0x00 at offset 11"),
        ("h.jsonl#L4", "byte 0x00 at offset 0"),
        ("h.jsonl#L5", "byte 0x00 at offset 1"),
        ("h.jsonl#L6", "byte 0x00 at offset 0"),
        ("i.py", "byte 0x00 at offset 5"),
    ]
    assert "1 as utf-32-be" in run.warnings[-1]


def test_names_of_columns_are_read_in_the_encoding_of_the_file(run: Workshop) -> None:
    run.files(a_csv="été,text\n1,le bébé a mangé un gâteau\n".encode("cp1252"))
    (document,), _ = read(run, "a.csv")
    assert json.loads(document["meta"]) == {"été": "1", "encoding": "cp1252"}
    assert document["text"] == "le bébé a mangé un gâteau"


def test_a_name_that_is_no_text_is_named(run: Workshop) -> None:
    (run.root / os.fsdecode(b"\xff.jsonl")).write_text('{"text": "some"}\n', encoding="utf-8")
    with pytest.raises(Fault, match=r"`\\xff\.jsonl` cannot be read: its name is not in UTF-8"):
        read(run, "*.jsonl")


LONG = arrow(pa.table({"text": ["long" * 500]}))
STREAM = stream(pa.table({"text": ["one", "two"]}), 1)
BROKEN: dict[str, tuple[bytes, str]] = {
    "a.jsonl.gz": (gzip.compress(b'{"text": "one"}\n' * 5000)[:-20], "truncated"),
    "b.md.gz": (b"no gzip", "it is not compressed by gzip, whatever its name says"),
    "c.jsonl.gz": (b"", "truncated"),
    "d.txt.zst": (b"", "truncated"),
    "f.csv": (b"te\0xt,text\nx,y\n", "the first line is no text: byte 0x00 at offset 2"),
    "a.ndjson.zst": (zstd(b'{"text": "one"}\n' * 5000)[:-3], "truncated"),
    "b.jsonl.zst": (b"no zstd", "it is not compressed by zstd, whatever its name says"),
    "a.parquet": (parquet(ROWS)[:-9], "footer"),
    "b.parquet": (b"PAR1", ""),
    "a.arrow": (b"ARROW1 and no more", ""),
    "b.arrow": (arrow(pa.table({"text": ["o", "ne"]})).replace(pack("<3i", 0, 1, 3), pack("<3i", 0, 1, -3)), "offset"),
    "c.arrow": (
        pack("<q", 1 << 58).join(LONG.rsplit(pack("<q", 2000), 1)),
        "wants 288,230,376,151,711,744 bytes of memory",
    ),
    "d.arrow": (STREAM[:-8], "before its mark of the end"),
    "e.arrow": (STREAM[:-9], "for message body"),
    "f.arrow": (STREAM[:4] + pack("<i", (1 << 31) - 1) + STREAM[8:], "metadata bytes"),
    "g.arrow": (stream(pa.table({"text": ["o", "ne"]})).replace(pack("<3i", 0, 1, 3), pack("<3i", 0, 1, -3)), "offset"),
    "h.arrow": (STREAM + b"more", "goes on behind it"),
    "d.parquet": (
        parquet(pa.table({"text": ["one"], "on": pa.array([1]).cast(pa.timestamp("s", "Nowhere/City"))})),
        "a time zone is not known: nowhere/city",
    ),
    "a.csv": (b'text\nx\n"never closed\ny\n', "the row that begins in line 3: unexpected end"),
    "c.csv": (b'text\n"one\ntwo" three\nfour\n"five\n"six" seven\n', "the row that begins in line 5"),
    "d.csv": (b'text\nx\ny5" pipe,"unterminated\n' + b"row\n" * 9, "the row that begins in line 3: unexpected end"),
    "e.csv": (b"text\nx\n" + b"row\r" * 9, "the row that begins in line 3: new-line character"),
    "d.tsv": (b'te"xt\t"ti"tle\nx\ty\n', "line 1"),
    "b.csv": (b"text,text\n1,2\n", "two columns are called `text`"),
    "a.md.docx": (b"PK", "not a kind of file"),
    "a.pdf.gz": (gzip.compress(PDF), "not a kind of file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_run(run: Workshop, name: str) -> None:
    data, says = BROKEN[name]
    run.files(good_md="good")
    (run.root / name).write_bytes(data)
    message = unread(run, "*").message
    assert message.startswith(f"`{name}` cannot be read: ")
    assert says in message.lower()


def test_all_files_that_are_broken_are_named(run: Workshop) -> None:
    run.files(good_md="good", **{f"a{n:02}_parquet": b"PAR1" for n in range(9)}, b_csv='text\n"x\n', c_csv='t,t\n"x\n')
    (run.root / "d.jsonl.gz").write_bytes(b"no gzip")
    caught = unread(run, "*")
    assert caught.message == "12 files cannot be read"
    assert [note.split("`")[1] for note in caught.notes[:-1]] == [*(f"a{n:02}.parquet" for n in range(9)), "b.csv"]
    assert caught.notes[-1] == "and 2 more"
    assert len(caught.helps) == 2
    run.files(e_docx="PK", f_odt="PK")
    assert [note.split("`")[1] for note in unread(run, "*").notes] == ["e.docx", "f.odt"]  # before any is read


def test_a_broken_pdf_is_left_out(run: Workshop) -> None:
    run.files(a_pdf=PDF[:60], b_pdf=PDF, c_pdf=b"")
    documents, faults = read(run, "*.pdf")
    assert [row["doc_id"] for row in documents] == ["b.pdf"]
    assert [(row["doc_id"], row["reason"]) for row in faults] == [("a.pdf", "broken"), ("c.pdf", "broken")]


def test_without_the_extra_for_pdf(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    run.files(a_pdf=PDF)
    assert "structdsl[pdf]" in unread(run, "*.pdf").helps[0]


def test_bad_rows_of_csv(run: Workshop) -> None:
    run.files(a_csv="text,n\nx\n,1\ny,2,3\né,4\n\u0000é,5\n")
    documents, faults = read(run, "a.csv")
    assert [(row["text"], row["source"]) for row in documents] == [("é", "a.csv#L5")]
    assert [(row["source"], row["reason"]) for row in faults] == [
        ("a.csv#L2", "not a row"), ("a.csv#L3", "missing column"), ("a.csv#L4", "not a row"),
        ("a.csv#L6", "undecodable"),
    ]  # fmt: skip


def test_a_row_of_csv_that_ends_where_its_lines_do_is_left_out_alone(run: Workshop) -> None:
    run.files(a_csv='text,n\nw,1\n"x" y,2\n"z\n""z"" ""\n" z,3\n"v\nv",4\n"x""y" "",5\nu,6\n')
    documents, faults = read(run, "a.csv")
    assert [(row["source"], row["text"]) for row in documents] == [
        ("a.csv#L2", "w"), ("a.csv#L7", "v\nv"), ("a.csv#L10", "u"),
    ]  # fmt: skip
    assert [(row["source"], row["reason"], row["evidence"]) for row in faults] == [
        ("a.csv#L3", "not a row", "',' expected after '\"'"),
        ("a.csv#L4", "not a row", "lines 4 to 6: ',' expected after '\"'"),
        ("a.csv#L9", "not a row", "',' expected after '\"'"),
    ]


CELL = st.text(st.sampled_from('ab",\n '), max_size=4)


@settings(max_examples=100)
@given(cells=st.lists(CELL, min_size=2, max_size=6), stray=st.integers(0, 40))
@example(cells=["\n,a", ""], stray=6)
def test_one_mark_too_many_in_csv_never_moves_a_row(
    cells: list[str], stray: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("csv")
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["id", "text"], *([n, f"{n}{c}"] for n, c in enumerate(cells))])
    whole = file.getvalue()
    head = whole.index("\n") + 1
    at = head + stray % (len(whole) - head)
    (folder / "a.csv").write_text(whole, encoding="utf-8", newline="")
    expected = {(row["doc_id"], row["text"]) for row in read_cut(portions("*", folder))[0]}
    (folder / "a.csv").write_text(f'{whole[:at]}"{whole[at:]}', encoding="utf-8", newline="")
    try:
        documents, _, _ = read_cut(portions("*", folder))
    except Fault:
        return
    hit = cells[whole[:at].count("\r\n") - 1]  # in whose row it is, which may become as many rows as it has lines
    assert len({(row["doc_id"], row["text"]) for row in documents} - expected) <= hit.count("\n") + 1


def test_bytes_of_nothing_are_of_no_text(run: Workshop) -> None:
    run.files(
        a_md=b"a\0b", b_jsonl=b'{"text": "a\\u0000b"}\n{"text": "\0"}\n', c_csv=b"text\na\0b\n", d_html=b"<p>a\0b"
    )
    documents, faults = read(run, "*.*")
    assert [row["text"] for row in documents] == ["a\0b"]  # JSON can spell it
    assert [(row["source"], row["reason"], row["evidence"]) for row in faults] == [
        ("a.md", "undecodable", "byte 0x00 at offset 1"),
        ("b.jsonl#L2", "undecodable", "byte 0x00 at offset 10"),
        ("c.csv#L2", "undecodable", "byte 0x00 at offset 1"),
        ("d.html", "undecodable", "byte 0x00 at offset 4"),
    ]


def test_a_column_of_another_type_in_one_file(run: Workshop) -> None:
    run.files(a_parquet=parquet(ROWS), b_parquet=parquet(pa.table({"text": [1, 2]})))
    documents, faults = read(run, "*.parquet")
    assert len(documents) == 2
    assert [(row["source"], row["reason"]) for row in faults] == [(f"b.parquet#R{n}", "wrong type") for n in (1, 2)]


def days(*numbers: int | None) -> pa.Array[Any]:
    return pa.array(numbers, pa.int32()).cast(pa.date32())


def seconds(*numbers: int | None) -> pa.Array[Any]:
    return pa.array(numbers, pa.int64()).cast(pa.timestamp("s"))


@pytest.mark.parametrize(
    "values",
    [
        days(0, 10_000_000, None, 10_000_000, 1),
        seconds(0, 1 << 40, None, 1 << 40, 1),
        pa.ListArray.from_arrays([0, 1, 3, 3, 4, 4], seconds(0, 1, 1 << 40, 1 << 40)),
    ],
    ids=lambda values: str(values.type),
)
def test_a_date_beyond_the_calendar_costs_its_row(run: Workshop, values: pa.Array[Any]) -> None:
    table = pa.table({"text": list("abcde"), "on": values})
    for name, data in (("a.parquet", parquet(table)), ("b.arrow", arrow(table))):
        (run.root / name).write_bytes(data)
        documents, faults = read(run, name)
        assert [row["text"] for row in documents] == ["a", "c", "e"]
        assert [(row["source"], row["reason"], row["evidence"]) for row in faults] == [
            (f"{name}#R{n}", "wrong date", "beyond the years 1 to 9999") for n in (2, 4)
        ]


def test_too_long_is_left_out_unread(run: Workshop) -> None:
    long = json.dumps({"text": "x" * 3_000_000}) + "\n"
    run.files(a_jsonl=long + '{"text": "short"}\n' + long, b_md="y" * 3_000_000, c_jsonl='{"text": "also"}')
    documents, faults, found = read_cut(portions("*.*", run.root, 1 << 20), most=1 << 20)
    assert [row["text"] for row in documents] == ["short", "also"]
    assert [(row["source"], row["reason"], row["evidence"]) for row in faults] == [
        ("a.jsonl#L1", "too long", "3000013 bytes, and 1048576 are the most"),
        ("a.jsonl#L3", "too long", "3000013 bytes, and 1048576 are the most"),
        ("b.md", "too long", "3000000 bytes, and 1048576 are the most"),
    ]
    assert found.documents == 2


def test_many_empty_documents(run: Workshop) -> None:
    run.files(a_jsonl='{"text": ""}\n' * 100_000 + '{"text": "x"}')
    documents, faults = read(run, "a.jsonl")
    assert (len(documents), len(faults)) == (1, 100_000)
    assert {row["reason"] for row in faults} == {"empty"}


def test_a_source_that_changes_while_it_is_read(run: Workshop) -> None:
    run.files(a_jsonl='{"text": "one"}\n' * 2)
    (cut,) = portions("a.jsonl", run.root)
    with (run.root / "a.jsonl").open("a") as file:
        file.write('{"text": "more"}\n')
    arguments = ReadFiles(corpus="c", role="domain", pattern="")
    with pytest.raises(Fault) as caught:
        read_portion(arguments, cut, Written(), Written())
    assert (caught.value.code, "changed" in caught.value.message) == ("E0515", True)


def test_parquet_is_cut_at_row_groups(run: Workshop) -> None:
    table = pa.table({"text": [f"row {n}" for n in range(1000)]})
    run.files(a_parquet=parquet(table, row_group_size=100))
    cut = portions("a.parquet", run.root, 2000)
    assert len(cut) > 3
    documents, _, _ = read_cut(cut)
    assert [(row["text"], row["source"]) for row in documents] == [
        (f"row {n}", f"a.parquet#R{n + 1}") for n in range(1000)
    ]


# stores, tables, data sets


@pytest.fixture
def bucket() -> str:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe({"/b/x/a.md": b"# A", "/b/x/d/e.md": b"E", "/b/x/c.jsonl.gz": gzip.compress(b'{"text": "C"}\n')})
    return "memory://b/x"


def test_objects_of_a_store(run: Workshop, bucket: str) -> None:
    made = run(read_objects, ReadObjects(corpus="c", role="domain", pattern=f"{bucket}/**"))
    assert [(row["doc_id"], row["source"], row["text"]) for row in made["documents"].to_pylist()] == [
        ("a.md", f"{bucket}/a.md", "# A"),
        ("c.jsonl.gz:1", f"{bucket}/c.jsonl.gz#L1", "C"),
        ("d/e.md", f"{bucket}/d/e.md", "E"),
    ]
    for pattern, code in (
        (f"{bucket}/*.txt", "E0513"),
        (f"{bucket}/none", "E0513"),
        (bucket, "E0515"),
        (f"{bucket}/", "E0515"),
        ("nowhere://b/*.md", "E0515"),
        ("zip://x.md", "E0515"),
        ("zip://*.md::none.zip", "E0515"),
        ("simplecache::zip://a.md::none.zip", "E0515"),
    ):
        assert fault(run, read_objects, ReadObjects(corpus="c", role="domain", pattern=pattern)).code == code


def test_objects_of_odd_names(run: Workshop, bucket: str) -> None:
    names = ["%20.md", "*.md", "a b.md", "a#b.md", "a[1].md", "q?.md", "x::y.md", "é.md"]
    fsspec.filesystem("memory").pipe({f"/b/o o/{name}": name.encode() for name in names})
    pattern = bucket.replace("b/x", "b/o o/*.md")
    made = run(read_objects, ReadObjects(corpus="c", role="domain", pattern=pattern))["documents"].to_pylist()
    assert [row["doc_id"] for row in made] == [row["text"] for row in made] == names


def test_what_an_object_is_by(run: Workshop, bucket: str) -> None:
    sources = Sources(run.root, run.root)
    before = sources.listing(f"{bucket}/*.md")
    assert list(before) == ["a.md"]
    fsspec.filesystem("memory").pipe("/b/x/a.md", b"# B")
    assert sources.listing(f"{bucket}/*.md") != before
    assert list(sources.listing("nowhere://b/*.md").values()) == [UNREADABLE]


def table(run: Workshop, uri: str, **more: Any) -> Table:
    made = run(read_table, ReadTable(corpus="c", role="domain", uri=uri, **more))
    documents: Table = made["documents"].to_pylist()
    return documents


def test_tables(run: Workshop) -> None:
    run.files(t__a_parquet=parquet(ROWS), t__b_csv="text\nthree\n", u_md="x")
    with duckdb.connect(run.root / "lake.duckdb") as connection:
        connection.execute("CREATE TABLE articles AS SELECT i AS id, 'text ' || i AS text FROM range(3000) AS t(i)")
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.other AS SELECT 'o' AS text")
        connection.execute("CREATE TABLE s.years AS FROM (VALUES ('now', 2000), ('late', 20000)) AS t(text, year)")
        connection.execute("CREATE TABLE s.late AS SELECT text, make_date(year, 1, 1) AS day FROM s.years")
    assert [row["doc_id"] for row in table(run, "t/*")] == ["a.parquet:1", "a.parquet:2", "b.csv:2"]
    found = table(run, "lake.duckdb", limit=2000)
    assert [(row["doc_id"], row["text"]) for row in found] == [(str(n), f"text {n}") for n in range(2000)]
    assert [row["source"] for row in table(run, "lake.duckdb#s.other")] == ["lake.duckdb#s.other#R1"]
    assert [row["text"] for row in table(run, "lake.duckdb#s.late")] == ["now"]
    assert [row["text"] for row in table(run, "lake.duckdb#main.ARTICLES", limit=1)] == ["text 0"]
    for uri in ("u.md", "lake.duckdb#nothing", "lake.duckdb#no.schema"):
        caught = fault(run, read_table, ReadTable(corpus="c", role="domain", uri=uri))
        assert caught.code == "E0515"
        if uri != "u.md":
            message = f"`lake.duckdb` cannot be read: it has no table `{uri.partition('#')[2]}`"
            tables = ("its tables: `articles`, `s.late`, `s.other`, `s.years`",)
            assert (caught.message, caught.helps) == (message, tables)
    (run.root / "bad.duckdb").write_bytes(b"no database")
    assert fault(run, read_table, ReadTable(corpus="c", role="domain", uri="bad.duckdb")).code == "E0515"
    assert fault(run, read_table, ReadTable(corpus="c", role="domain", uri="none.duckdb")).code == "E0513"


def data_set(run: Workshop, id_: str, split: str = "train", **more: Any) -> list[str]:
    """The texts that a data set has, or the code, message, notes and helps of its fault."""
    values = {"corpus": "c", "role": "domain", "id": id_, "name": None, "revision": None, "split": split, **more}
    try:
        made = run(read_dataset, ReadDataset.model_validate(values))
    except Fault as caught:
        return [caught.code, caught.message, *caught.notes, *caught.helps]
    return [row["text"] for row in made["documents"].to_pylist()]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of the library for data sets, empty; the Hub cannot be reached."""
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow
    from huggingface_hub import constants  # noqa: PLC0415 - slow

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / ".cache" / "hub"))
    return cache


@pytest.mark.usefixtures("offline")
def test_data_sets(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run.files(d__train_jsonl='{"text": "one", "n": 1}\n{"text": "two", "n": 2}\n', d__test_jsonl='{"text": "three"}\n')
    arguments = {"corpus": "c", "role": "domain", "id": "d", "name": None, "revision": None}
    made = run(read_dataset, ReadDataset.model_validate({**arguments, "split": "train"}))
    assert [(row["doc_id"], row["text"], row["meta"]) for row in made["documents"].to_pylist()] == [
        ("train:1", "one", '{"n": 1}'),
        ("train:2", "two", '{"n": 2}'),
    ]
    assert data_set(run, str(run.root / "d"), limit=1) == ["one"]
    (run.root / "link").symlink_to("d")
    assert data_set(run, "link", "test") == ["three"]
    run.files(**{"e f__train_jsonl": '{"text": "four"}\n'})
    assert data_set(run, f"file://{run.root}/e%20f") == data_set(run, "e f") == ["four"]
    assert data_set(run, "s3://b/d") == [
        "E0830",
        "`s3://b/d` cannot be read: it is no data set of the Hub, and no folder",
        '`files("s3://…")` reads the objects of a store',
    ]
    run.files(else__d__train_jsonl='{"text": "of the current folder"}', else__x__y__train_jsonl='{"text": "the same"}')
    monkeypatch.chdir(run.root / "else")
    assert data_set(run, "./d", "test") == ["three"]
    assert data_set(run, "x/y")[0] == "E0830"


def test_what_save_to_disk_wrote(run: Workshop) -> None:
    import datasets  # noqa: PLC0415 - slow

    rows = datasets.Dataset.from_dict({"text": ["one", "two", "three"]})
    rows.save_to_disk(run.root / "s" / "one")
    both = datasets.DatasetDict({"first": rows.select([0]), "second": rows.select([1, 2])})
    both.save_to_disk(run.root / "s" / "both")
    assert data_set(run, "s/one") == ["one", "two", "three"]
    assert data_set(run, "s/both", "second") == ["two", "three"]
    assert data_set(run, "s/one", "test")[1:] == [
        "`s/one` cannot be read: it is one data set that `save_to_disk` wrote, which has no split `test`",
        f"looked in {run.root / 's' / 'one'}",
        "leave `split` out",
    ]
    assert data_set(run, "s/both")[-1] == "it has: first, second"
    assert data_set(run, "s/one", name="x")[-1] == "leave `name` out"
    (file,) = (run.root / "s" / "one").glob("*.arrow")
    file.write_bytes(file.read_bytes().replace(pack("<4i", 0, 3, 6, 11), pack("<4i", 0, 3, -6, 11)))
    assert data_set(run, "s/one")[0] == "E0515"


@pytest.mark.parametrize(
    ("id_", "more", "says"),
    [
        ("./none", {}, "there is no such folder"),
        ("a.md", {}, "it is no folder"),
        ("d", {"split": "dev"}, "Bad split: dev. Available splits: ['train']"),
        ("d", {"name": "other"}, "'other' not found"),
        ("d", {"revision": "v1"}, "it is a folder here, which has no `revision`"),
        ("d", {"token": "HF_TOKEN"}, "it is a folder here, which has no `token`"),
        ("d[1]", {}, "`*`, `?` or `[` is in its path"),
        ("mixed", {}, "because column names don't match"),
        ("e", {}, "/d/train.jsonl`, which is not in it"),
    ],
)
def test_a_folder_that_is_no_such_data_set(run: Workshop, id_: str, more: dict[str, str], says: str) -> None:
    run.files(a_md="a", d__train_jsonl='{"text": "one"}\n', **{"d[1]__train_jsonl": '{"text": "one"}\n'})
    run.files(mixed__a_jsonl='{"text": "one"}\n', mixed__b_jsonl='{"other": "two"}\n')
    run.files(e__README_md='---\nconfigs: [{config_name: x, data_files: "../d/*.jsonl"}]\n---\n')
    code, message, note, *helps = data_set(run, id_, **more)
    assert code == "E0830"
    assert says in message
    assert note == f"looked in {run.root / id_}"
    assert "Hub" not in "".join(helps).replace("a data set of the Hub is read where", "")


def test_a_folder_that_changes_while_it_is_read(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run.files(d__train_jsonl='{"text": "one"}\n')
    reading = Sink.close

    def close(sink: Sink) -> Found:
        run.files(d__train_jsonl='{"text": "another"}\n')
        return reading(sink)

    monkeypatch.setattr(Sink, "close", close)
    assert data_set(run, "d")[:2] == ["E0515", "`d/train` cannot be read: it changed while it was read"]


def prepared(cache: Path, commit: str, text: str = "", shards: int = 1) -> Path:
    """What the library makes of `house/letters`; its shards have a row each: `text` and the number of the shard."""
    folder = cache / "house___letters" / "default" / "0.0.0" / commit
    folder.mkdir(parents=True)
    for number in range(shards):
        which, row = (f"-{number:05}-of-{shards:05}", f"{text}{number}") if shards > 1 else ("", text)
        folder.joinpath(f"letters-train{which}.arrow").write_bytes(stream(pa.table({"text": [row]})))
    split = {"name": "train", "num_examples": shards, "dataset_name": "letters", "shard_lengths": [1] * shards}
    features = {"text": {"dtype": "string", "_type": "Value"}}
    info = {"config_name": "default", "features": features, "splits": {"train": split}}
    folder.joinpath("dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def test_a_data_set_is_read_at_its_revision_or_not_at_all(run: Workshop, offline: Path) -> None:
    assert data_set(run, "house/letters", revision="a" * 40)[0] == "E0830"
    for number, commit in enumerate("ab"):
        os.utime(prepared(offline, commit * 40, commit), (number, number))
    assert data_set(run, "house/letters", revision="a" * 40) == ["a"]
    assert data_set(run, "house/letters", revision="b" * 40) == ["b"]
    for revision in ("f" * 40, "v1"):
        code, message, *_ = data_set(run, "house/letters", revision=revision)
        assert code == "E0830"
        assert message.startswith(f"`house/letters` at `{revision}` cannot be read: ")
    assert not run.warnings
    assert data_set(run, "house/letters") == ["b"]
    (told,) = run.warnings
    assert "b" * 40 in told
    downloaded(offline, "d", {"train.txt": "raw"}, missing="")
    assert data_set(run, "house/letters", revision="d" * 40) == ["raw"]


def downloaded(cache: Path, commit: str, files: Mapping[str, str], missing: str | None = None, ref: str = "") -> Path:
    """A snapshot of `house/letters` as the cache of the Hub has it; it knows the whole where `missing` is said."""
    repository = cache / ".cache" / "hub" / "datasets--house--letters"
    folder = repository / "snapshots" / (commit * 40)
    for number, (name, text) in enumerate(files.items()):
        blob, link = repository / "blobs" / f"{commit}{number}", folder / name
        for place in (blob, link):
            place.parent.mkdir(parents=True, exist_ok=True)
        blob.write_text(text, encoding="utf-8")
        link.symlink_to(os.path.relpath(blob, link.parent))
    if missing is not None:
        (repository / "trees").mkdir()
        known = {name: {"size": 1, "blob_id": "0"} for name in (*files, *missing.split())}
        listing = json.dumps({"format_version": 1, "files": known})
        (repository / "trees" / f"{commit * 40}.json").write_text(listing, encoding="utf-8")
    if ref:
        (repository / "refs").mkdir()
        (repository / "refs" / ref).write_text(commit * 40, encoding="utf-8")
    return folder


CARD = """---
configs:
- config_name: short
  data_files: [{split: train, path: "s/*.jsonl"}, {split: test, path: "t/*.jsonl"}]
- config_name: long
  data_files: [{split: train, path: "l/**"}]
---
"""
SHORT = {"README.md": CARD, "s/1.jsonl": '{"text": "one"}\n', "s/2.jsonl": '{"text": "two"}\n'}
DEEP = {"l/a/1.jsonl": '{"text": "long"}\n'}


def test_a_snapshot_of_the_revision_is_read_where_the_hub_is_out_of_reach(run: Workshop, offline: Path) -> None:
    whole = downloaded(offline, "a", {**SHORT, **DEEP, "t/1.jsonl": "{}"}, missing="", ref="v1")
    downloaded(offline, "b", {"data/train.csv": "text\nother\n"})
    assert data_set(run, "house/letters", name="short", revision="a" * 40) == ["one", "two"]
    assert data_set(run, "house/letters", name="long", revision="a" * 40) == ["long"]
    assert not run.warnings, "it is known to be whole"
    unsure = data_set(run, "house/letters", revision="b" * 40)
    assert unsure[0] == "E0830"
    assert "nothing says whether the local cache has all of it" in unsure[1]
    assert data_set(run, "house/letters", name="short", revision="v1") == ["one", "two"]
    (of_tag,) = run.warnings
    assert of_tag.startswith("the Hub did not give `house/letters` at `v1`, which is read as the local cache has it: ")
    for revision in ("c" * 40, "v2", None):
        assert data_set(run, "house/letters", revision=revision)[0] == "E0830"
    for split, name, says in (("dev", "short", "Bad split"), ("train", "x", "BuilderConfig 'x' not found")):
        code, message, note, *_ = data_set(run, "house/letters", split, name=name, revision="a" * 40)
        assert code == "E0830"
        assert says in message
        assert note == f"read from the cache: {whole}"


@pytest.mark.parametrize(
    ("there", "missing", "name", "lacks"),
    [
        (SHORT, "l/a/1.jsonl l/b/2.jsonl t/1.jsonl", "short", None),
        (SHORT, "l/a/1.jsonl t/1.jsonl", "long", "l/a/1.jsonl"),
        ({**SHORT, **DEEP}, "l/b/2.jsonl t/1.jsonl", "long", "l/b/2.jsonl"),
        (DEEP, "README.md", None, "README.md"),
        ({"train-00000-of-00003.jsonl": '{"text": "x"}', "train-00002-of-00003.jsonl": ""}, None, None,
         "train-00001-of-00003.jsonl"),
        ({"README.md": "", "a.txt": "x"}, "train/b.parquet", None, "train/b.parquet"),
        ({"README.md": ""}, "train.zip", None, "train.zip"),
    ],
)  # fmt: skip
def test_a_snapshot_in_part_is_read_where_the_split_is_whole(
    run: Workshop, offline: Path, there: Mapping[str, str], missing: str, name: str | None, lacks: str | None
) -> None:
    downloaded(offline, "a", there, missing)
    found = data_set(run, "house/letters", name=name, revision="a" * 40)
    if lacks is None:
        assert found == ["one", "two"]
    else:
        assert found[0] == "E0830"
        assert found[1].endswith(f"the local cache has it in part: `{lacks}` is missing")
        assert f"`hf download house/letters --repo-type dataset --revision {'a' * 40}`" in found[-1]


@pytest.mark.parametrize("status", [None, 503, 401, 404])
@pytest.mark.parametrize(
    ("missing", "revision"), [("", "a" * 40), ("", "v1"), ("l/b/2.jsonl", "a" * 40), ("s/3.jsonl", "a" * 40)]
)
def test_a_snapshot_needs_no_hub_where_it_is_whole_and_stands_in_for_one_that_is_silent(
    run: Workshop,
    offline: Path,
    missing: str,
    revision: str,
    status: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets  # noqa: PLC0415 - slow
    import httpx2  # noqa: PLC0415 - slow
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - slow

    load, asked = datasets.load_dataset_builder, list[str]()

    def answer(who: str) -> None:
        asked.append(who)
        if status is None:
            raise httpx2.ConnectError("refused")
        raise HfHubHTTPError("no", response=httpx2.Response(status, request=httpx2.Request("GET", "http://hub")))

    def builder(path: str, *given: Any, **more: Any) -> Any:
        return answer("library") if path.startswith("hf://") else load(path, *given, **more)

    monkeypatch.setattr(datasets, "load_dataset_builder", builder)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: answer("we"))
    downloaded(offline, "a", {**SHORT, **DEEP, "t/1.jsonl": "{}"}, missing, ref="v1")
    found = data_set(run, "house/letters", name="short", revision=revision)
    pinned = (missing, revision) == ("", "a" * 40)
    assert asked == ([] if pinned else ["we"] if status is None else ["we", "library"])
    if pinned or (missing != "s/3.jsonl" and status in (None, 503)):
        assert found == ["one", "two"]
    else:
        assert found[0] == "E0830"


@pytest.mark.parametrize(
    "files",
    [
        *(f'[{{split: train, path: "{path}"}}]' for path in (
            "/etc/hostname", "hf://datasets/house/other/train.txt", "../x/train.txt", "https://example.invalid/x.txt"
        )),
        "none.txt",
        "train-*.txt",
    ],
)  # fmt: skip
def test_a_hub_is_asked_for_what_a_commit_names_and_does_not_have(
    run: Workshop, offline: Path, files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets  # noqa: PLC0415 - slow
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow

    card = f"---\nconfigs:\n- config_name: default\n  data_files: {files}\n---\n"
    downloaded(offline, "a", {"README.md": card, "train-00000-of-00002.txt": "half"}, missing="")
    run.files(hub__train_txt="of the Hub")
    load = datasets.load_dataset_builder

    def builder(path: str, *given: Any, **more: Any) -> Any:
        return load(str(run.root / "hub")) if path.startswith("hf://") else load(path, *given, **more)

    monkeypatch.setattr(datasets, "load_dataset_builder", builder)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    assert data_set(run, "house/letters", revision="a" * 40) == ["of the Hub"]


def test_what_was_prepared_of_another_configuration_hides_no_snapshot(run: Workshop, offline: Path) -> None:
    downloaded(offline, "b", {**SHORT, **DEEP}, "t/1.jsonl l/b/2.jsonl", ref="v1")
    prepared(offline, "a" * 40, "of the default")
    for revision in ("b" * 40, "v1"):
        assert data_set(run, "house/letters", name="short", revision=revision) == ["one", "two"]
    assert "for config 'short'" in data_set(run, "house/letters", name="short", revision="v2")[1]


def asked(server: socket.socket) -> list[str]:
    """What was asked of data sets so far; the library asks about itself as well, once a process."""
    paths: list[str] = []
    while True:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return [path for path in paths if path.startswith("/api/datasets")]
        with connection:
            paths.append(connection.recv(1 << 16).decode().split(" ")[1])


def test_a_hub_that_says_nothing_is_asked_once(run: Workshop, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants  # noqa: PLC0415 - slow

    downloaded(offline, "a", {"train.txt": "one"}, missing="", ref="v1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(repository, "TIMEOUT", 0.2)
        silent.settimeout(0)
        assert data_set(run, "house/letters", revision="a" * 40) == ["one"]
        assert asked(silent) == []
        assert data_set(run, "house/letters", revision="v1") == ["one"]
        assert asked(silent) == ["/api/datasets/house/letters/revision/v1"]


def test_a_part_of_what_was_prepared_is_not_read(run: Workshop, offline: Path) -> None:
    folder = prepared(offline, "a" * 40, shards=2)
    assert data_set(run, "house/letters", revision="a" * 40) == ["0", "1"]
    folder.joinpath("letters-train-00001-of-00002.arrow").unlink()
    assert data_set(run, "house/letters", revision="a" * 40)[0] == "E0830"


def test_a_snapshot_that_lacks_rows_is_not_read(run: Workshop, offline: Path) -> None:
    """Where nothing else says what is missing, the card may."""
    card = "---\ndataset_info:\n  splits: [{name: train, num_examples: 3}]\n---\n"
    files = {"README.md": card, "train.txt": "one\ntwo\n"}
    downloaded(offline, "a", files)
    assert "its card says 3 rows, and 2 are there" in data_set(run, "house/letters", revision="a" * 40)[1]
    assert data_set(run, "house/letters", revision="a" * 40, limit=1)[0] == "E0830"
    downloaded(offline, "b", files, missing="")
    assert data_set(run, "house/letters", revision="b" * 40) == ["one", "two"]


# whatever the bytes are, there are rows or a fault


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(FILES)))
    data = bytearray(FILES[name][0])
    if draw(st.booleans()):
        return name, draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["cut", "put", "flip", "twice"])):
            case "cut":
                del data[at : at + draw(st.integers(1, 20))]
            case "put":
                data[at:at] = draw(st.binary(max_size=8))
            case "flip":
                if at < len(data):
                    data[at] ^= 1 << draw(st.integers(0, 7))
            case _:
                data += data[at:]
    return name, bytes(data)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.lists(mutated(), min_size=1, max_size=2))
def test_every_outcome_is_rows_or_a_fault(
    files: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    for name, data in files:
        (folder / name).write_bytes(data)
    try:
        documents, faults, found = quickly(portions("*", folder))
    except Fault as caught:
        if caught.code != "E0515":
            raise
        return
    assert len(documents) == found.documents
    assert len(faults) == sum(found.reasons.values())
    for row in documents:
        assert json.loads(row["meta"]) is not None
        assert row["text"].strip()
