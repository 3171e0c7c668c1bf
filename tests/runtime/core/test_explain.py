"""What `plan` says will happen, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.plan import Guard, Normalisation, Plan, ReadDataset
from structdsl_runtime.executor import run
from structdsl_runtime.explain import preview
from structdsl_runtime.lock import StoreUnusable
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.sizes import sizes
from tests.runtime.core.toy_plan import KEEP, OPERATIONS, PLACE, STATS, plan, plan_of, step, table

ALL = tuple(step.address for step in plan().steps)


@pytest.fixture
def full(root: Path, store: Path) -> Path:
    run(plan(), root=root, store=store, operations=OPERATIONS)
    return store


def told(wanted: Plan, root: Path, store: Path) -> dict[str, tuple[str, ...]]:
    """Address -> action and reasons, of what is not reused."""
    entries = preview(wanted, root=root, store=store)
    return {entry.address: (entry.action, *entry.reasons) for entry in entries if entry.action != "reuse"}


def test_never_run(root: Path, store: Path) -> None:
    assert set(told(plan(), root, store).values()) == {("run", "never run")}
    assert not store.exists()


def test_up_to_date(root: Path, full: Path) -> None:
    assert told(plan(), root, full) == {}


def test_changed_sql_and_what_follows(root: Path, full: Path) -> None:
    after = "after corpus.x.keep (skipped if that comes out the same)"
    assert told(plan(keep=KEEP + " "), root, full) == {
        "corpus.x.keep": ("run", "its SQL changed"),
        "corpus.x": ("maybe", after),
        "corpus.x.count": ("maybe", after),
        "corpus.x.stats": ("maybe", after),
    }


def test_changed_arguments_by_name(root: Path, full: Path) -> None:
    changes = told(plan(hidden=16, limit=2), root, full)
    assert changes["model.m.load"] == ("run", "argument `hidden` 8 → 16")
    assert changes["corpus.x.read"] == ("run", "argument `limit` none → 2")
    assert changes["corpus.x.count"] == (
        "maybe",
        "after corpus.x.read, corpus.x.keep, model.m.load (skipped if that comes out the same)",
    )


def test_a_changed_structure_is_named_and_not_spelt_out(root: Path, full: Path) -> None:
    now = plan()
    read, *others = now.steps
    operation = read.operation.model_copy(update={"normalise": (Normalisation(what="unicode"),)})
    changed = now.model_copy(update={"steps": (read.model_copy(update={"operation": operation}), *others)})
    assert told(changed, root, full)["corpus.x.read"] == ("run", "argument `normalise` changed")


def test_changed_upstream_and_own_change(root: Path, full: Path) -> None:
    changes = told(plan(keep=KEEP + " ", stats="SELECT 1 AS n, 2 AS chars"), root, full)
    assert changes["corpus.x.stats"] == ("run", "its SQL changed", "after corpus.x.keep")


def test_changed_sources_by_name(root: Path, full: Path) -> None:
    (root / "data" / "a.txt").write_text("alpha!", encoding="utf-8")
    (root / "data" / "b.txt").unlink()
    for name in "xyz":
        (root / "data" / f"{name}.txt").write_text(name, encoding="utf-8")
    reasons = told(plan(), root, full)["corpus.x.read"]
    assert reasons == ("run", "source files changed: +3 ~1 -1 (x.txt, y.txt, z.txt, …)")


def test_a_pattern_that_names_no_file(root: Path, full: Path) -> None:
    wanted, missing = plan(pattern="none/*.txt"), "no file matches none/*.txt"
    changed = "argument `pattern` data/*.txt → none/*.txt"
    assert told(wanted, root, full)["corpus.x.read"] == ("run", missing, changed)
    for name in "abc":
        (root / "data" / f"{name}.txt").unlink()
    gone = "source files changed: +0 ~0 -3 (a.txt, b.txt, c.txt)"
    assert told(plan(), root, full)["corpus.x.read"] == ("run", "no file matches data/*.txt", gone)
    entries = {entry.address: entry for entry in preview(wanted, root=root, store=root / "new")}
    read, keep, load, count = map(entries.__getitem__, (*ALL[:2], *ALL[3:5]))
    assert read.own == (missing,)
    assert (keep.action, keep.own, keep.reasons, keep.chain) == ("run", (), ("after corpus.x.read",), (read.address,))
    assert load.own == ("never run",)
    assert (count.own, count.chain, count.origins) == ((), ("corpus.x", read.address), (read.address,))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("allenai/c4", "never run"),
        ("data", "never run"),
        ("./x", "`./x` cannot be read: there is no such folder"),
        ("/nowhere/x", "`/nowhere/x` cannot be read: there is no such folder"),
    ],
)
def test_a_data_set(root: Path, store: Path, name: str, reason: str) -> None:
    def of(limit: int | None) -> Plan:
        wanted = ReadDataset(corpus="h", role="replay", id=name, name=None, split="train", revision=None, limit=limit)
        outputs = {"documents": table("corpus.h_read", "doc_id VARCHAR, text VARCHAR")}
        return plan_of(step("corpus.h.read", wanted, outputs, sources=(name,)))

    assert told(of(None), root, store) == {"corpus.h.read": ("run", reason)}
    run(of(None), root=root, store=store, operations={"read_dataset": one_document})
    there = () if reason == "never run" else (reason,)
    changed = "argument `limit` none → 2"
    assert told(of(2), root, store) == {"corpus.h.read": ("run", *there, changed)}


def one_document(arguments: ReadDataset, inputs: Inputs, outputs: Outputs, context: Context) -> None:  # noqa: ARG001
    with outputs.table("documents") as documents:
        documents.row(doc_id="a", text="a")


def test_changed_input_after_a_partial_run(root: Path, full: Path) -> None:
    run(plan(keep=KEEP.replace("6", "2")), root=root, store=full, operations=OPERATIONS, only=["corpus.x.keep"])
    changes = told(plan(keep=KEEP.replace("6", "2")), root, full)
    assert changes["corpus.x.stats"] == ("run", "input corpus.x changed")


def test_lost_files(root: Path, full: Path) -> None:
    (file,) = full.glob("tables/corpus.x.keep/*/verdicts.parquet")
    file.unlink()
    assert told(plan(), root, full)["corpus.x.keep"] == ("run", "its result is no longer whole")


def test_a_preview_agrees_with_the_run(root: Path, full: Path) -> None:
    wanted = plan(keep=KEEP.replace("6", "7"), hidden=9)
    entries = {entry.address: entry.action for entry in preview(wanted, root=root, store=full)}
    result = run(wanted, root=root, store=full, operations=OPERATIONS)
    assert {address for address, action in entries.items() if action == "run"} <= set(result.ran)
    assert {address for address, action in entries.items() if action == "reuse"} <= set(result.reused)


def guard(sql: str, helps: tuple[str, ...] = ()) -> Guard:
    return Guard(code="E0505", sql=sql, helps=helps, place=PLACE)


def test_a_changed_guard_is_asked_again(root: Path, store: Path) -> None:
    passes, fails = "SELECT 'no' AS message WHERE false", "SELECT 'too much' AS message"
    before = plan(guards=(guard(passes),))
    run(before, root=root, store=store, operations=OPERATIONS)
    assert told(plan(guards=(guard(passes, helps=("other words",)),)), root, store) == {}
    wanted = plan(guards=(guard(fails),))
    assert told(wanted, root, store) == {"corpus.x.stats": ("run", "its guard changed")}
    failed = run(wanted, root=root, store=store, operations=OPERATIONS).failure
    assert failed is not None
    assert (failed.code, failed.message) == ("E0505", "too much")
    assert told(before, root, store) == {}


@pytest.mark.parametrize("name", [".structdsl", ".structdsl/toy"])
def test_a_file_where_the_store_should_be(root: Path, store: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("", encoding="utf-8")
    for use in (lambda: preview(plan(), root=root, store=store), lambda: run(plan(), root=root, store=store)):
        with pytest.raises(StoreUnusable, match="cannot be used"):
            use()


def test_chains_lead_to_what_was_changed(root: Path, full: Path) -> None:
    (root / "data" / "a.txt").write_text("alpha!", encoding="utf-8")
    entries = {entry.address: entry for entry in preview(plan(stats=STATS + " "), root=root, store=full)}
    read, keep, count, stats = (entries[f"corpus.x.{name}"] for name in ("read", "keep", "count", "stats"))
    assert (read.own, read.chain) == (("source files changed: +0 ~1 -0 (a.txt)",), ())
    assert (keep.own, keep.chain, keep.origins) == ((), ("corpus.x.read",), ("corpus.x.read",))
    assert count.chain == ("corpus.x", "corpus.x.read")
    assert (stats.own, stats.chain) == (("its SQL changed",), ("corpus.x", "corpus.x.read"))


def test_several_causes(root: Path, full: Path) -> None:
    entries = {entry.address: entry for entry in preview(plan(keep=KEEP + " ", hidden=16), root=root, store=full)}
    count = entries["corpus.x.count"]
    assert count.chain == ("model.m.load",)
    assert count.origins == ("corpus.x.keep", "model.m.load")


def test_sizes_of_what_was_made(root: Path, full: Path) -> None:
    wanted = plan(keep=KEEP + " ")
    found = {size.table: size for size in sizes(wanted, preview(wanted, root=root, store=full), full)}
    assert (found["corpus.x_read"].current, found["corpus.x_verdicts"].current) == (True, False)
    assert found["corpus.x_read"].rows >= found["corpus.x_counts"].rows > 0
    assert (found["corpus.x_read"].tokens, found["corpus.x_counts"].supervised) == (None, None)
    assert found["corpus.x_counts"].tokens
    assert "corpus.x" not in found
