"""Worker processes: from what they are forked, that they do not outlive the run, and what an engine keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from structdsl_runtime.engine import Engine
from structdsl_runtime.machine import memory_limit, share_of_workers
from structdsl_runtime.relations import Relation

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def said(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_workers_are_forked_from_has_no_threads_and_leaves_interrupts_to_the_run() -> None:
    program = """
import os, signal
import structdsl_runtime.preload
print(len(os.listdir("/proc/self/task")), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""
    assert said(program) == "1 True"


def test_workers_encode_on_one_thread_each() -> None:
    program = """
import os
import structdsl_runtime.preload
from tokenizers import Tokenizer, models
Tokenizer(models.BPE({"a": 0}, [])).encode_batch(["a"] * 10_000)
print(len(os.listdir("/proc/self/task")))
"""
    assert int(said(program)) <= 1 + 1


def test_a_pool_that_is_not_begun_costs_a_run_no_imports() -> None:
    program = """
import sys
import structdsl_runtime.pool, structdsl_runtime.executor
print([name for name in ("duckdb", "pyarrow", "numpy") if name in sys.modules])
"""
    assert said(program) == "[]"


def test_a_killed_worker_ends_the_pool(tmp_path: Path) -> None:
    """However much is left to do; the next tasks have new workers."""
    program = f"""
import os, signal
from dataclasses import dataclass
from pathlib import Path
from structdsl_runtime.operation import Fault
from structdsl_runtime import pool
from structdsl_runtime.pool import Pool

@dataclass
class Task:
    size: int = 1

def carry_out(task):
    if task.size == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()

pool._carry_out = carry_out
if __name__ == "__main__":
    own = Pool(2, 1 << 28, Path({str(tmp_path)!r}))
    try:
        list(own.map([Task(), Task(2), *[Task()] * 6000]))
    except Fault as fault:
        print(fault.code, own._pool)
    print(len(list(own.map([Task()] * 9))))
    own.close()
"""
    script = tmp_path / "killed.py"
    script.write_text(program, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, str(script)], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout == "E0840 None\n9\n"


@pytest.mark.parametrize(("imported", "noted"), [("", True), ("import structdsl.cli.main", False)])
def test_only_a_script_is_told_to_guard_itself(tmp_path: Path, imported: str, noted: bool) -> None:  # noqa: FBT001
    program = f"""
{imported}
from pathlib import Path
from structdsl_runtime.operation import Fault
from structdsl_runtime.pool import UNGUARDED, Pool

try:
    with Pool(2, 1 << 28, Path({str(tmp_path)!r}))._killed_is_a_fault(EOFError):
        raise EOFError
except Fault as fault:
    print(UNGUARDED in fault.notes)
"""
    script = tmp_path / "killed.py"
    script.write_text(program, encoding="utf-8")
    ended = subprocess.run([sys.executable, str(script)], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{noted}\n"


def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import os, time
from pathlib import Path
from structdsl_runtime.pool import Pool

if __name__ == "__main__":
    pool = Pool(2, 1 << 28, Path({str(tmp_path)!r}))
    try:
        list(pool.map([]))
    finally:
        pool._pool.submit(os.getpid).result()
        print("ready", flush=True)
        time.sleep(60)
"""
    script = tmp_path / "pool.py"
    script.write_text(program, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, str(script)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    assert len(of_session(run.pid)) > 2  # what they are forked from, and a worker
    run.kill()
    run.wait()
    end = time.monotonic() + 20
    while of_session(run.pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not of_session(run.pid)


def of_session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "spilled", memory=200_000_000, threads=1)


def named(table: str, select: str) -> Relation:
    return Relation(table=table, select=select, doc="", columns=())


def test_an_engine_shows_what_it_is_told_and_nothing_else(engine: Engine) -> None:
    double = named("corpus.double", "SELECT n * 2 AS n FROM corpus.a")
    for start in (1, 5):
        engine.show([named("corpus.a", f"SELECT {start} AS n"), double])
        assert engine.connection.execute("FROM corpus.double").fetchall() == [(2 * start,)]
    engine.show([named("corpus.b", "SELECT 1 AS n")])
    with pytest.raises(duckdb.CatalogException):
        engine.connection.execute("FROM corpus.a")
    engine.show([])
    assert engine.connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []


def test_what_was_spilled_goes_with_the_query_and_a_limit_with_its_block(engine: Engine, tmp_path: Path) -> None:
    def limit() -> object:
        return engine.connection.execute("SELECT current_setting('memory_limit')").fetchall()

    def spilled() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "spilled").iterdir())

    before = limit()
    with engine.limited(100_000_000):
        assert limit() != before
        sorted_ = "SELECT n, repeat('x', 400) || n AS text FROM range(400000) AS r(n) ORDER BY hash(n)"
        reader = engine.connection.sql(sorted_).to_arrow_reader(4096)
        next(reader)
        assert spilled() > 1_000_000
        assert sum(batch.num_rows for batch in reader) == 400_000 - 4096
        del reader
    assert limit() == before
    assert spilled() < 1000


def test_all_engines_together_have_what_the_machine_gives() -> None:
    assert 0 < share_of_workers() < memory_limit()
