"""One readable `.sql` file per step that is SQL, numbered in the order of the plan."""

from __future__ import annotations

import textwrap

from structdsl.plan import Plan, Query, Step, View


def sql_files(plan: Plan) -> dict[str, str]:
    """Text of each file by its name; every one runs as it stands in `structdsl query`."""
    steps = [step for step in plan.steps if isinstance(step.operation, Query | View)]
    width = len(str(len(steps)))
    return {f"{number:0{width}}_{step.address}.sql": _file(step) for number, step in enumerate(steps, 1)}


def _file(step: Step) -> str:
    assert isinstance(step.operation, Query | View)
    (output,) = step.outputs.values()
    kind = "view" if isinstance(step.operation, View) else "table"
    header = [
        f"{output.table} · {kind} of step {step.address}",
        *(line for text in output.doc.splitlines() for line in textwrap.wrap(text, 110)),
        f"{step.place.file}:{step.place.line} · recipe {step.recipe[:12]}",
    ]
    guards = [
        "\n".join(
            [
                f"-- before it runs, this must return no row ({guard.code}):",
                *(f"-- {line}" for line in guard.sql.splitlines()),
            ]
        )
        for guard in step.guards
    ]
    return "\n".join([*(f"-- {line}" for line in header), *guards, step.operation.sql + ";", ""])
