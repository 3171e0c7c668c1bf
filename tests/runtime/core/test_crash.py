"""Killed, interrupted and crossed runs: a store holds whole results or none, and the next run completes it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from structdsl.plan import Query
from structdsl_runtime.executor import run
from structdsl_runtime.journal import read_state, run_ids
from structdsl_runtime.lock import StoreInUse, exclusive
from structdsl_runtime.store import Manifest, Store
from tests.runtime.core.toy_plan import OPERATIONS, plan, plan_of, step, table

ROUNDS = 8


def start(root: Path, store: Path, program: str | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = [str(Path(__file__).parent / "toy_plan.py"), str(root), str(store)] if program is None else ["-c", program]
    return subprocess.Popen(
        [sys.executable, *script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads are running here
    )


def heed_interrupts() -> None:
    """A shell starts what it puts in the background deaf to SIGINT, and so would be all that these tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(path: Path, text: str, seconds: float = 20.0) -> None:
    """Until an event of some run says this."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(text in file.read_text(encoding="utf-8") for file in path.glob("runs/*/events.jsonl")):
            return
        time.sleep(0.01)
    raise TimeoutError(text)


def digests(store: Path) -> dict[str, str]:
    found = {}
    place = Store(root=store)
    for each in plan().steps:
        manifest = place.latest(each)
        assert manifest is not None
        found.update({f"{each.address}:{name}": made.digest for name, made in manifest.outputs.items()})
    return found


def assert_whole(store: Path) -> None:
    """Every committed table has the rows that its manifest says, and the catalog reads no other."""
    for path in store.glob("*/*/*/manifest.json"):
        manifest = Manifest.model_validate_json(path.read_bytes())
        for made in (made for made in manifest.outputs.values() if made.kind == "table"):
            files = [str(path.parent / name) for name in made.files]
            assert duckdb.read_parquet(files).count("*").fetchall() == [(made.rows,)]
    if (store / "catalog.duckdb").exists():
        with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as connection:
            names = connection.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'corpus'").fetchall()
            for (name,) in names:
                connection.execute(f'SELECT * FROM corpus."{name}"').fetchall()


def test_killed_at_any_moment(root: Path, store: Path) -> None:
    for number in range(40):
        (root / "data" / f"n{number}.txt").write_text(f"text of document {number}", encoding="utf-8")
    began = time.monotonic()
    start(root, root / "undisturbed").communicate()
    whole = time.monotonic() - began
    expected = digests(root / "undisturbed")
    chance = random.Random(1)
    for _ in range(ROUNDS):
        process = start(root, store)
        time.sleep(whole * chance.uniform(0.2, 0.95))
        process.kill()
        process.communicate()
        assert_whole(store)
    process = start(root, store)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), out
    assert_whole(store)
    assert digests(store) == expected
    states = [read_state(store / "runs" / name / "state.json") for name in run_ids(store / "runs")]
    assert {state.status for state in states if state is not None} <= {"killed", "done"}
    assert not list(store.glob("scratch/*"))


def test_a_killed_run_continues_after_its_last_step(root: Path, store: Path) -> None:
    program = f"""
import os
from pathlib import Path
from tests.runtime.core.toy_plan import OPERATIONS, plan
from structdsl_runtime.executor import run

def die(arguments, inputs, outputs, context):
    with outputs.table("counts") as counts:
        counts.row(doc_id="half", n_tokens=1, input_ids=[])
        os.kill(os.getpid(), 9)

run(plan(), root=Path({str(root)!r}), store=Path({str(store)!r}), operations={{**OPERATIONS, "count_tokens": die}})
"""
    process = start(root, store, program)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(store.glob("tables/corpus.x.count/*/counts.parquet"))
    result = run(plan(), root=root, store=store, operations=OPERATIONS)
    assert result.ran == ("corpus.x.count", "corpus.x.stats")
    first = read_state(store / "runs" / run_ids(store / "runs")[0] / "state.json")
    assert first is not None
    assert (first.status, first.steps[4].status, first.steps[5].status) == ("killed", "failed", "left")


def test_two_runs_on_one_store(root: Path, store: Path) -> None:
    with exclusive(store), pytest.raises(StoreInUse, match=f"pid {os.getpid()} on ") as raised:
        run(plan(), root=root, store=store, operations=OPERATIONS)
    assert raised.value.code == "E0804"
    assert run(plan(), root=root, store=store, operations=OPERATIONS).status == "done"


def test_a_forked_worker_does_not_keep_the_lock(store: Path) -> None:
    born, tell = os.pipe()
    with exclusive(store):
        child = os.fork()
        if child == 0:
            os.write(tell, b"1")
            time.sleep(30)
            os._exit(0)
        os.read(born, 1)
    try:
        with exclusive(store):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_a_python_step(root: Path, store: Path, sent: signal.Signals) -> None:
    for number in range(2000):
        (root / "data" / f"n{number}.txt").write_text(f"text of document {number}", encoding="utf-8")
    process = start(root, store)
    wait_for(store, '"event": "step_started", "address": "corpus.x.count"')
    process.send_signal(sent)
    _, err = process.communicate(timeout=20)
    assert "Interrupted" in err.splitlines()[-1]
    assert "2 steps left" in err.splitlines()[-1]
    last = run_ids(store / "runs")[-1]
    state = read_state(store / "runs" / last / "state.json")
    assert state is not None
    assert state.status == "interrupted"
    lines = (store / "runs" / last / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["status"] == "interrupted"
    assert_whole(store)
    kept = tuple(step.address for step in plan().steps[:4])
    assert run(plan(), root=root, store=store, operations=OPERATIONS, only=kept).reused == kept


@pytest.mark.parametrize("after", [0.0, 0.3, 1.5])
def test_interrupted_in_duckdb(root: Path, store: Path, after: float) -> None:
    """Early signals meet the imports of the first step, late ones the query."""
    sql = "SELECT sum(a.range * b.range) AS n FROM range(100000000) a, range(1000000) b"
    endless = plan_of(step("corpus.x.stats", Query(sql=sql), {"stats": table("corpus.x_stats", "n HUGEINT")}))
    program = f"""
from pathlib import Path
from tests.runtime.core.toy_plan import OPERATIONS
from structdsl.plan import Plan
from structdsl_runtime.executor import run
run(Plan.model_validate_json({endless.model_dump_json()!r}), root=Path({str(root)!r}), store=Path({str(store)!r}),
    operations=OPERATIONS)
"""
    process = start(root, store, program)
    wait_for(store, '"event": "step_started"')
    time.sleep(after)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert "Interrupted" in err.splitlines()[-1]
