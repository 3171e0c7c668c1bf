"""Which steps of a plan a run brings up to date, and in which order."""

from __future__ import annotations

from collections.abc import Collection

from structdsl.plan import Plan, Step, View

LONG = frozenset({"cache_teacher", "closed_book", "dpo", "perplexity", "train"})  # hours, where others take minutes


def selected(plan: Plan, only: Collection[str] | None) -> tuple[Step, ...]:
    """The steps with these addresses and all they are made from, in the order of the plan.

    Views over nothing else come along: they are cheap, and say what became of the rows and which lie where. So do their
    guards, for a run accounts for all documents that it reads, whatever is selected behind them.
    """
    if only is None:
        return plan.steps
    unknown = set(only) - {step.address for step in plan.steps}
    if unknown:
        raise KeyError(f"not in the plan: {', '.join(sorted(unknown))}")
    wanted = set(only)
    for step in reversed(plan.steps):
        if step.address in wanted:
            wanted.update(step.upstream)
    for step in plan.steps:  # in the order of the plan a view follows what it reads
        if isinstance(step.operation, View) and step.upstream and wanted.issuperset(step.upstream):
            wanted.add(step.address)
    return tuple(step for step in plan.steps if step.address in wanted)


def data_first(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """What needs no trained model, then the rest; either in the order of the plan.

    So a question that does not fit the rows of the last stage is found before the first has trained for a day.
    """
    late: set[str] = set()
    for step in steps:
        if step.operation.op in LONG or late.intersection(step.upstream):
            late.add(step.address)
    return (
        *(step for step in steps if step.address not in late),
        *(step for step in steps if step.address in late),
    )
