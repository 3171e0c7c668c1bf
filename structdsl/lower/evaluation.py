"""An evaluation: each model does each task; the items are kept, the scores are a query over them."""

from __future__ import annotations

from structdsl import sql
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner, columns
from structdsl.lower.stage import model_reference
from structdsl.plan import ClosedBook, Output, Perplexity
from structdsl.schema import evaluation as schema
from structdsl.unit import Declaration

ITEMS = columns(
    "model VARCHAR, task VARCHAR, item VARCHAR, prompt VARCHAR, output VARCHAR, parsed VARCHAR, answer VARCHAR,"
    "score DOUBLE, path VARCHAR, n_tokens BIGINT, n_bytes BIGINT"
)
SCORES = columns("model VARCHAR, task VARCHAR, metric VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, n BIGINT")


def lower_evaluation(evaluation: Declaration, planner: Planner) -> None:
    name, values = evaluation.address, evaluation.values
    tables = []
    for task, settings in sorted(values.tasks.items()):
        for model in values.models:
            short = model.replace(".", "_")
            table = f"{name}_{task}_{short}"
            tables.append(table)
            operation: ClosedBook | Perplexity
            if isinstance(settings, schema.ClosedBook):
                operation = ClosedBook(
                    model=model, task=task, shots=values.shots, max_tokens=settings.max, seed=seed_of(planner)
                )
            else:
                operation = Perplexity(model=model, task=task)
            planner.add(
                f"{name}.{task}.{short}",
                operation,
                at=evaluation.span_of("tasks"),
                inputs={
                    "model": model_reference(model),
                    "exam" if operation.op == "closed_book" else "documents": planner.owners[settings.corpus],
                },
                outputs={"items": Output(table=table, columns=ITEMS, doc=f"What {model} did in {task}, item by item.")},
            )
    planner.select(
        name,
        sql.text(sql.all_rows(tables)),
        name,
        ITEMS,
        at=evaluation.block.head,
        reads=tuple(tables),
        view=True,
        purpose="Every item of every task, by model.",
        doc=evaluation.block.doc,
    )
    planner.query(
        f"{name}.scores", "scores", f"{name}_scores", SCORES, at=evaluation.block.head, tables={"items": name}
    )
