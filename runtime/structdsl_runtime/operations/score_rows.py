"""How hard a model finds each row that is drawn: nats a token of its text, the end of the text included."""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.plan import ScoreRows
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.operations.evaluate import losses


def score_rows(arguments: ScoreRows, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A score for each row of the table `rows` by the folder `model`. Raises Fault E0805 where the worker died."""
    del arguments
    names: list[str] = []

    def texts() -> Iterator[str]:
        for row in inputs.rows("rows", columns="sample_id, text", order="sample_id"):
            names.append(row["sample_id"])
            yield row["text"]

    found = losses(texts(), inputs, context, total=inputs.count("rows"), unit="rows")
    with outputs.table("scores") as table:
        for name, (nats, count) in zip(names, found, strict=True):
            table.row(sample_id=name, score=nats / count)
