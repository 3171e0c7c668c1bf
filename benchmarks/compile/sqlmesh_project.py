"""A plan as a SQLMesh project: one model for each of its tables, with the same names, columns and dependencies.

Tables that are made by SQL keep their SQL. Tables that are made otherwise (read, chunked, trained) become a SELECT of
typed NULLs over what they are made from, so that number and depth of models are those of the plan.
"""

from __future__ import annotations

from pathlib import Path

from structdsl.plan import Plan, Query, Step, View

CONFIG = """gateways:
  local:
    connection:
      type: duckdb
default_gateway: local
model_defaults:
  dialect: duckdb
  start: 2026-01-01
disable_anonymized_analytics: true
"""


def write(plan: Plan, folder: Path) -> tuple[int, int]:
    """Write the project; the number of models, and how deep they go."""
    (folder / "models").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    makers = {table: step for step in plan.steps for table in _tables(step)}
    depths: dict[str, int] = {}
    for step in plan.steps:
        upstream = [table for table in _inputs(step, plan) if table in makers]
        for table in _tables(step):
            depths[table] = 1 + max((depths[name] for name in upstream), default=0)
            query = step.operation.sql if isinstance(step.operation, Query | View) else _nulls(step, table, upstream)
            kind = "VIEW" if isinstance(step.operation, View) else "FULL"
            text = f"MODEL (name {table}, kind {kind});\n\n{query}\n"
            (folder / "models" / f"{table}.sql").write_text(text, encoding="utf-8")
    return len(depths), max(depths.values())


def _tables(step: Step) -> list[str]:
    return [output.table for output in step.outputs.values() if output.table is not None]


def _inputs(step: Step, plan: Plan) -> list[str]:
    """Tables that a step is made from; a folder (a model, a tokenizer) stands for the tables behind it."""
    steps = {other.address: other for other in plan.steps}
    found: list[str] = []
    for reference in step.inputs.values():
        address, _, name = reference.rpartition(":")
        table = steps[address].outputs[name].table
        found += [table] if table is not None else _inputs(steps[address], plan)
    return list(dict.fromkeys(found))


def _nulls(step: Step, table: str, upstream: list[str]) -> str:
    output = next(output for output in step.outputs.values() if output.table == table)
    columns = ", ".join(f'CAST(NULL AS {column.type}) AS "{column.name}"' for column in output.columns)
    return f"SELECT {columns}" + (f" FROM {', '.join(upstream)} WHERE FALSE" if upstream else "")  # noqa: S608 - ours
