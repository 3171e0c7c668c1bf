"""A source read in parts: as if it was read at once, and nothing is read twice."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from structdsl.compile import compile_text
from structdsl_runtime.events import Event, Observer, StepProgress, Warned, silent
from structdsl_runtime.executor import Interrupted, RunResult, run
from structdsl_runtime.operation import Function
from structdsl_runtime.operations import OPERATIONS
from structdsl_runtime.reading import in_parts
from structdsl_runtime.sources import Sources
from structdsl_runtime.store import Manifest
from structdsl_runtime.tasks import finished

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
) -> RunResult:
    plan, sink = compile_text(
        'language 1\ncorpus a { source = files("*.*"), role = domain, redact = email }\n', Path("toy.adapt")
    )
    assert plan is not None, list(sink)
    return run(
        plan, root=folder, store=folder / store, only=[READ], operations=operations, workers=1, observer=observer
    )


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
            left = faults.order("source").project("source, reason").fetchall()
            placed, ids = (rows.order("doc_id").project("doc_id").fetchall() for rows in (offsets, documents))
        assert texts == [(f"in {first}",)]
        assert placed == ids
        others = [(f"{name}.jsonl#L1", "duplicate id") for name in "bcd" if name != first]
        assert left == others
    assert digests(manifest) == digests(read(tmp_path, "whole", OPERATIONS))


def test_a_file_that_changed_since_it_was_hashed_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        write(tmp_path, f"{name}.jsonl", {name: "some text"})
    hashed = Sources.listing

    def listing(self: Sources, pattern: str, *, folders: bool = True) -> dict[str, str]:
        found = hashed(self, pattern, folders=folders)
        write(tmp_path, "b.jsonl", {"b": "more text than before"})
        return found

    monkeypatch.setattr(Sources, "listing", listing)
    result = carried_out(tmp_path)
    assert result.failure is not None
    assert "E0515" in str(result.failure)
    assert "b.jsonl" in str(result.failure)
    monkeypatch.undo()
    assert read(tmp_path).rows == 2


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
