"""Portions of sources: cut anywhere they are the same rows, and the quick way is the strict way."""

from __future__ import annotations

import dataclasses
import json
import pickle
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from structdsl.plan import ReadFiles
from structdsl_runtime.reading import part, places
from structdsl_runtime.reading.found import Found, together
from structdsl_runtime.reading.part import read_portion
from structdsl_runtime.reading.portions import Portion, portions
from structdsl_runtime.reading.taken import Taken

Table = list[dict[str, Any]]


@dataclass
class Written:
    rows: Table = field(default_factory=list)

    def cut(self) -> None:
        pass

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        self.rows += batch.to_pylist()

    def row(self, **values: Any) -> None:
        self.rows.append(values)


def read(cut: list[Portion], *, most: int = 1 << 20, **more: Any) -> tuple[Table, Table, Found]:
    arguments = ReadFiles.model_validate({"corpus": "c", "role": "domain", "pattern": "", **more})
    documents, faults, offsets, taken, found = Written(), Written(), Written(), Taken(), list[Found]()
    for portion in cut:
        again = pickle.loads(pickle.dumps(portion))
        found.append(read_portion(arguments, again, documents, faults, None, offsets, taken=taken, most=most))
    spans: dict[str, list[tuple[int | None, int, int]]] = {}
    for row in offsets.rows:
        spans.setdefault(row["doc_id"], []).append((row["text_byte"], row["file_byte"], row["n_bytes"]))
    assert len(spans) == sum(not row["text_byte"] for row in offsets.rows)  # one opens each
    return [row | {"span": spans.get(row["doc_id"])} for row in documents.rows], faults.rows, together(found)


def with_few(few: int, cut: list[Portion], **more: Any) -> tuple[Table, Table, Found]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (part, places):
            patch.setattr(module, "FEW", few)
        return read(cut, **more)


def strictly(cut: list[Portion], **more: Any) -> tuple[Table, Table, Found]:
    return with_few(1 << 20, cut, **more)


def quickly(cut: list[Portion], **more: Any) -> tuple[Table, Table, Found]:
    return with_few(0, cut, **more)


def in_any_order(made: tuple[Table, Table, Found]) -> tuple[Table, Table, Found]:
    """Names of columns are met in the order of the rows that are read, whichever way."""
    return made[0], made[1], dataclasses.replace(made[2], names=tuple(sorted(made[2].names)))


TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["", " ", "a\r\nb", "\\ud83d", "\ud800", "x"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["text", "title", "id", "doc_id", "lang", "body", "t.x", "meta"])
RECORD = st.dictionaries(NAMES, VALUE | TEXT, max_size=4) | st.fixed_dictionaries({"text": TEXT, "id": TEXT})
ODD = st.sampled_from(
    [
        *("{", "", "  ", "null", ' {"text":"a"} ', '{"text":"a"} x', "\ufeff{}", "[" * 3000),
        *('{"text":"a","text":"b"}', '{"text":"a",}', '{"text":"a","n":1e999}', '{"text":"a","n":01}'),
        *('{"text":"a\tb"}', '{"text":"a","m":[NaN]}', '{"text":"\\ud83d\\ude00"}'),
    ]
)
LINE = (st.builds(lambda record, ascii_: json.dumps(record, ensure_ascii=ascii_), RECORD, st.booleans()) | ODD).map(
    lambda line: line.encode("utf-8", "surrogatepass")
) | st.binary(max_size=6).map(lambda data: b"{" + data.replace(b"\n", b""))
COLUMNS = st.sampled_from(
    [{}, {}, {"text": "body"}, {"title": "text"}, {"doc_id": "text"}, {"text": "t.x"}, {"lang": "id"}]
)


@settings(max_examples=150)
@example(lines=[b'{"text": "a", "id": "\\ud800"}'], columns={}, size=1, end=b"\n")
@given(
    lines=st.lists(LINE, max_size=8), columns=COLUMNS, size=st.integers(1, 80), end=st.sampled_from([b"\n", b"\r\n"])
)
def test_every_way_and_every_cut_gives_the_same(
    lines: list[bytes], columns: dict[str, str], size: int, end: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    (folder / "c.jsonl").write_bytes(end.join(lines))
    cut = portions("c.jsonl", folder, size)
    whole = portions("c.jsonl", folder)
    assert len(whole) == 1
    expected = in_any_order(strictly(whole, columns=columns))
    assert in_any_order(quickly(whole, columns=columns)) == expected
    assert in_any_order(quickly(cut, columns=columns)) == expected
    documents, faults, found = expected
    assert len(documents) == found.documents
    assert len(faults) == sum(found.reasons.values())
    assert len(documents) + len(faults) == sum(not _blank(line) for line in lines)


def _blank(line: bytes) -> bool:
    """What is white space of Unicode alone is no row."""
    try:
        return not line.decode().removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        return False
