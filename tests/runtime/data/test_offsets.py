r"""Where a text stands in its file: every stretch is the same bytes in both, and what is known of the rest holds."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import tracemalloc
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl import sql
from structdsl.plan import Normalisation, ReadFiles
from structdsl_runtime.dedup.lines import cut, leaving, lines
from structdsl_runtime.operations.read_files import read_files
from structdsl_runtime.reading.normalising import normaliser
from structdsl_runtime.reading.offsets import stretches, stretches_in
from structdsl_runtime.reading.portions import portions
from structdsl_runtime.text.normalise import BYTE_ORDER_MARK, normalise
from tests.runtime.data.test_reading import read
from tests.runtime.data.workshop import Workshop

PIECE = st.sampled_from(["\r\n", "\n", "\r", "é", "魚", "a", "b ", "x@y", "ad", "\r\n\r\n", " \t\n", "\u3000", "c\nd"])
CHANGE = st.sampled_from(["", "[é]", "é", "a", "ad\n"])


@settings(max_examples=300)
@given(
    st.lists(PIECE, max_size=24),
    st.sampled_from(["", BYTE_ORDER_MARK]),
    CHANGE,
    st.sampled_from(["", "@", "ad", "é", "b |a", r"\A.", r"\n.*", r"(?m)[ \t]+$", r"\s+\n", r"(?m)^.*a.*\n"]),
)
def test_a_stretch_is_the_same_in_both(pieces: list[str], mark: str, put: str, what: str) -> None:
    before = "".join(pieces)
    data = (mark + before).encode()
    text = re.sub(what, put, normalise(before)) if what else normalise(before)
    after, found = text.encode(), [*stretches(data, text)]
    assert found[0][0] == 0
    assert found[-1][0] + found[-1][2] == len(after)
    at = (-1, -1)
    for start, place, count in found:
        assert start >= at[0]
        assert place >= at[1]
        assert after[start : start + count] == data[place : place + count].replace(b"\r", b"\n")
        at = start + count, place + count
    assert len({start for start, _, _ in found}) == len({start + count for start, _, count in found}) == len(found)
    if not what:
        assert sum(count for _, _, count in found) == len(after)


ENCODINGS = {
    "latin-1": "éaß",
    "cp1251": "дожa",
    "utf-16": "é魚a🐟",
    "utf-16-be": "é魚a🐟",
    "utf-32": "é🐟",
    "gb18030": "é魚a🐟",
    "shift_jis": "魚aア",
    "cp500": "éaß",  # in which what is ASCII is other bytes
}


@settings(max_examples=300)
@given(
    st.sampled_from([*ENCODINGS]),
    st.lists(st.tuples(st.sampled_from(["\r\n", "\n", "\r", " ", "b@", "ad"]), st.integers(0, 90)), max_size=9),
    CHANGE,
    st.sampled_from(["", "@", "ad", "b |a", r"\A.", r"(?s)\A.{9}", r"\n.*", r"\s+\n", r"(?m)^.*a.*\n", r".\Z"]),
)
def test_a_place_in_another_encoding_is_one_in_both(
    encoding: str, pieces: list[tuple[str, int]], put: str, what: str
) -> None:
    letters = ENCODINGS[encoding]
    before = "".join((letters * 90)[:many] + piece for piece, many in pieces)
    data, text = before.encode(encoding), re.sub(what, put, normalise(before)) if what else normalise(before)
    after, found = text.encode(), [*stretches_in(codecs.lookup(encoding).name, data, text)]
    codec = f"{encoding}-{sys.byteorder[0]}e" if encoding in {"utf-16", "utf-32"} else encoding
    assert found[0][0] == 0
    assert found[-1][0] + found[-1][2] == len(after)
    assert len({start for start, _, _ in found}) == len({start + count for start, _, count in found}) == len(found)
    start = file = 0
    for at, place, count in found:
        assert (at >= start, place >= file) == (True, True)
        assert at in (0, len(after)) or after[at : at + 1].decode("utf-8", "replace") != "\ufffd" or after[at] >= 0xC0
        assert after[at : at + count] == data[place : place + count].replace(b"\r", b"\n")
        start, file = at + count, place + count
    if what:
        return
    ends = [*found[1:], (len(after), len(data), 0)]
    for (at, place, count), (end, file, _) in zip(found, ends, strict=True):  # which may begin behind a `\r`
        assert normalise(data[place + count : file].decode(codec)).removesuffix("\n") == after[
            at + count : end
        ].decode().removesuffix("\n")
        assert end - at - count <= 64 * 4


def test_what_cannot_be_written_again_has_no_place() -> None:
    data = "ア魚".encode("shift_jis") + b"\x81\x5f"
    assert len(stretches_in("shift_jis", data, data.decode("shift_jis"))) > 0
    twice = bytes.fromhex("879c")  # NEC's ∪, which is written as another
    assert len(stretches_in("cp932", twice, twice.decode("cp932"))) == 0


@settings(max_examples=200)
@given(
    encoding=st.sampled_from(["utf-8", "utf-16-be"]),
    pieces=st.lists(PIECE, max_size=24),
    put=CHANGE,
    what=st.sampled_from(["", "@", "ad", "a", "b |a"]),
    gone=st.data(),
)
def test_it_is_the_same_where_lines_are_cut(
    encoding: str, pieces: list[str], put: str, what: str, gone: st.DataObject
) -> None:
    data, before = "".join(pieces).encode(encoding), normalise("".join(pieces))
    text = re.sub(what, put, before) if what else before
    known = stretches(data, text) if encoding == "utf-8" else stretches_in(encoding, data, text)
    found = lines(pa.array([text]))
    some = gone.draw(st.lists(st.booleans(), min_size=len(found.begin), max_size=len(found.begin)))
    begin, end = leaving(found, np.array(some, np.bool_))
    after: bytes = cut(found, np.array(some, np.bool_)).to_pylist()[0].encode()
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA c")
        for name, fields, rows in (
            ("offsets", "text_byte, file_byte, n_bytes", known),
            ("cut", "start_byte, end_byte", zip(begin.tolist(), end.tolist(), strict=True)),
        ):
            columns = ", ".join(f"{field} BIGINT" for field in fields.split(", "))
            connection.execute(f"CREATE TABLE c.{name} (doc_id VARCHAR, {columns})")
            for row in rows:
                connection.execute(f"INSERT INTO c.{name} VALUES ('a', {', '.join(map(str, row))})")
        moved = connection.execute(
            sql.fill("offsets_without", {"offsets": "c.offsets", "cut": "c.cut"}) + " ORDER BY 2, 4"
        ).fetchall()
    at = (-1, -1)
    for _, start, place, count in moved:
        assert start >= at[0]
        assert place >= at[1]
        assert after[start : start + count] == data[place : place + count].replace(b"\r", b"\n")
        at = start + count, place + count
    assert (
        len({start for _, start, _, _ in moved}) == len({start + count for _, start, _, count in moved}) == len(moved)
    )
    assert (moved[0][1], moved[-1][1] + moved[-1][3]) == (0, len(after))
    if not what and encoding == "utf-8":
        assert sum(count for *_, count in moved) == len(after)


def test_what_is_redacted_is_between_two_stretches() -> None:
    text = "One line.\nWrite to [EMAIL], é.\nLast."
    data = b"\xef\xbb\xbf" + text.replace("[EMAIL]", "a.long@b.example").replace("\n", "\r\n").encode()
    found = [(text.encode()[start:][:n].decode(), data[at:][:n].decode()) for start, at, n in stretches(data, text)]
    assert found == [
        ("One line.",) * 2,
        ("\nWrite to ",) * 2,
        (", é.",) * 2,
        ("\nLast.",) * 2,
    ]


def whitespace(text: str) -> str:
    ((changed, _),) = normaliser(Normalisation(what="whitespace")).apply([text])
    return changed


LINES = [f"line {n}" if n % 3 else "the same" for n in range(50)]
FINE = {  # what became of a text, line by line
    "blanks at the ends": ("  \n".join(LINES), whitespace),
    "blanks before and within": ("\n".join(f"\t{line}\u00a0 x \t" for line in LINES), whitespace),
    "Unicode's blanks": ("\u3000\n".join(f"魚 {line}" for line in LINES), whitespace),
    "blank lines": ("\n \n\n\n".join(f"{line} " for line in LINES), whitespace),
    "all the same": ("the same  \n" * 50, whitespace),
    "something in each": ("\n".join(f"{line} a@b, {line}" for line in LINES), lambda text: text.replace("a@b", "[…]")),
    "the same in each": ("from a@b on\n" * 50, lambda text: text.replace("a@b", "[…]")),
    "lines that leave": ("the same \nad\n" * 50, lambda text: whitespace(text.replace("ad\n", ""))),
    "spelling": ("\n".join(f"e\u0301 {line}" for line in LINES), lambda text: text.replace("e\u0301", "é")),
}


@pytest.mark.parametrize("name", FINE)
def test_stretches_are_as_fine_as_lines(name: str) -> None:
    before, change = FINE[name]
    after = change(before)
    data, text = before.encode(), after.encode()
    found = stretches(data, after)
    for start, at, count in found:
        assert text[start : start + count] == data[at : at + count]
    at, longest = 0, 0
    for start, _, count in found:
        longest = max(longest, start - at)
        at = start + count
    assert longest < 20  # what is not the same lies within a line
    spans = [(start, at) for start, at, _ in found]
    assert len({at for _, at in spans}) >= 50


def located(run: Workshop, name: str, data: bytes, **more: Any) -> list[tuple[Any, ...]]:
    (run.root / name).write_bytes(data)
    arguments = ReadFiles.model_validate({"corpus": "c", "role": "domain", "pattern": name, **more})
    return [tuple(row.values()) for row in run(read_files, arguments)["offsets"].to_pylist()]


def wide_codec(data: bytes) -> str:
    """What the mark says of data in UTF-16 or UTF-32."""
    width = "utf-32" if data[:4] in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE} else "utf-16"
    return f"{width}-{sys.byteorder[0]}e"


def test_which_files_have_a_place(run: Workshop) -> None:
    text = "ä\r\nbc and some more words, ö and ü, to be guessed from"
    assert located(run, "a.md", b"\xef\xbb\xbf" + text.encode()) == [("a.md", 0, 3, 2), ("a.md", 2, 6, len(text))]
    assert located(run, "b.txt", b"plain") == [("b.txt", 0, 0, 5)]
    size = len(text) - 1  # characters of the text, of which three have two bytes
    wide = text.encode("utf-16-le")
    assert located(run, "c.txt", b"\xff\xfe" + wide) == [
        ("c.txt", 0, 2, 0),
        ("c.txt", 3, 8, 0),
        ("c.txt", size + 3, 2 + len(wide), 0),
    ]
    assert located(run, "d.txt", text.encode("latin-1")) == [
        ("d.txt", 0, 0, 0),
        ("d.txt", 3, 3, 24),
        ("d.txt", size + 3, len(text), 0),
    ]
    assert located(run, "e.md.gz", gzip.compress(b"\xef\xbb\xbfplain")) == [("e.md.gz", 0, 3, 5)]
    assert located(run, "f.html", b"<p>plain</p>") == []
    pq.write_table(pa.table({"text": ["plain"]}), run.root / "g.parquet")
    assert located(run, "g.parquet", (run.root / "g.parquet").read_bytes()) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_long_text_has_all_of_its_places_in_little_memory(run: Workshop, encoding: str) -> None:
    data = ("é, " + "and so on\r\n" * 9000).encode(encoding)
    text = normalise(data.decode(encoding))
    in_file = stretches if encoding == "utf-8" else partial(stretches_in, encoding)
    tracemalloc.start()
    found = in_file(data, text)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 40 * len(found)
    (run.root / "a.jsonl").write_text('{"id": "a", "text": "one"}\n')
    (run.root / "c.txt").write_text("three")
    (run.root / "b.txt").write_bytes(data)
    made = run(read_files, ReadFiles(corpus="c", role="domain", pattern="*"))["offsets"].to_pylist()
    assert [tuple(row.values()) for row in made] == [
        ("a", None, 0, 27),
        *(("b.txt", *each) for each in found),
        ("c.txt", 0, 0, 5),
    ]


def test_lines_in_whatever_portions(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        json.dumps({"id": f"d{n}", "text": "é" * n}, ensure_ascii=n % 2 == 0) + "\r\n" * (n % 3) for n in range(99)
    ]
    data = "\ufeff".encode() + "\n".join([*texts, "no row", '{"id": "d5", "text": "again"}']).encode()
    whole = located(run, "a.jsonl", data)
    assert [row[0] for row in whole] == [f"d{n}" for n in range(1, 99)]
    for doc_id, text, start, count in whole:
        assert text is None
        assert json.loads(data[start : start + count].decode("utf-8-sig"))["id"] == doc_id
    assert located(run, "a.jsonl.gz", gzip.compress(data)) == whole
    wide = data.decode("utf-8-sig").encode("utf-16")
    found = located(run, "b.jsonl", wide)
    assert [row[0] for row in found] == [row[0] for row in whole]
    for doc_id, text, start, count in found:
        assert text is None
        assert json.loads(wide[start : start + count].decode(wide_codec(wide)))["id"] == doc_id
    cut = partial(portions, size=300)
    module = sys.modules[read_files.__module__]
    monkeypatch.setattr(module, "portions_of", lambda arguments, root: cut(arguments.pattern, root))
    assert len(cut("a.jsonl", run.root)) > 5
    assert located(run, "a.jsonl", data) == whole


def test_rows_of_csv_with_all_that_is_in_quotation_marks(run: Workshop) -> None:
    texts = ["é" * n + '\n, and "more"' * (n % 3) for n in range(1, 60)]
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\r\n")
    rows.writerows([("id", "text"), *((f"d{n}", text) for n, text in enumerate(texts))])
    data = ("\ufeff" + file.getvalue() + "\r\nd5,again\r\nno row\r\n").encode()
    found = located(run, "a.csv", data)
    assert [row[0] for row in found] == [f"d{n}" for n in range(len(texts))]
    for (doc_id, text_byte, start, count), text in zip(found, texts, strict=True):
        assert text_byte is None
        assert list(csv.reader(io.StringIO(data[start : start + count].decode(), newline=""))) == [[doc_id, text]]
    assert located(run, "a.csv.gz", gzip.compress(data)) == found


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp1252", "koi8-r", "gb18030", "shift_jis"])
def test_rows_in_another_encoding(run: Workshop, encoding: str) -> None:
    words = {"koi8-r": "съешь ещё этих булок", "gb18030": "這是一個簡單的例子", "shift_jis": "これは簡単な例です"}
    word = words.get(encoding, "déjà vu à la crème brûlée")
    texts = [f"{word} {n}, " + "a\n" * (n % 3) for n in range(40)]
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([("id", "text"), *((f"d{n}", t) for n, t in enumerate(texts))])
    data = (file.getvalue() + "no row\r\n").encode(encoding)
    found = located(run, "a.csv", data)
    assert [row[0] for row in found] == ([] if encoding in {"gb18030", "shift_jis"} else [f"d{n}" for n in range(40)])
    codec = wide_codec(data) if encoding in {"utf-16", "utf-32"} else encoding
    for (doc_id, text_byte, start, count), text in zip(found, texts, strict=False):
        assert text_byte is None
        (row,) = csv.reader(io.StringIO(data[start : start + count].decode(codec), newline=""))
        assert row == [doc_id, text]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_stands_behind_a_line_that_is_too_long(run: Workshop, encoding: str) -> None:
    rows = ['{"id": "a", "text": "é"}', f'{{"text": "{"é" * 60}"}}', '{"id": "b", "text": "é"}']
    data = "\n".join(rows).encode(encoding)
    (run.root / "a.jsonl").write_bytes(data)
    (first, second), (fault,), _ = read(portions("a.jsonl", run.root), most=50)
    assert (first["doc_id"], second["doc_id"], fault["reason"]) == ("a", "b", "too long")
    ((_, start, count),) = first["span"]
    codec = encoding if encoding == "utf-8" else wide_codec(data)
    assert data[start : start + count].decode(codec) == rows[0] + "\n"
    if encoding == "utf-16":  # its length is not known in the file
        assert second["span"] is None
    else:
        assert second["span"] == [(None, data.index(b'{"id": "b"'), len(rows[2].encode()))]
