"""Rows on their way from the table to a rank: nothing lost, nothing doubled, nothing predicted across samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from structdsl_runtime.training import rows
from structdsl_runtime.training.batches import Layout, MicroBatches, PackedRows, positions
from tests.training.stage_fakes import FakeInputs, packed


def laid_out(folder: Path, table: pa.Table) -> rows.Rows:
    return rows.write(FakeInputs(tables={"packed": table}), folder, len(table["input_ids"][0]))


def test_positions_predict_supervised_successors_of_their_own_segment(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(
        [
            {
                "row": 0,
                "input_ids": [5, 6, 7, 8, 9, 0, 0, 0],
                "labels": [-100, 6, 7, 8, 9, -100, -100, -100],  # 8 begins the second sample: nothing may predict it
                "segments": [
                    {"position": 0, "piece": 0, "start": 0, "length": 3},
                    {"position": 1, "piece": 0, "start": 3, "length": 2},
                ],
            }
        ]
    )
    found = laid_out(tmp_path, table)
    assert found.segment_RT.tolist() == [[0, 0, 0, 1, 1, -1, -1, -1]]
    assert found.predicts_RT.tolist() == [[True, True, False, True, False, False, False, False]]
    assert (found.tokens(0, 1), found.predictions(0, 1)) == (5, 3)
    assert positions(found.segment_RT).tolist() == [[0, 1, 2, 0, 1, 0, 1, 2]]


def test_rows_keep_the_order_of_the_table(tmp_path: Path) -> None:
    table = packed(9, 32)
    found = laid_out(tmp_path, table.take(np.random.default_rng(1).permutation(9)))
    assert found.input_RT.tolist() == table["input_ids"].to_pylist()
    assert found.predictions(0, 9) == np.sum(table["n_supervised"].to_numpy())


def test_ranks_share_every_step_without_overlap() -> None:
    layout = Layout(micro=2, accumulation=3, processes=2)
    parts = [list(MicroBatches(layout, rank, steps=4)) for rank in range(2)]
    for step in range(4):
        taken = sorted(row for rank in parts for batch in rank[3 * step : 3 * step + 3] for row in batch)
        assert taken == list(range(12 * step, 12 * step + 12))


def test_the_last_batch_is_filled_with_rows_that_predict_nothing(tmp_path: Path) -> None:
    found = laid_out(tmp_path, packed(5, 32))
    batch = PackedRows(found, batch=4).__getitems__([4, 5, 6, 7])
    assert batch["input_BT"].shape == (4, 32)
    assert batch["predictions"] == len(batch["predict_N"]) == found.predictions(4, 5)
    assert (batch["segment_BT"][1:] == rows.PADDING).all()
    beyond = PackedRows(found, batch=4).__getitems__([6, 7])
    assert len(beyond["predict_N"]) == 0


def test_targets_are_the_next_inputs(tmp_path: Path) -> None:
    batch = PackedRows(laid_out(tmp_path, packed(4, 32)), batch=4).__getitems__([0, 1])
    flat = batch["input_BT"].reshape(-1)
    assert torch.equal(batch["target_N"], flat[batch["predict_N"] + 1])
