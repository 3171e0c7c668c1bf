"""Row-wise steps in parts: the same tables whoever makes them, and only what is new is made."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from structdsl.compile import compile_text
from structdsl_runtime import partition, parts, pool
from structdsl_runtime.ask import query
from structdsl_runtime.events import Event, StepProgress, silent
from structdsl_runtime.executor import RunResult, run
from structdsl_runtime.operations import lay_out
from structdsl_runtime.reading import in_parts
from structdsl_runtime.relations import Relation
from structdsl_runtime.store import Manifest, Produced

SPEC = """
language 1
project toy { seed = 1 }
corpus t { source = files("vocabulary.jsonl"), role = domain }
corpus a {
  source  = files("data/*.jsonl")
  role    = domain
  keep    = sql "n_tokens > 3"
  holdout = 10%
  chunk   = paragraphs(max = 64 tokens)
}
model m { source = scratch(hidden = 32, layers = 1, heads = 2), tokenizer = bpe(vocab = 300, over = [corpus.t]) }
mixture x { weights = natural(over = [corpus.a]), budget = 3k tokens }
stage s: cpt { from = model.m, data = mixture.x, length = 64, batch = 128 tokens }
"""
PACK = "stage.s.pack"
ROWS = ("corpus.a.count", "corpus.a.chunk")
WORDS = "heart valve lung airway liver bile kidney salt bone marrow nerve skin".split()  # noqa: SIM905 - a list of words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("vocabulary", "data/a", "data/b"):
        write(tmp_path, name)
    return tmp_path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table is worth parts, and a few kilobytes are one."""
    monkeypatch.setattr(in_parts, "TOGETHER", 4000)
    monkeypatch.setattr(partition, "WORTH", 0)
    monkeypatch.setattr(parts, "PART_BYTES", 1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, parts.Portion]]:
    """What each part of a step reads only some rows of."""
    found: list[dict[str, parts.Portion]] = []
    restricted = parts.restricted

    def watched(relations: list[Relation], own: dict[str, parts.Portion]) -> tuple[Relation, ...]:
        found.append(own)
        return restricted(relations, own)

    monkeypatch.setattr(parts, "restricted", watched)
    return found


