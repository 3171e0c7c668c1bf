"""A disk that is full, and memory that ran out, wherever a run meets them: one fault, and nothing finished is lost."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import Any

import duckdb
import pytest

from structdsl.compile import compile_text
from structdsl_runtime import catalog
from structdsl_runtime.executor import RunResult, run
from structdsl_runtime.journal import Journal
from structdsl_runtime.room import StoreFull, no_room
from structdsl_runtime.sources import Sources
from structdsl_runtime.store import Manifest, Store

SPEC = 'language 1\ncorpus a { source = files("*.jsonl"), role = replay, dedup = exact }\n'
WRITES: list[tuple[Any, str]] = [
    (Store, "commit"),
    (Sources, "keep"),
    (Sources, "save"),
    (Journal, "observe"),
    (Journal, "save"),
    (catalog, "build"),
]


def go(folder: Path, store: str = "store") -> RunResult:
    plan, sink = compile_text(SPEC, Path("s.adapt"))
    assert plan is not None, list(sink)
    return run(plan, root=folder, store=folder / store, workers=1)


def digests(folder: Path, store: str) -> dict[str, str]:
    manifests = (
        Manifest.model_validate_json(path.read_bytes()) for path in (folder / store).glob("tables/*/*/manifest.json")
    )
    return {f"{found.address}:{name}": made.digest for found in manifests for name, made in found.outputs.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "one"}\n{"id": 2, "text": "one"}\n', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize(("owner", "name"), WRITES)
def test_a_full_disk_is_one_fault_wherever_it_is_met(folder: Path, owner: Any, name: str, after: int) -> None:
    """From the call `after` on nothing can be written there, and the journal cannot be written either."""
    calls = 0

    def full(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments, **more)

    def later(*arguments: Any, **more: Any) -> Any:
        if calls > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return observe(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        write, observe = getattr(owner, name), Journal.observe
        patch.setattr(Journal, "observe", later)
        patch.setattr(owner, name, full)
        try:
            result = go(folder)
            code = result.failure.code if result.failure is not None else None
        except StoreFull as error:
            code = error.fault.code
    assert (code == "E0841") == (calls > after)
    assert go(folder).status == "done"
    assert go(folder, "undisturbed").status == "done"
    assert digests(folder, "store") == digests(folder, "undisturbed")


@pytest.mark.parametrize(
    "error",
    [
        duckdb.OutOfMemoryException("Out of Memory Error: no block"),
        OSError("Out of Memory Error: ArrowBuffer: failed to allocate 2097152 bytes"),
        MemoryError(),
    ],
)
def test_memory_that_ran_out_is_no_bug(tmp_path: Path, error: Exception) -> None:
    fault = no_room(error, tmp_path)
    assert fault is not None
    assert (fault.code, fault.message[:15]) == ("E0842", "memory ran out:")


@pytest.mark.parametrize(
    "error", [OSError(errno.EFBIG, "File too large"), duckdb.IOException("IO Error: File too large")]
)
def test_a_limit_on_the_size_of_files_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for limit, says in ((3 << 20, "a limit on the size of files was met: 3.0 MiB"), (resource.RLIM_INFINITY, "up to")):
        monkeypatch.setattr("resource.getrlimit", lambda _, limit=limit: (limit, limit))
        fault = no_room(error, tmp_path)
        assert fault is not None
        assert (fault.code, says in fault.notes[0], "free" in fault.notes[0]) == ("E0841", True, False)


def test_a_full_disk_in_the_words_of_libraries(tmp_path: Path) -> None:
    said = "IO Error: Could not write file: No space left on device"
    for error in (duckdb.IOException(said), OSError(errno.EFBIG, "File too large")):
        assert no_room(error, tmp_path / "not there yet") is not None
    for error in (duckdb.IOException("IO Error: no such file"), OSError(errno.ENOENT, "No such file")):
        assert no_room(error, tmp_path) is None
