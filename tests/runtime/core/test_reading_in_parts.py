"""A source read in parts: as if it was read at once, and nothing is read twice."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from structdsl.compile import compile_text
from structdsl.plan import Plan
from structdsl_runtime.events import Event, Observer, StepProgress, Warned, silent
from structdsl_runtime.executor import Interrupted, RunResult, run
from structdsl_runtime.operation import Function
from structdsl_runtime.operations import OPERATIONS
from structdsl_runtime.reading import in_parts
from structdsl_runtime.sources import Sources
from structdsl_runtime.store import Manifest
from structdsl_runtime.tasks import finished
from structdsl_runtime.workshop import Workshop

READ = "corpus.a.read"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files a part, and files of more than 2 kB in several portions."""
    monkeypatch.setattr(in_parts, "MOST_FILES", 2)
    monkeypatch.setattr(in_parts, "TOGETHER", 2000)


def write(folder: Path, name: str, texts: Mapping[str, str]) -> None:
    lines = [f'{{"id": "{doc_id}", "text": "{text}"}}\n' for doc_id, text in texts.items()]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def read(
    folder: Path,
    store: str = "store",
    operations: Mapping[str, Function] | None = None,
    observer: Observer = silent,
) -> Manifest:
    result = carried_out(folder, store, operations, observer)
    assert result.status == "done", result.failure
    found = (folder / store / "tables" / READ).glob("*/manifest.json")
    return Manifest.model_validate_json(max(found, key=lambda path: path.stat().st_mtime_ns).read_bytes())


def carried_out(
    folder: Path,
    store: str = "store",
    operations: Mapping[str, Function] | None = None,
    observer: Observer = silent,
    source: str = 'files("*.*"), redact = email',
) -> RunResult:
    plan = planned(source)
    return run(
        plan, root=folder, store=folder / store, only=[READ], operations=operations, workers=1, observer=observer
    )


def planned(source: str) -> Plan:
    plan, sink = compile_text(f"language 1\ncorpus a {{ role = domain, source = {source} }}\n", Path("toy.adapt"))
    assert plan is not None, list(sink)
    return plan


def digests(manifest: Manifest) -> dict[str, str]:
    return {name: made.digest for name, made in manifest.outputs.items()}


def held(folder: Path) -> dict[str, int]:
    """How many files and portions each part holds, by its key."""
    parts = (folder / "store" / "tables" / READ / "parts").iterdir()
    found = {path.name: finished(path) for path in parts}
    return {key: len(part.found.get("portions", ())) for key, part in found.items() if part is not None}


@pytest.mark.parametrize("seed", range(6))
def test_as_if_it_was_read_at_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for name in ("c.jsonl", "a.jsonl", "b.jsonl", "d.md", "e.txt"):
        ids = [f"d{rng.randrange(60)}" for _ in range(rng.randrange(1, 40))]
        write(tmp_path, name, {doc_id: "x a@b.example " * rng.randrange(1, 40) for doc_id in ids})
    (tmp_path / "f.jsonl").write_text('{"text": "last"}\nno json\n', encoding="utf-8")
    assert digests(read(tmp_path)) == digests(read(tmp_path, "whole", OPERATIONS))
    assert len(held(tmp_path)) > 2


def test_one_more_file_is_all_that_is_read(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path, f"{number}.jsonl", {f"d{number}": "some text"})
    read(tmp_path)
    before = held(tmp_path)
    assert list(before.values()) == [2, 2, 2]
    write(tmp_path, "2a.jsonl", {"new": "more text"})
    manifest = read(tmp_path)
    assert manifest.rows == 7
    assert [count for key, count in held(tmp_path).items() if key not in before] == [1]


def test_a_file_that_goes_takes_its_neighbours_to_be_read_again(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path, f"{number}.jsonl", {f"d{number}": "some text"})
    read(tmp_path)
    before = held(tmp_path)
    (tmp_path / "0.jsonl").unlink()
    assert read(tmp_path).rows == 5
    assert [count for key, count in held(tmp_path).items() if key not in before] == [1]


