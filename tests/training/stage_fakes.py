"""Inputs and outputs of an operation without an executor: tables are lists of rows, folders are folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoModelForCausalLM

from structdsl.plan import Train
from structdsl.plan.operations import Optimizer, Schedule
from structdsl_runtime.operation import Context
from structdsl_runtime.operations.train import train


@dataclass
class FakeInputs:
    tables: dict[str, pa.Table] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return (*self.tables, *self.folders)

    def batches(
        self, name: str, *, columns: str = "*", where: str = "", order: str = "", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        assert not where, "no operation of training asks for some rows"
        table = self.tables[name]
        if order:
            table = table.sort_by([(column.strip(), "ascending") for column in order.split(",")])
        if columns != "*":
            table = table.select([column.strip().strip('"') for column in columns.split(",")])
        yield from table.combine_chunks().to_batches(max_chunksize=rows)

    def rows(self, name: str, *, columns: str = "*", order: str = "") -> Iterator[dict[str, Any]]:
        for batch in self.batches(name, columns=columns, order=order):
            yield from batch.to_pylist()

    def count(self, name: str) -> int:
        return int(self.tables[name].num_rows)

    def folder(self, name: str) -> Path:
        return self.folders[name]


@dataclass
class FakeWriter:
    kept: list[dict[str, Any]]

    def cut(self) -> None:
        pass

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        self.kept.extend(batch.to_pylist())

    def row(self, **values: Any) -> None:
        self.kept.append(values)


@dataclass
class FakeOutputs:
    root: Path
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return tuple(self.tables)

    def select(self, name: str, sql: str, *, by: str | None = None) -> None:
        raise NotImplementedError(name, sql)

    @contextmanager
    def table(self, name: str) -> Iterator[FakeWriter]:
        yield FakeWriter(self.tables.setdefault(name, []))

    def link(self, name: str, files: Sequence[Path]) -> None:
        self.tables[name] = [row for path in files for row in pq.read_table(path).to_pylist()]

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def context(
    folder: Path, address: str = "stage.learn.train", root: Path | None = None, warnings: list[str] | None = None
) -> Context:
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    return Context(
        address=address,
        root=root or folder,
        scratch=scratch,
        log=folder / "step.log",
        progress=lambda *_: None,
        warn=print if warnings is None else warnings.append,
        run=folder,
        kept=folder / "unfinished" / address / "key",
        shared=folder / "shared",
        decides={"input model": "a teacher"},
    )


def packed(count: int, length: int, *, vocabulary: int = 256, end: int = 256, seed: int = 0) -> pa.Table:
    """Rows of packed samples with prompts of a third masked and a padding tail, as the operation `pack` makes them."""
    rng = np.random.default_rng(seed)
    rows = []
    for row in range(count):
        ids, labels = np.full(length, end), np.full(length, -100)
        segments: list[dict[str, int]] = []
        start = 0
        while start < length - 6:
            size = min(int(rng.integers(4, 24)), length - start)
            ids[start : start + size] = rng.zipf(1.5, size) % vocabulary
            masked = max(1, size // 3)
            labels[start + masked : start + size] = ids[start + masked : start + size]
            segments.append({"position": 100 * row + len(segments), "piece": 0, "start": start, "length": size})
            start += size
        rows.append(
            {
                "row": row,
                "input_ids": ids.tolist(),
                "labels": labels.tolist(),
                "segments": segments,
                "n_supervised": int((labels != -100).sum()),
                "density": start / length,
            }
        )
    return pa.Table.from_pylist(rows)


CORPORA = ("notes", "web")


def samples(rows: pa.Table) -> pa.Table:
    """The samples of packed rows, in turn of either corpus; what they say plays no part."""
    segments: list[Any] = rows["segments"].to_pylist()
    positions = sorted({segment["position"] for row in segments for segment in row})
    corpora = [CORPORA[position % 2] for position in positions]
    return pa.table(
        {
            "position": pa.array(positions, pa.int64()),
            "sample_id": [f"{corpus}/{position}" for corpus, position in zip(corpora, positions, strict=True)],
            "corpus": pa.array(corpora, pa.string()),
            "doc_id": [f"{position}.md" for position in positions],
            "prompt": ["What?"] * len(positions),
            "n_supervised": pa.array([0] * len(positions), pa.int64()),
            "mask_reason": ["prompt"] * len(positions),
        }
    )


def train_arguments(**changes: Any) -> Train:
    """A stage of rows of 64 positions, four a step."""
    schedule = Schedule(shape="cosine", warmup_ratio=0.25, floor=0.1)
    fields: dict[str, Any] = {
        "stage": "stage.learn",
        "length": 64,
        "batch": 4,
        "optimizer": Optimizer(lr=1e-2, weight_decay=0.1, clip=1.0, schedule=schedule),
        "steps": None,
        "label_smoothing": 0.0,
        "precision": "auto",
        "seed": 0,
        "activation_checkpointing": False,
        "processes": 1,
        "deepspeed": {"zero_optimization": {"stage": 0}},
    }
    return Train(**{**fields, **changes})


def loaded(folder: Path) -> Any:
    """The model of a folder; every weight of it must be in the folder, and no other."""
    automatic: Any = AutoModelForCausalLM
    model, found = automatic.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    return model


@dataclass
class Trained:
    """What a stage left: its model folder, its log and all it printed."""

    model: Path
    log: list[dict[str, Any]]
    printed: str
    loss: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def run_stage(
    folder: Path,
    base: Path,
    rows: pa.Table,
    *,
    documents: Mapping[str, pa.Table] | None = None,
    more: FakeInputs | None = None,
    **changes: Any,
) -> Trained:
    """Train a stage of `rows` in `folder`, following `documents`, with `more` inputs; changes as `train_arguments`."""
    outputs, warnings, more = FakeOutputs(folder / "out"), list[str](), more or FakeInputs()
    where = context(folder, warnings=warnings)
    tables = {"packed": rows, "samples": samples(rows), **(documents or {}), **more.tables}
    arguments = train_arguments(probes=tuple(documents or ()), **changes)
    train(arguments, FakeInputs(tables=tables, folders={"model": base, **more.folders}), outputs, where)
    log, loss = outputs.tables["log"], outputs.tables["loss"]
    return Trained(folder / "out" / "model", log, where.log.read_text(), loss, warnings)
