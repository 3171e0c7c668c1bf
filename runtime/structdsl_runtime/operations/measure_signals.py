"""Documents in, a narrow table out: what their words and lines are like; see `structdsl_runtime.signals`."""

from __future__ import annotations

import pyarrow as pa

from structdsl.plan import MeasureSignals
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.signals.measure import measure


def measure_signals(arguments: MeasureSignals, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """The signals of each document, a row each."""
    total, done = inputs.count("documents"), 0
    with outputs.table("signals") as signals:
        for batch in inputs.batches("documents", columns="doc_id, text"):
            found = measure(batch.column("text"), arguments.signals)
            signals.write(pa.table({"doc_id": batch.column("doc_id"), **found}))
            done += batch.num_rows
            context.progress(done, total, "documents")