def test_an_id_belongs_to_the_first_file_that_has_it(tmp_path: Path) -> None:
    for name in ("b", "c", "d"):
        write(tmp_path, f"{name}.jsonl", {"same": f"in {name}", f"own {name}": "text"})
    for first in ("b", "a"):
        if first == "a":
            write(tmp_path, "a.jsonl", {"same": "in a"})
        manifest = read(tmp_path)
        folder = tmp_path / "store" / "tables" / READ / manifest.key
        with duckdb.connect() as connection:
            documents, faults, offsets = (
                connection.read_parquet([str(folder / file) for file in manifest.outputs[name].files])
                for name in ("documents", "faults", "offsets")
            )
            texts = documents.filter("doc_id = 'same'").project("text").fetchall()
            left = faults.order("source").project("source, reason, evidence").fetchall()
            placed, ids = (rows.order("doc_id").project("doc_id").fetchall() for rows in (offsets, documents))
        assert texts == [(f"in {first}",)]
        assert placed == ids
        why = f"an earlier document has it: {first}.jsonl#L1"
        others = [(f"{name}.jsonl#L1", "duplicate id", why) for name in "bcd" if name != first]
        assert left == others
    assert digests(manifest) == digests(read(tmp_path, "whole", OPERATIONS))


SOURCES: Mapping[str, str] = {
    "files": 'files("d/*.jsonl")',
    "first files": 'files("d/*.jsonl"), limit = 9 docs',
    "first rows": 'table("d/*.jsonl"), limit = 9 docs',
    "data set": 'hf_dataset("d")',
    "data set with brackets": 'hf_dataset("[d]")',
    "database": 'table("d/b.db#t")',
}
CHANGES: Mapping[str, Callable[[Path], object]] = {
    "changed": lambda path: path.write_bytes(path.read_bytes() + b" "),
    "came": lambda path: path.with_name(f"c{path.suffix}").write_bytes(path.read_bytes()),
    "went": lambda path: path.unlink(),
}


def two_files(folder: Path, source: str) -> Path:
    """What a source of `SOURCES` names; the file of it that is in the second place."""
    data = folder / ("[d]" if "brackets" in source else "d")
    data.mkdir()
    if source == "database":
        with duckdb.connect(data / "b.db") as connection:
            connection.execute("CREATE TABLE t AS SELECT 'text' AS text")
        return data / "b.db"
    if "brackets" in source:  # a folder of files that has them is not read
        import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

        datasets.Dataset.from_dict({"text": ["some text"]}).save_to_disk(data)
        return data / "state.json"
    for name in "ab":
        write(data, f"{name}.jsonl", {name: "some text"})
    return data / "b.jsonl"


