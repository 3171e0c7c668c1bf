"""Which nodes of a taxonomy a stage recalls, and when.

A pass is an epoch of a corpus; in each, what it visited of the taxonomy is recalled once, somewhere (by a hash of seed,
epoch and node) between the first chunk of the node and the end of the pass. Recalls come between the rows of the
mixture, which keep their order, and so move those after them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import ScheduleRecalls
from structdsl_runtime.garbage import uncollected
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.structure.recall import recalled
from structdsl_runtime.structure.tree import Node, read_nodes
from structdsl_runtime.text import stable

_PASS = ["corpus", "epoch", "node_id"]


@uncollected()
def schedule_recalls(arguments: ScheduleRecalls, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per recall: the position of the row that it comes after, and its own among all samples."""
    due: list[tuple[int, int, int, str]] = []
    for epoch, first, end in _passes(inputs, read_nodes(inputs)):
        for node, met in recalled(first).items():
            lot = stable.number(arguments.seed, epoch, node.node_id)
            due.append((met + lot % (end - met + 1), lot, epoch, node.node_id))
    due.sort()
    with outputs.table("recalls") as recalls:
        recalls.write(
            pa.table(
                {
                    "position": pa.array([after + 1 + number for number, (after, *_) in enumerate(due)], pa.int64()),
                    "after": pa.array([after for after, *_ in due], pa.int64()),
                    "epoch": pa.array([epoch for *_, epoch, _ in due], pa.int32()),
                    "node_id": pa.array([node_id for *_, node_id in due], pa.string()),
                }
            )
        )
    context.progress(len(due), len(due), "recalls")


def _passes(inputs: Inputs, nodes: dict[str, Node]) -> Iterator[tuple[int, dict[Node, int], int]]:
    """The epoch of each pass, the position at which it first met each node, and that at which it last met any."""
    columns = f"{', '.join(_PASS)}, position AS first, position AS last"
    found = [_met(pa.table(batch)) for batch in inputs.batches("rows", columns=columns)]
    if not found:
        return iter(())
    met = _met(pa.concat_tables(found))
    passes: dict[tuple[str, int], dict[Node, int]] = defaultdict(dict)
    ends: dict[tuple[str, int], int] = defaultdict(int)
    for corpus, epoch, node_id, first, last in zip(*(column.to_pylist() for column in met.columns), strict=True):
        passes[corpus, epoch][nodes[node_id]] = first
        ends[corpus, epoch] = max(last, ends[corpus, epoch])
    return ((key[1], first, ends[key]) for key, first in passes.items())


def _met(rows: pa.Table) -> pa.Table:
    """Each node once a pass."""
    grouped = rows.filter(pc.is_valid(rows["node_id"])).group_by(_PASS)
    found = grouped.aggregate([("first", "min"), ("last", "max")])
    return found.select([*_PASS, "first_min", "last_max"]).rename_columns(rows.column_names)
