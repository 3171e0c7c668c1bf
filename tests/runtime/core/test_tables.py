"""The streams that operations read from, and the writer they write to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from structdsl.plan import Output
from structdsl_runtime.engine import Engine
from structdsl_runtime.store import Produced
from structdsl_runtime.tables import StepInputs, StepOutputs
from tests.runtime.core.toy_plan import columns


def shape() -> tuple[Output, ...]:
    simple = columns("n BIGINT, text VARCHAR, meta JSON, ids INTEGER[]")
    spans = columns("spans X")[0].model_copy(update={"type": "STRUCT(position BIGINT, piece INTEGER)[]"})
    return (Output(table="corpus.x", columns=(*simple, spans)), Output(kind="folder"))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "spill")


@pytest.fixture
def outputs(engine: Engine, tmp_path: Path) -> StepOutputs:
    table, folder = shape()
    (tmp_path / "result").mkdir()
    return StepOutputs(engine, tmp_path / "result", {"rows": table, "model": folder})


def finish(outputs: StepOutputs) -> Produced:
    outputs.folder("model")
    return outputs.finish()["rows"]


def row(n: int) -> dict[str, object]:
    return {"n": n, "text": f"t{n}", "meta": '{"a": 1}', "ids": [n, n + 1], "spans": [{"position": n, "piece": 0}]}


def test_long_lists_of_numbers_take_less_than_their_bytes(engine: Engine, tmp_path: Path) -> None:
    """A struct of them has paths of its own; what stands alone in a row is kept in a dictionary."""
    both = columns("text VARCHAR, many FLOAT[], ids INTEGER[]")
    inside = columns("pair X")[0].model_copy(update={"type": "STRUCT(exact DOUBLE[], score DOUBLE)"})
    outputs = StepOutputs(engine, tmp_path, {"rows": Output(table="corpus.x", columns=(*both, inside))})
    numbers = np.random.default_rng(0).standard_normal((200, 500), np.float32)
    rows = [
        {"text": "same", "many": many, "ids": [1, 2], "pair": {"exact": many[:9].astype(float), "score": 1.0}}
        for many in numbers
    ]
    with outputs.table("rows") as writer:
        writer.write(pa.Table.from_pylist(rows))
    path = tmp_path / "rows.parquet"
    group = pq.ParquetFile(path).metadata.row_group(0)
    encodings = {(column := group.column(place)).path_in_schema: column.encodings for place in range(5)}
    split = {name for name, found in encodings.items() if "BYTE_STREAM_SPLIT" in found}
    assert split == {"many.list.element", "ids.list.element", "pair.exact.list.element"}
    assert split == {name for name, found in encodings.items() if "RLE_DICTIONARY" not in found}
    assert path.stat().st_size < 0.95 * numbers.nbytes
    found = duckdb.connect().read_parquet(str(path)).project("many, ids, pair.exact").fetchall()
    assert found == [(row["many"].tolist(), row["ids"], row["pair"]["exact"].tolist()) for row in rows]


@pytest.mark.parametrize("links", [True, False])
def test_files_of_others_become_a_table(
    links: bool,  # noqa: FBT001 - a case
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is written twice where the file system can name a file twice; the order of the files plays no part."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    parts = [tmp_path / f"{name}.parquet" for name in "ab"]
    for part, rows in zip(parts, (2, 3), strict=True):
        pq.write_table(pa.table({"n": pa.array(range(rows), pa.int64())}), part)
    found = []
    for name, files in (("one", parts), ("two", parts[::-1]), ("less", parts[:1])):
        (tmp_path / name).mkdir()
        outputs = StepOutputs(engine, tmp_path / name, {"rows": Output(table="t.x", columns=columns("n BIGINT"))})
        outputs.link("rows", files)
        found.append(outputs.finish()["rows"])
    one, two, less = found
    assert one.digest == two.digest != less.digest
    assert (one.rows, one.columns) == (5, {"n": "BIGINT"})
    assert one.bytes == sum(part.stat().st_size for part in parts)
    assert parts[0].stat().st_nlink == (4 if links else 1)
    parts[0].unlink()
    assert pq.read_table(tmp_path / "less" / less.files[0]).num_rows == 2


def test_rows_and_batches_become_row_groups(outputs: StepOutputs, tmp_path: Path) -> None:
    with outputs.table("rows") as writer:
        for n in range(5000):
            writer.row(**row(n))
        writer.write(pa.Table.from_pylist([row(n) for n in range(5000, 9000)]))
        writer.write(pa.RecordBatch.from_pylist([row(9000)]))
    made = finish(outputs)
    assert made.rows == 9001
    assert list(made.columns.values())[:4] == ["BIGINT", "VARCHAR", "JSON", "INTEGER[]"]
    file = pq.ParquetFile(tmp_path / "result" / "rows.parquet")
    assert file.num_row_groups <= 4
    assert file.metadata.row_group(0).num_rows <= 4096
    group = file.metadata.row_group(0)
    codecs = {group.column(n).path_in_schema: group.column(n).compression for n in range(group.num_columns)}
    assert (codecs["n"], codecs["ids.list.element"]) == ("LZ4", "ZSTD")
    found = duckdb.connect().read_parquet(str(tmp_path / "result" / "rows.parquet"))
    assert [value for (value,) in found.project("n").fetchall()] == list(range(9001))
    assert found.filter("meta ->> 'a' = '1' AND ids[2] = n + 1 AND spans[1].position = n").count("*").fetchall() == [
        (9001,)
    ]


def test_no_rows(outputs: StepOutputs) -> None:
    with outputs.table("rows"):
        pass
    made = finish(outputs)
    assert (made.rows, made.files, made.columns["meta"]) == (0, ("rows.parquet",), "JSON")


def test_long_tables_are_cut_into_files(outputs: StepOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structdsl_runtime.writer.FILE_BYTES", 10)
    with outputs.table("rows") as writer:
        for n in range(9000):
            writer.row(**row(n))
    made = finish(outputs)
    assert (made.rows, made.files) == (9000, ("rows.parquet", "rows-0001.parquet", "rows-0002.parquet"))


@pytest.mark.parametrize("change", [{"n": "text"}, {"n": 2**63}, {"ids": ["x"]}])
def test_values_of_another_type_are_refused(outputs: StepOutputs, change: dict[str, object]) -> None:
    def write() -> None:
        with outputs.table("rows") as writer:
            writer.row(**{**row(1), **change})

    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)):
        write()


def test_columns_are_those_of_the_plan(outputs: StepOutputs) -> None:
    with outputs.table("rows") as writer:
        with pytest.raises(ValueError, match=r"missing \['spans'\]"):
            writer.row(**{name: value for name, value in row(1).items() if name != "spans"})
        with pytest.raises(ValueError, match=r"not in the plan \['more'\]"):
            writer.write(pa.Table.from_pylist([{**row(1), "more": 1}]))
    with pytest.raises(ValueError, match="written once"):
        outputs.folder("rows")


def test_streams_side_by_side(engine: Engine) -> None:
    engine.connection.execute("CREATE VIEW t AS SELECT range AS n, '{\"a\": 1}'::JSON AS meta FROM range(10000)")
    inputs = StepInputs(engine=engine, order=("rows",), tables={"rows": "t"}, folders={})
    assert inputs.count("rows") == 10000
    sizes = [batch.num_rows for batch in inputs.batches("rows", rows=4096)]
    assert sum(sizes) == 10000
    assert max(sizes) <= 4096
    pairs = zip(inputs.rows("rows", order="n"), inputs.rows("rows", columns="n + 1 AS m", order="n"), strict=True)
    assert all(left["n"] + 1 == right["m"] and left["meta"] == '{"a": 1}' for left, right in pairs)
    assert next(inputs.rows("rows", order="n DESC"))["n"] == 9999
    assert inputs.count("rows") == 10000


def test_rows_in_order_are_made_in_ranges_where_memory_has_no_room_for_all(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "spill", memory=24 << 20, threads=2)
    texts, both = tmp_path / "texts.parquet", columns("position BIGINT, text VARCHAR")
    engine.connection.execute(
        "COPY (SELECT range * 7919 % 20000 + 5 AS position, repeat(md5(range::VARCHAR), 60) AS text FROM range(20000))"
        f" TO '{texts}' (ROW_GROUP_SIZE 2048)"
    )
    query = f"SELECT position, text FROM '{texts}' ORDER BY position"
    made: dict[str, StepOutputs] = {}
    for name in ("whole", "ranges", "roomy"):
        (tmp_path / name).mkdir()
        roomy = Engine(tmp_path / "more") if name == "roomy" else engine
        made[name] = StepOutputs(roomy, tmp_path / name, {"rows": Output(table="t.x", columns=both)})
    with pytest.raises(duckdb.OutOfMemoryException):
        made["whole"].select("rows", query)
    made["ranges"].select("rows", query, by="position")
    made["roomy"].select("rows", query, by="position")
    ranges, roomy_ = (made[name].finish()["rows"] for name in ("ranges", "roomy"))
    assert len(ranges.files) > 1 == len(roomy_.files)
    assert ranges.digest == roomy_.digest
    found = pa.concat_tables([pq.read_table(tmp_path / "ranges" / file) for file in ranges.files])
    assert found["position"].to_pylist() == list(range(5, 20005))