def write(folder: Path, name: str, documents: int = 60, most: int = 120) -> None:
    rng = random.Random(name)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(1, most))) for _ in range(documents)]
    lines = [f'{{"id": "{name}{number}", "text": "{text}"}}\n' for number, text in enumerate(texts)]
    (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def go(
    folder: Path,
    store: str = "store",
    workers: int = 1,
    observer: Callable[[Event], None] = silent,
    spec: str = SPEC,
) -> RunResult:
    plan, sink = compile_text(spec, Path("toy.adapt"))
    assert plan is not None, list(sink)
    return run(plan, root=folder, store=folder / store, only=[PACK], workers=workers, observer=observer)


def digests(folder: Path, store: str) -> dict[str, str]:
    found = (
        Manifest.model_validate_json(path.read_bytes()) for path in (folder / store).glob("tables/*/*/manifest.json")
    )
    return {
        f"{m.address}:{name}": made.digest for m in found for name, made in m.outputs.items() if made.kind == "table"
    }


def made(folder: Path, address: str) -> set[Path]:
    return set((folder / "store" / "tables" / address / "parts").iterdir())


def test_the_same_tables_at_once_in_parts_and_in_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert go(folder, "parts").status == "done"
    assert go(folder, "pool", workers=2).status == "done"
    monkeypatch.setattr(pool, "LONGEST", 0)
    assert go(folder, "spawned", workers=2).status == "done"
    monkeypatch.setattr(partition, "WORTH", 1 << 60)
    assert go(folder, "whole").status == "done"
    assert digests(folder, "parts") == digests(folder, "whole") == digests(folder, "pool") == digests(folder, "spawned")
    for address in ROWS:
        assert len(list((folder / "parts" / "tables" / address / "parts").iterdir())) > 2, address
        assert not (folder / "whole" / "tables" / address / "parts").exists()


def test_a_changed_condition_leaves_parts_alone_that_it_does_not_touch(folder: Path) -> None:
    go(folder)
    before = {address: made(folder, address) for address in ROWS}
    (manifest,) = (folder / "store" / "tables" / "corpus.a.chunk").glob("*/manifest.json")
    manifest.unlink()
    assert "corpus.a.chunk" in go(folder).ran
    assert {address: made(folder, address) for address in ROWS} == before


def test_a_part_reads_the_counts_of_its_own_documents_alone(folder: Path, read: list[dict[str, parts.Portion]]) -> None:
    assert go(folder).status == "done"
    cut = [own for own in read if "corpus.a_counts" in own]
    assert len(cut) > 2
    assert {tuple(own) for own in cut} == {("corpus.a_read", "corpus.a_counts")}
    assert len({own["corpus.a_counts"].select for own in cut}) == len(cut)


def test_rows_are_filled_from_the_files_that_their_samples_lie_in(
    folder: Path, read: list[dict[str, parts.Portion]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "data/a", documents=9000, most=12)
    monkeypatch.setattr(in_parts, "TOGETHER", 1 << 20)
    monkeypatch.setattr(lay_out, "TOGETHER", 1)
    spec = SPEC.replace("3k tokens", "140k tokens")
    assert go(folder, "parts", spec=spec).status == "done"
    files = [own["stage.s_tokens"].files for own in read if "stage.s_layout" in own]
    assert len(files) > 2
    assert files[0] != files[-1]
    assert {len(those) for those in files} == {1, 2}
    monkeypatch.setattr(partition, "WORTH", 1 << 60)
    monkeypatch.setattr(lay_out, "TOGETHER", 1 << 30)
    assert go(folder, "whole", spec=spec).status == "done"
    assert digests(folder, "parts") == digests(folder, "whole")


def test_no_document_is_lost_where_its_counts_are_of_other_parts(folder: Path) -> None:
    """What was counted as a source grew lies in other parts than what is read anew, and as many rows in each."""
    spec = SPEC.replace("data/*.jsonl", "notes/*.md")
    (folder / "notes").mkdir()
    for turn in (0, 1):
        for number in range(turn, 80, 2):
            (folder / "notes" / f"{number:02}.md").write_text(
                f"{number:02} " + "heart and lung " * 26, encoding="utf-8"
            )
        plan, _ = compile_text(spec, Path("toy.adapt"))
        assert plan is not None
        assert run(plan, root=folder, store=folder / "store", only=["corpus.a.chunk"]).status == "done"
    changed = spec.replace('.md")', '.md"), redact = email').replace("max = 64", "max = 63")
    plan, _ = compile_text(changed, Path("toy.adapt"))
    assert plan is not None
    result = run(plan, root=folder, store=folder / "store", only=["corpus.a.chunk"])
    assert "corpus.a.read" in result.ran
    assert "corpus.a.count" not in result.ran
    assert "corpus.a.chunk" in result.ran
    kept, cut = (
        query(folder / "store", f"SELECT count(DISTINCT doc_id) FROM {table}").rows
        for table in ("corpus.a_kept", "corpus.a_cut")
    )
    assert kept == cut


def test_what_a_killed_run_left_of_parts_is_removed(folder: Path) -> None:
    go(folder)
    finished = made(folder, "corpus.a.count")
    draft = next(iter(finished)).with_name(".0123.45")
    (draft / "scratch").mkdir(parents=True)
    go(folder)
    assert not draft.exists()
    assert made(folder, "corpus.a.count") == finished


def test_workers_are_begun_before_the_run_itself_imports_where_there_is_work_for_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[pool.Pool] = []

    def begin(self: pool.Pool) -> None:
        begun.append(self)

    monkeypatch.setattr(pool.Pool, "begin", begin)
    monkeypatch.setattr(in_parts, "TOGETHER", 1 << 20)
    plan, _ = compile_text(SPEC, Path("toy.adapt"))
    assert plan is not None
    for worth, expected in ((1 << 20, False), (1000, True)):
        monkeypatch.setattr(partition, "WORTH_READING", worth)
        run(plan, root=folder, store=folder / str(worth), only=["corpus.a.read"], workers=2)
        assert bool(begun) == expected


def test_a_killed_worker_is_a_fault_and_its_parts_are_made_again(folder: Path) -> None:
    killed: list[int] = []

    def kill(event: Event) -> None:
        if isinstance(event, StepProgress) and event.address in ROWS and not killed:
            for worker in multiprocessing.active_children():
                worker.kill()
                killed.append(worker.pid or 0)

    result = go(folder, workers=2, observer=kill)
    assert killed
    if result.failure is not None:  # the last part may have been finished already
        assert result.failure.code == "E0840"
        result = go(folder, workers=2)
    assert result.status == "done"
    assert go(folder, "undisturbed").status == "done"
    assert digests(folder, "store") == digests(folder, "undisturbed")


def test_parts_of_rows_in_another_order_are_others(tmp_path: Path) -> None:
    """Else those that a killed run has left would be joined with parts that have other rows."""
    made = Produced(
        kind="table", table="a.t", columns={"n": "BIGINT"}, files=("t.parquet",), rows=1000, bytes=0, digest=""
    )
    marks = []
    for numbers in (range(1000), reversed(range(1000))):
        pq.write_table(pa.table({"n": pa.array(list(numbers))}), tmp_path / "t.parquet", row_group_size=100)
        portions = parts.portions_of(partition.Main(input="t", table="a.t", made=made, folder=tmp_path, views=()))
        marks.append({portion.mark for portion in portions})
    assert len(marks[0]) == 10
    assert not marks[0] & marks[1]


@pytest.mark.parametrize(("together", "rows"), [(1, [100] * 10), (1 << 40, [1000]), (2500, [300, 200, 300, 200])])
def test_a_table_made_at_once_is_cut_into_like_portions(tmp_path: Path, together: int, rows: list[int]) -> None:
    table = pa.table({"n": pa.array(np.random.default_rng(0).integers(1 << 62, size=1000))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100, use_dictionary=False)
    made = Produced(
        kind="table", table="a.t", columns={"n": "BIGINT"}, files=("t.parquet",), rows=1000, bytes=0, digest=""
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_BYTES", together)
        portions = parts.portions_of(partition.Main(input="t", table="a.t", made=made, folder=tmp_path, views=()))
    assert [portion.rows for portion in portions] == rows
    assert [portion.start for portion in portions[1:]] == [portion.stop for portion in portions[:-1]]
