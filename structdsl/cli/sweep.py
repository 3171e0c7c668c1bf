"""`-p anchor=20%,50% -p seed=1..3`: the combinations of params that one command line asks for.

The language has no loop; an ablation is one spec and several values of its params. What the store has already made
for one combination it does not make again for the next, since results are kept by key.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from structdsl.cli.common import Request
from structdsl.cli.table import show

REPORT = """
SELECT
  task, metric, model, round(value, 3) AS value,
  coalesce(format('{{:.3f}} – {{:.3f}}', low, high), '–') AS "95% interval", n
FROM {table} ORDER BY task, metric DESC, model
"""

MEASURED = 3  # columns of the report that say what was measured: task, metric, model

Compiled = TypeVar("Compiled")

MOST = 1000  # combinations: beyond that a value was mistyped

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
PIECE = re.compile(
    r'r?"""(?:.|\n)*?"""'
    r'|r"[^"]*"|"(?:\\.|[^"\\])*"'  # a comma inside quotes parts nothing
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comma>,)|.|\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One value of each param: `assignments` for the compiler, `varied` are those of which there are several."""

    assignments: tuple[str, ...]  # "seed=1"
    varied: dict[str, str]

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.varied.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A combination that was run, and the score tables that it made."""

    combination: Combination
    run_id: str
    reports: tuple[str, ...]


def combinations(params: Sequence[str]) -> list[Combination]:
    """All combinations, the last param of the command line changing fastest; one where no param has several values.

    A param that is given twice has its last values. Raises `UsageError` where a range runs backwards, a value is
    empty, or there are more combinations than anybody means.
    """
    choices: dict[str, list[str]] = {}  # name -> its assignments
    for param in params:
        name, equals, text = param.partition("=")
        name = name.strip()
        choices[name] = [f"{name}={value}" for value in values(param, text)] if equals else [param]
    if math.prod(map(len, choices.values())) > MOST:
        message = f"more than {MOST} combinations of {' '.join(f'`-p {param}`' for param in params)}"
        raise click.UsageError(message)
    varied = [name for name, found in choices.items() if len(found) > 1]
    return [
        Combination(
            assignments=chosen,
            varied={
                name: assignment.partition("=")[2]
                for name, assignment in zip(choices, chosen, strict=True)
                if name in varied
            },
        )
        for chosen in itertools.product(*choices.values())
    ]


def compile_all(asked: Sequence[Combination], compile_one: Callable[[tuple[str, ...]], Compiled]) -> list[Compiled]:
    """Every combination compiled before the first is run, so that an error in the last one costs no training."""
    compiled = []
    for combination in asked:
        try:
            compiled.append(compile_one(combination.assignments))
        except click.exceptions.Exit:
            if combination.varied:
                click.echo(f"these are the errors with {combination}; no combination was begun", err=True)
            raise
    return compiled


def heading(combination: Combination, number: int, total: int) -> None:
    """A line between the combinations; nothing where there is only one."""
    if combination.varied:
        click.echo(f"── {combination} ({number} of {total})", err=True)


def compare(store: Path, finished: Sequence[Finished]) -> None:
    """One table for each of the reports: what was measured, with the combinations below each other."""
    from structdsl_runtime.ask import query  # noqa: PLC0415 - brings DuckDB

    for table in dict.fromkeys(table for run in finished for table in run.reports):
        columns: list[str] = []
        groups: dict[tuple[Any, ...], list[list[Any]]] = {}
        for run in finished:
            if table in run.reports:
                answer = query(store, REPORT.format(table=table), run=run.run_id)
                columns = [*answer.columns[:MEASURED], *run.combination.varied, *answer.columns[MEASURED:]]
                for row in answer.rows:
                    what, scores = row[:MEASURED], row[MEASURED:]
                    groups.setdefault(what, []).append([*what, *run.combination.varied.values(), *scores])
        click.echo(f"\n{table}")
        click.echo(show(columns, [row for rows in groups.values() for row in rows]))
    click.echo("\nthe tables of one combination:")
    for run in finished:
        click.echo(f'  structdsl query --run {run.run_id} "…"  # {run.combination}')


def single(request: Request, command: str) -> Request:
    """What is asked of a command that takes one value of a param; raises `UsageError` where there are several."""
    for param in request.params:
        name, _, value = param.partition("=")
        if len(values(param, value)) > 1:
            message = (
                f"`-p {param}` has several values, of which `{command}` takes one; `run` and `plan` take lists"
                f" and ranges, and a text with a comma is written in quotes: -p '{name}=\"…\"'"
            )
            raise click.UsageError(message)
    return request


def values(param: str, text: str) -> list[str]:
    """The values of `20%,50%` or `1..3`, as text of the language; commas in brackets and quotes part nothing."""
    found: list[str] = []
    for piece in split(text):
        if piece == "" and text.strip():
            message = f"`-p {param}` has an empty value between its commas"
            raise click.UsageError(message)
        if (range_ := RANGE.fullmatch(piece)) is None:
            found.append(piece)
            continue
        first, last = int(range_[1]), int(range_[2])
        if last < first:
            message = f"the range of `-p {param}` is empty: write the smaller number first, as in {last}..{first}"
            raise click.UsageError(message)
        if last - first >= MOST:
            message = f"the range of `-p {param}` has more than {MOST} values"
            raise click.UsageError(message)
        found += map(str, range(first, last + 1))
    return list(dict.fromkeys(found))


def split(text: str) -> list[str]:
    """The parts of a text between its commas, without the spaces around them."""
    parts, depth = [""], 0
    for piece in PIECE.finditer(text):
        depth += bool(piece["open"]) - bool(piece["close"])
        if piece["comma"] and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece[0]
    return [part.strip() for part in parts]
