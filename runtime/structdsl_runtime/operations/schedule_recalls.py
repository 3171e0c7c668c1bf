"""Which nodes of a taxonomy a stage recalls, and when.

A pass is an epoch of a corpus; in each, what it visited of the taxonomy is recalled once, somewhere (by a hash of seed,
epoch and node) between the first chunk of the node and the end of the pass. Recalls come between the rows of the
mixture, which keep their order, and so move those after them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import ScheduleRecalls
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.structure.forest import Forest, read_forest
from structdsl_runtime.structure.recall import targets
from structdsl_runtime.text import stable

_PASS = ["corpus", "epoch"]  # a pass is an epoch of a corpus
_MET: dict[str, pa.DataType] = {
    "corpus": pa.string(),
    "epoch": pa.int32(),
    "node_id": pa.string(),
    "first": pa.int64(),
    "last": pa.int64(),
}


def schedule_recalls(arguments: ScheduleRecalls, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per recall: the position of the row that it comes after, and its own among all samples."""
    forest = read_forest(inputs)
    due = _due(_met(inputs), forest)
    node_id = forest.columns["node_id"].combine_chunks().take(due["target"].combine_chunks())
    epoch, met, end = (due[name].to_numpy() for name in ("epoch", "first_min", "last_max"))
    lots = (stable.number(arguments.seed, *key) for key in zip(epoch.tolist(), node_id.to_pylist(), strict=True))
    lot = np.fromiter(lots, np.uint64, len(due))
    after = met + (lot % (end - met + 1).astype(np.uint64)).astype(np.int64)
    order = np.lexsort((epoch, lot, after))
    with outputs.table("recalls") as recalls:
        recalls.write(
            pa.table(
                {
                    "position": pa.array(after[order] + 1 + np.arange(len(due))),
                    "after": pa.array(after[order]),
                    "epoch": pa.array(epoch[order], pa.int32()),
                    "node_id": node_id.take(order),
                }
            )
        )
    context.progress(len(due), len(due), "recalls")


def _met(inputs: Inputs) -> pa.Table:
    """Each node once a pass, with the positions at which that first and last met it."""
    columns = f"{', '.join(_PASS)}, node_id, position AS first, position AS last"
    found = [_once(pa.table(batch)) for batch in inputs.batches("rows", columns=columns, rows=1 << 16)]
    return _once(pa.concat_tables(found)) if found else pa.schema(_MET).empty_table()


def _once(rows: pa.Table) -> pa.Table:
    met = rows.filter(pc.is_valid(rows["node_id"])).group_by([*_PASS, "node_id"])
    return (
        met.aggregate([("first", "min"), ("last", "max")])
        .rename_columns({"first_min": "first", "last_max": "last"})
        .select(list(_MET))
    )


def _due(met: pa.Table, forest: Forest) -> pa.Table:
    """What is recalled in each pass, with the positions at which that first met it, and last met anything."""
    rows = forest.rows(met["node_id"])
    found = [met.append_column("target", pa.array(each[rows])) for each in targets(forest)]
    recalled = pa.concat_tables(found).filter(pc.field("target") >= 0).group_by([*_PASS, "target"])
    ends = met.group_by(_PASS).aggregate([("last", "max")])
    return recalled.aggregate([("first", "min")]).join(ends, _PASS).combine_chunks()