@pytest.mark.parametrize(
    ("source", "change"),
    [(name, change) for name in SOURCES for change in CHANGES if (name, change) != ("database", "came")],
)
def test_what_is_read_is_what_was_listed(
    tmp_path: Path, source: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = two_files(tmp_path, source)
    perform = Workshop.perform

    def late(self: Workshop, *given: Any) -> Manifest:
        CHANGES[change](file)
        return perform(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Workshop, "perform", late)
        failure = carried_out(tmp_path, source=SOURCES[source]).failure
    assert failure is not None
    assert failure.code == ("E0513" if (source, change) == ("database", "went") else "E0515")
    assert not list((tmp_path / "store" / "tables" / READ).glob("*/manifest.json"))


@pytest.mark.parametrize("source", ["files", "first files", "data set"])
def test_a_file_that_changes_while_others_are_hashed_is_not_read(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = two_files(tmp_path, source)
    hashed, alone = Sources._hash, threading.Lock()

    def slowly(self: Sources, left: threading.Event, path: Path) -> str:
        found = hashed(self, left, path)
        with alone:
            CHANGES["changed"](file)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Sources, "_hash", slowly)
        failure = carried_out(tmp_path, source=SOURCES[source]).failure
    assert failure is not None
    assert (failure.code, "`d/b.jsonl`" in failure.message) == ("E0515", True)
    assert carried_out(tmp_path, source=SOURCES[source]).status == "done"


def test_what_was_written_to_a_database_last_is_read_again(tmp_path: Path) -> None:
    """DuckDB keeps it in a file beside it, for a while."""
    two_files(tmp_path, "database")
    more = "import duckdb, os; c = duckdb.connect('d/b.db'); c.execute(\"INSERT INTO t VALUES ('more')\"); os._exit(0)"
    for rows in (2, 3):
        subprocess.run([sys.executable, "-c", more], cwd=tmp_path, check=True)
        assert (tmp_path / "d" / "b.db.wal").exists()
        result = carried_out(tmp_path, source=SOURCES["database"])
        assert result.ran == (READ,), result.failure
        found = (tmp_path / "store" / "tables" / READ).glob("*/manifest.json")
        assert max(Manifest.model_validate_json(path.read_bytes()).rows or 0 for path in found) == rows
    assert carried_out(tmp_path, source=SOURCES["database"]).ran == ()


@pytest.mark.parametrize("source", SOURCES)
def test_the_plan_says_how_a_source_is_divided(tmp_path: Path, source: str) -> None:
    two_files(tmp_path, source)
    step = next(step for step in planned(SOURCES[source]).steps if step.address == READ)
    assert carried_out(tmp_path, source=SOURCES[source]).status == "done"
    in_parts = (tmp_path / "store" / "tables" / READ / "parts").exists()
    assert str(step.partition) == ("by files" if in_parts else "at once")
    assert in_parts == (source == "files")


def test_broken_files_of_all_parts_are_named_and_the_others_kept(tmp_path: Path) -> None:
    for number in range(8):
        write(tmp_path, f"{number}.jsonl", {f"d{number}": "some text"})
    for number in (0, 5):
        (tmp_path / f"{number}.jsonl").rename(tmp_path / f"{number}.parquet")
    for _ in range(2):
        failure = carried_out(tmp_path).failure
        assert failure is not None
        assert (failure.code, failure.message) == ("E0515", "2 files cannot be read")
        assert [note.split(" ")[0] for note in failure.notes] == ["`0.parquet`", "`5.parquet`"]
    kept = held(tmp_path)
    assert list(kept.values()) == [2, 2]
    for number in (0, 5):
        (tmp_path / f"{number}.parquet").rename(tmp_path / f"{number}.jsonl")
    assert read(tmp_path).rows == 8
    assert kept.keys() <= held(tmp_path).keys()


class Full(pq.ParquetWriter):
    """As where the disk is full after some row groups."""

    left = 0

    def write_table(self, *arguments: Any, **more: Any) -> None:
        Full.left -= 1
        if Full.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_table(*arguments, **more)


@pytest.mark.parametrize("operations", [None, OPERATIONS])
def test_a_full_disk_is_no_fault_of_a_source(
    tmp_path: Path, operations: Mapping[str, Function] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write(tmp_path, f"{number}.jsonl", {f"d{number}": "some text"})
    with monkeypatch.context() as patch:
        patch.setattr(pq, "ParquetWriter", Full)
        patch.setattr(Full, "left", 1)
        failure = carried_out(tmp_path, operations=operations).failure
    assert failure is not None
    assert (failure.code, "No space left on device" in failure.message) == ("E0841", True)
    assert digests(read(tmp_path, operations=operations)) == digests(read(tmp_path, "other", OPERATIONS))


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    """Of a run that ended before it could say so too."""
    write(tmp_path, "a.jsonl", {"a": "some text"})
    (tmp_path / "b.parquet").write_bytes(b"PAR1")

    def stop(event: Event) -> None:
        if isinstance(event, StepProgress):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        carried_out(tmp_path, observer=stop)
    (part,) = (tmp_path / "store" / "tables" / READ / "parts").glob("[!.]*")
    manifest = finished(part)
    assert manifest is not None
    assert manifest.found["unread"]
    mended = json.dumps(manifest.found | {"unread": [["`a.jsonl` cannot be read: a library is missing", []]]})
    found = json.loads((part / "part.json").read_text("utf-8")) | {"found": json.loads(mended)}
    (part / "part.json").write_text(json.dumps(found), encoding="utf-8")
    failure = carried_out(tmp_path).failure
    assert failure is not None
    assert "b.parquet" in failure.message
    assert "library" not in failure.message


def test_pieces_of_one_file_are_counted_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", {f"d{number}": "some text " * 20 for number in range(60)})
    told: list[tuple[int, int | None]] = []

    def note(event: Event) -> None:
        if isinstance(event, StepProgress):
            told.append((event.done, event.total))

    read(tmp_path, observer=note)
    assert len(told) > 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[0][0] > 0
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("operations", [None, OPERATIONS])
def test_texts_in_other_encodings_are_told_of(tmp_path: Path, operations: Mapping[str, Function] | None) -> None:
    text = "Der Müller aß süße Äpfel, während es draußen über den Häusern dämmerte. " * 4
    for name, encoding in (("a", "cp1252"), ("b", "cp1252"), ("c", "utf-16"), ("d", "utf-8")):
        (tmp_path / f"{name}.txt").write_bytes((text + name).encode(encoding))
    events: list[Event] = []
    manifest = read(tmp_path, operations=operations, observer=events.append)
    assert manifest.rows == 4
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "1 as utf-16" in warning
    assert "2 as cp125" in warning
    assert "corpus.a_read" in warning
