"""`structdsl query`: SQL over every table of a run, also while the run goes on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from structdsl.cli.common import failure, format_option
from structdsl.cli.outline import paragraph, strong
from structdsl.cli.table import FORMATS, Rows, show
from structdsl.schema.tables import OTHER_KINDS, PROMISED_TABLES, RECORDS

KINDS = ("corpus", "taxonomy", "mixture", "stage", "teacher", "evaluation", "checks", "llm", "meta")
"""Schemas in the order in which a run fills them."""

TABLES = """
WITH blocks AS (
  SELECT DISTINCT array_to_string(string_split(address, '.')[:2], '.') AS block FROM meta.steps
)
SELECT
  views.schema_name || '.' || view_name AS "table",
  views.comment AS meaning,
  string_agg(column_name, ', ' ORDER BY column_index) AS columns,
  views.schema_name IN {others} OR EXISTS (
    FROM blocks
    WHERE block = "table" OR (
      starts_with("table", block || '_')
      AND list_contains({promised}, views.schema_name || substr("table", length(block) + 1))
    )
  ) AS promised
FROM duckdb_views() AS views JOIN duckdb_columns() AS columns ON table_oid = view_oid
WHERE NOT views.internal
GROUP BY views.schema_name, view_name, meaning
ORDER BY list_position({kinds}, views.schema_name), "table"
"""
"""Every table of a run, and whether the language promises it."""


@click.command("query")
@click.argument("sql", required=False)
@click.option("--spec", "name", help="The spec, where the store holds several.")
@click.option("--run", "run", help="Another run than the latest, by its id (see meta.runs).")
@format_option(*FORMATS, text="A table for people (long cells are cut), or every value for programs.")
@click.option("--limit", type=click.IntRange(min=1), help="Rows to print [100 for a table, else all].")
def query_command(sql: str | None, name: str | None, run: str | None, format_: str, limit: int | None) -> None:
    """Ask the tables of the latest run, read-only.

    The store is looked for in the current folder, then in its parents. Without SQL, the tables and their columns are
    listed; `-` reads the query from standard input.
    """
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415
    from structdsl_runtime.ask import QueryError, query  # noqa: PLC0415

    store = _store(name)
    if sql == "-":
        sql = sys.stdin.read()
    if limit is None and format_ == "table" and sql is not None:
        limit = 100
    try:
        answer = query(store, _tables() if sql is None else sql, run=run, limit=limit)
    except QueryError as error:
        first, *others = [line for line in str(error).splitlines() if line.strip()]
        notes = ("\n".join(others),) if others else ()
        helps = ("`structdsl query` lists the tables",) if first.startswith("Catalog Error") else ()
        raise failure([Diagnostic(code="E0807", message=first, notes=notes, helps=helps)], "full") from None
    if sql is None and format_ == "table":
        click.echo("\n".join(_listed(answer.rows)))
    elif format_ == "table" and sys.stdout.isatty():
        click.echo(show(answer.columns, answer.rows, shutil.get_terminal_size().columns))
    else:
        click.echo(FORMATS[format_](answer.columns, answer.rows))
    if answer.more:
        told = "rows; --limit shows them, --format csv shows all" if sql is not None else "tables than --limit shows"
        click.echo(f"… more {told}", err=True)


def _tables() -> str:
    """The query for what there is to ask."""
    promised = [f"{kind}_{suffix}" for kind, suffixes in PROMISED_TABLES.items() for suffix in suffixes]
    return TABLES.format(promised=promised, kinds=list(KINDS), others=(*RECORDS, *OTHER_KINDS))


def _listed(rows: Rows) -> list[str]:
    """The tables as a person looks for them: first what the language promises, each with its columns."""
    lines = []
    for table, meaning, columns, promised in rows:
        if promised:
            said = meaning.splitlines()[-1].partition(". ")[0].removesuffix(".") if meaning else ""
            first, *others = paragraph(f"{table}: {said}" if said else table, then="  ")
            lines += [first.replace(table, strong(table), 1), *others, *paragraph(columns, first="    ", then="    ")]
    if inner := [table for table, _, _, promised in rows if not promised]:
        lines += ["", *paragraph(f"made on the way, free to change: {', '.join(inner)}", then="  ")]
    return lines


def _store(name: str | None) -> Path:
    """The store of a spec, in the current folder or the nearest parent that has one."""
    from structdsl.diagnostics import Diagnostic, nearest  # noqa: PLC0415

    here = Path.cwd()
    for folder in (here, *here.parents):
        stores = sorted(path for path in (folder / ".structdsl").glob("*") if (path / "runs").is_dir())
        if not stores:
            continue
        names = [path.name for path in stores]
        if name is not None and name in names:
            return folder / ".structdsl" / name
        if name is not None:
            near = nearest(name, names)
            helps = (f"did you mean `{near[0]}`?",) if near else (f"specs that were run: {', '.join(names)}",)
            raise failure([Diagnostic(code="E0806", message=f"`{name}` was not run in {folder}", helps=helps)], "full")
        return max(stores, key=lambda path: max((run.name for run in (path / "runs").iterdir()), default=""))
    raise failure(
        [
            Diagnostic(
                code="E0806",
                message=f"nothing was run in {here} or above",
                helps=("`structdsl run spec.adapt` fills the tables",),
            )
        ],
        "full",
    )
