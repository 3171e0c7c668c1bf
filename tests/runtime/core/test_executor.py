"""What a run does: what is carried out, what is reused, how it fails, and what it leaves in the store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from structdsl.plan import CountTokens, Guard, Plan, Query, Train, View
from structdsl.plan.operations import Optimizer, Schedule
from structdsl_runtime.events import Event, RunFinished, StepFailed, StepProgress, Warned, silent
from structdsl_runtime.executor import RunResult, run
from structdsl_runtime.journal import read_state
from structdsl_runtime.keys import decisive
from structdsl_runtime.lock import StoreInUse
from structdsl_runtime.operation import Context, Function, Inputs, Outputs
from structdsl_runtime.order import data_first, selected
from structdsl_runtime.store import Manifest
from tests.runtime.core.toy_plan import KEEP, OPERATIONS, PLACE, plan, plan_of, step, table

ALL = tuple(step.address for step in plan().steps)


def go(
    root: Path,
    wanted: Plan | None = None,
    *,
    only: tuple[str, ...] | None = None,
    operations: Mapping[str, Function] = OPERATIONS,
    seen: list[Event] | None = None,
) -> RunResult:
    return run(
        wanted or plan(),
        root=root,
        store=root / ".structdsl" / "toy",
        only=only,
        operations=operations,
        observer=silent if seen is None else seen.append,
    )


def manifest(store: Path, address: str) -> Manifest:
    (path,) = store.glob(f"*/{address}/*/manifest.json")
    return Manifest.model_validate_json(path.read_bytes())


def test_first_run_makes_everything(root: Path, store: Path) -> None:
    result = go(root)
    assert result.status == "done"
    assert (result.ran, result.reused, result.left) == (ALL, (), ())
    read = manifest(store, "corpus.x.read")
    assert read.outputs["documents"].rows == 2
    assert read.outputs["faults"].rows == 1
    assert read.outputs["documents"].columns["meta"] == "JSON"
    assert read.outputs["documents"].files == ("documents.parquet",)
    assert read.versions.keys() >= {"python", "duckdb", "pyarrow"}
    model = manifest(store, "model.m.load")
    assert model.outputs["model"].files == ("model/config.json", "model/weights/0.bin")
    assert (store / "checkpoints" / "model.m.load" / model.key / "manifest.json").exists()
    assert not any((store / "scratch").iterdir())


def test_second_run_does_nothing(root: Path) -> None:
    go(root)
    result = go(root)
    assert (result.ran, result.reused) == ((), ALL)


def test_run_with_nothing_to_do_loads_neither_duckdb_nor_arrow(root: Path, store: Path) -> None:
    go(root)
    code = f"""
