"""The compiler, as one tuple of passes: each takes what is known of a spec so far and returns more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from structdsl.diagnostics import Sink
from structdsl.lower import lower
from structdsl.passes.analyze_sql import analyze_sql
from structdsl.passes.bind_params import bind_params
from structdsl.passes.check_data import check_data
from structdsl.passes.check_training import check_training
from structdsl.passes.check_types import check_types
from structdsl.passes.declare import declare
from structdsl.passes.lint import lint
from structdsl.passes.parse import parse
from structdsl.plan import Plan
from structdsl.syntax.source import Source
from structdsl.unit import Unit

Pass = Callable[[Unit, Sink], Unit]

PASSES: tuple[Pass, ...] = (
    parse,
    bind_params,
    declare,
    check_types,
    analyze_sql,
    check_data,
    check_training,
    lint,
    lower,
)


def compile_text(text: str, path: Path, overrides: Mapping[str, str] | None = None) -> tuple[Plan | None, Sink]:
    """The plan of a spec, and all that there is to say about it.

    Parameters
    ----------
    text
        The spec.
    path
        Its path as messages shall show it; its stem is the name of the spec.
    overrides
        Values of params, as text of the language: `{"budget": "20M tokens"}`.

    Returns
    -------
    plan
        None where the spec has errors.
    sink
        Every diagnostic, in the order of the text.

    """
    sink = Sink()
    unit = Unit(source=Source(path, text), overrides=overrides or {})
    for step in PASSES:
        unit = step(unit, sink)
    return unit.plan, sink