import sys, time
from pathlib import Path
from toy_plan_json import PLAN
from structdsl.plan import Plan
from structdsl_runtime.executor import run
began = time.perf_counter()
result = run(Plan.model_validate_json(PLAN), root=Path({str(root)!r}), store=Path({str(store)!r}))
assert result.ran == ()
assert time.perf_counter() - began < 0.5
print([name for name in ("duckdb", "pyarrow", "rich", "torch", "transformers") if name in sys.modules])
"""
    (root / "toy_plan_json.py").write_text(f"PLAN = {plan().model_dump_json()!r}", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_change_that_yields_the_same_rows_goes_no_further(root: Path) -> None:
    go(root)
    result = go(root, plan(keep=KEEP.replace("< 6", "<= 6")))
    assert result.ran == ("corpus.x.keep",)


def test_a_change_reaches_what_depends_on_it_through_a_view(root: Path) -> None:
    go(root)
    result = go(root, plan(keep=KEEP.replace("< 6", "< 2")))
    assert result.ran == ("corpus.x.keep", "corpus.x", "corpus.x.count", "corpus.x.stats")
    assert go(root).ran == ()


def test_sources_count_by_content(root: Path) -> None:
    go(root)
    file = root / "data" / "a.txt"
    os.utime(file, (1, 1))
    assert go(root).ran == ()
    file.write_text("alpha beta", encoding="utf-8")
    assert go(root).ran == ()
    file.write_text("alpha bets", encoding="utf-8")
    assert go(root).ran[0] == "corpus.x.read"
    (root / "data" / "d.txt").write_text("delta echo", encoding="utf-8")
    assert go(root).ran[0] == "corpus.x.read"
    file.rename(root / "data" / "e.txt")
    assert go(root).ran[0] == "corpus.x.read"
    (root / "data" / "unrelated.md").write_text("x", encoding="utf-8")
    assert go(root).ran == ()


def test_the_place_of_the_spec_does_not_enter(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    go(root)
    moved = tmp_path_factory.mktemp("elsewhere") / "spec"
    shutil.copytree(root, moved)
    assert go(moved).ran == ()


def train(processes: int, lr: float) -> Train:
    schedule = Schedule(shape="cosine")
    return Train(
        stage="s",
        length=8,
        batch=1,
        optimizer=Optimizer(lr=lr, weight_decay=0.0, clip=1.0, schedule=schedule),
        steps=None,
        label_smoothing=0.0,
        precision="auto",
        seed=1,
        activation_checkpointing=False,
        processes=processes,
        deepspeed={"x": processes},
    )


def test_data_comes_before_training() -> None:
    log = {"log": table("stage.s_log", "step BIGINT")}
    first, second = step("stage.a", train(1, 0.1), log), step("stage.b", train(1, 0.1), log, {"model": "stage.a:log"})
    after = step("corpus.y", Query(sql=""), {"rows": table("corpus.y", "n BIGINT")}, {"log": "stage.a:log"})
    ordered = data_first((first, after, second, *plan().steps))
    assert [each.address for each in ordered] == [*ALL, "stage.a", "corpus.y", "stage.b"]


def test_cost_does_not_enter(root: Path) -> None:
    def one(operation: Train) -> Plan:
        return plan_of(step("stage.s", operation, {"log": table("stage.s_log", "step BIGINT")}))

    def write(arguments: Train, inputs: Inputs, outputs: Outputs, context: Context) -> None:  # noqa: ARG001 - protocol
        with outputs.table("log") as log:
            log.row(step=1)

    def ran(operation: Train) -> tuple[str, ...]:
        return go(root, one(operation), operations={"train": write}).ran

    assert "processes" not in decisive(one(train(1, 0.1)).steps[0])
    assert ran(train(1, 0.1)) == ("stage.s",)
    assert ran(train(2, 0.1)) == ()
    assert ran(train(2, 0.2)) == ("stage.s",)


def test_a_fault_ends_the_run_with_its_place(root: Path, store: Path) -> None:
    seen: list[Event] = []
    result = go(root, plan(pattern="none/*.txt"), seen=seen)
    assert result.status == "failed"
    failure = result.failure
    assert failure is not None
    assert (failure.address, failure.code, failure.place) == ("corpus.x.read", "E0513", PLACE)
    assert (failure.notes, failure.helps) == (("looked here",), ("look there",))
    assert result.left == ALL[1:]
    assert isinstance(seen[-2], StepFailed)
    assert isinstance(seen[-1], RunFinished)
    state = read_state(store / "runs" / result.run_id / "state.json")
    assert state is not None
    assert [step.status for step in state.steps] == ["failed", *["left"] * 5]
    assert (state.status, state.steps[0].error) == ("failed", "E0513: no file matches `none/*.txt`")
    assert go(root).ran == ALL


def test_a_guard_stops_its_step_and_keeps_what_was_done(root: Path) -> None:
    sql = "SELECT 'only ' || count(*) || ' documents' AS message FROM corpus.x HAVING count(*) < 5;"
    guard = Guard(code="E0505", sql=sql, helps=("read more",), place=PLACE)
    result = go(root, plan(guards=(guard,)))
    assert result.failure is not None
    assert (result.failure.code, result.failure.message) == ("E0505", "only 1 documents")
    assert result.failure.helps == ("read more",)
    assert result.ran == ALL[:-1]
    for name in "defgh":
        (root / "data" / f"{name}.txt").write_text("more text here", encoding="utf-8")
    assert go(root, plan(guards=(guard,))).status == "done"


def test_a_guard_over_values_that_do_not_fit_is_a_fault(root: Path) -> None:
    place = PLACE.model_copy(update={"line": 7})
    guard = Guard(code="E0505", sql="SELECT CAST(doc_id AS BIGINT) AS message FROM corpus.x", place=place)
    failure = go(root, plan(guards=(guard,))).failure
    assert failure is not None
    assert (failure.code, failure.place) == ("E0603", place)
    assert "Could not convert string" in failure.notes[0]


def test_what_is_prepared_is_prepared_once_the_store_is_held(root: Path, store: Path) -> None:
    prepared: list[str] = []

    def first() -> None:
        prepared.append("first")
        with pytest.raises(StoreInUse):
            run(plan(), root=root, store=store, prepare=lambda: prepared.append("second"))

    run(plan(), root=root, store=store, operations=OPERATIONS, prepare=first)
    assert prepared == ["first"]


def test_a_mistake_of_ours_is_raised_with_its_step(root: Path, store: Path) -> None:
    def broken(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:  # noqa: ARG001
        with outputs.table("counts") as counts:
            counts.row(doc_id="a", n_tokens=1)

    with pytest.raises(ValueError, match=r"missing \['input_ids'\]") as raised:
        go(root, operations={**OPERATIONS, "count_tokens": broken})
    assert "in step corpus.x.count (count_tokens)" in raised.value.__notes__[0]
    assert not list(store.glob("tables/corpus.x.count/*/manifest.json"))
    assert go(root).ran == ALL[4:]


def test_an_output_that_was_never_written_is_a_mistake(root: Path) -> None:
    def idle(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
        pass

    with pytest.raises(ValueError, match="never written"):
        go(root, operations={**OPERATIONS, "count_tokens": idle})


def test_sql_whose_columns_are_not_the_plans_is_a_mistake(root: Path) -> None:
    with pytest.raises(ValueError, match="in the plan"):
        go(root, plan(stats="SELECT 1 AS n"))


def test_only_takes_what_it_is_made_from(root: Path) -> None:
    assert go(root, only=("corpus.x.read",)).ran == ALL[:1]
    assert go(root, only=("corpus.x.keep",)).ran == ALL[1:3]  # and the view for which that is all
    assert go(root, only=("corpus.x.count",)).ran == ALL[3:5]
    with pytest.raises(KeyError, match="corpus"):
        selected(plan(), ("corpus.y",))


def test_what_is_selected_brings_the_account_of_its_rows(root: Path) -> None:
    guard = Guard(code="E0516", sql="SELECT 'nothing is left' AS message", helps=(), place=PLACE)
    rows = {"rows": table("corpus.x_dropped", "doc_id VARCHAR")}
    view = View(sql="SELECT doc_id FROM corpus.x_verdicts")
    reads = {"corpus.x_verdicts": "corpus.x.keep:verdicts"}
    wanted = plan_of(*plan().steps, step("corpus.x.dropped", view, rows, reads, guards=(guard,)))
    assert go(root, wanted, only=("corpus.x.read",)).status == "done"
    for only in (("corpus.x.count", "corpus.x.stats"), ("corpus.x.dropped",)):
        failure = go(root, wanted, only=only).failure
        assert failure is not None
        assert (failure.code, failure.address) == ("E0516", "corpus.x.dropped")


def test_dropped_rows_are_one_warning(root: Path) -> None:
    (root / "data" / "e.txt").write_text("", encoding="utf-8")
    seen: list[Event] = []
    go(root, seen=seen)
    messages = [event.message for event in seen if isinstance(event, Warned)]
    assert messages == ["corpus.x: 2 rows dropped while reading (2 empty); SELECT * FROM corpus.x_faults"]
    assert any(isinstance(event, StepProgress) and event.total == 4 for event in seen)


def test_a_lost_file_is_made_again(root: Path, store: Path) -> None:
    go(root)
    (store / "tables" / "corpus.x.read" / manifest(store, "corpus.x.read").key / "documents.parquet").unlink()
    assert go(root).ran == ("corpus.x.read",)


def test_a_result_of_another_shape_is_made_again(root: Path) -> None:
    go(root)
    wanted = plan()
    read = wanted.steps[0]
    columns = (
        *read.outputs["faults"].columns[:1],
        read.outputs["faults"].columns[1].model_copy(update={"name": "why"}),
    )
    outputs = {**read.outputs, "faults": read.outputs["faults"].model_copy(update={"columns": columns})}
    changed = wanted.model_copy(update={"steps": (read.model_copy(update={"outputs": outputs}), *wanted.steps[1:])})
    with pytest.raises(ValueError, match="why"):
        go(root, changed)


def test_events_are_json_lines(root: Path, store: Path) -> None:
    result = go(root)
    lines = (store / "runs" / result.run_id / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert events[0]["event"] == "run_started"
    assert events[-1] == {**events[-1], "event": "run_finished", "status": "done", "ran": 5}  # a view is not run
    assert [event["address"] for event in events if event["event"] == "step_finished"] == list(ALL)
    assert all(event["time"].endswith("Z") for event in events)


def test_types_are_cast_to_the_plans(root: Path, store: Path) -> None:
    operation = Query(sql="SELECT 1::TINYINT AS n, NULL AS chars;  ")
    go(root, plan_of(step("corpus.x.stats", operation, {"stats": table("corpus.x_stats", "n BIGINT, chars DOUBLE")})))
    assert manifest(store, "corpus.x.stats").outputs["stats"].columns == {"n": "BIGINT", "chars": "DOUBLE"}


def test_the_catalog_opens_in_plain_duckdb(root: Path, store: Path) -> None:
    go(root)
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT doc_id FROM corpus.x").fetchall() == [("a.txt",)]
        assert connection.execute("SELECT n, chars FROM corpus.x_stats").fetchall() == [(1, 10)]
        comments = dict(
            connection.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall()
        )
        assert comments["x_read"] == "Table corpus.x_read: it's a toy."
        status = connection.execute("SELECT status, count(*) FROM meta.steps GROUP BY ALL").fetchall()
        assert status == [("done", 6)]
    assert time.time() - (store / "catalog.duckdb").stat().st_mtime < 60
