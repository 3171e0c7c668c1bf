"""`check`: what must hold of a table; the failing rows are kept in `checks.<name>`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from structdsl.schema.bare_sql import Instead
from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, ListOf, OneOf, OneOrMany
from structdsl.schema.corpus import TABLES
from structdsl.schema.free import Free
from structdsl.schema.quantities import RATIO, amount_of
from structdsl.schema.reader import Reader
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Choice, Integer, Number, Predicate, Ratio
from structdsl.schema.texts import Pattern, Query, Word
from structdsl.syntax.tree import Expression, Quantity, Sequence, Sql

COLUMN = Word("the name of a column, such as `path`")
TABLE = RefTo(("corpus", "taxonomy", "mixture", "stage", "evaluation"), tables=TABLES)
MOST_FREQUENT = "\0"  # no text of a spec has this character


class Unique(Schema):
    """`unique(chunk_id)`, `unique([doc_id, path])`: no two rows agree in these columns."""

    columns: Annotated[tuple[str, ...], OneOrMany(COLUMN)] = Field(description="A column, or several taken together.")


class NotNull(Schema):
    """`not_null(path)`: there is a value in every row."""

    columns: Annotated[tuple[str, ...], OneOrMany(COLUMN)] = Field(description="A column, or each of several.")


class OneOfValues(Schema):
    """`one_of(lang, ["en", "de"])`: no other value stands there; a missing one is no value."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    values: Annotated[tuple[object, ...], ListOf(Free())] = Field(description="The values that may stand there.")


class Between(Schema):
    """`between(score, low = 0, high = 1)`: no value lies outside; a missing one is no value."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    low: Annotated[Decimal | None, Number()] = Field(default=None, description="The least value.")
    high: Annotated[Decimal | None, Number()] = Field(default=None, description="The greatest value.")


class Matches(Schema):
    """`matches(path, r"[a-z/-]+")`: every value is of this form as a whole; a missing one is no value."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    pattern: Annotated[str, Pattern()] = Field(description="A regular expression of RE2, as DuckDB reads it.")


class Holds(Schema):
    """`holds(sql "end_byte > start_byte")`: a condition over the columns of a row; NULL does not hold."""

    condition: Annotated[Sql, Predicate()] = Field(description="The condition.")


class In(Schema):
    """`in(chunk_id, corpus.notes_chunks)`: every value stands in the same column of another table."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    table: Annotated[str, TABLE] = Field(description="The other table.")
    other: Annotated[str | None, COLUMN] = Field(default=None, description="Its column [the one of the same name].")


class Count(Schema):
    """`count(at_least = 100)`: how many rows there are."""

    at_least: Annotated[Decimal | None, Number()] = Field(default=None, description="The least number.")
    at_most: Annotated[Decimal | None, Number()] = Field(default=None, description="The greatest number.")


class Distinct(Schema):
    """`distinct(path, at_least = 10)`: how many different values a column has."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    at_least: Annotated[Decimal | None, Number()] = Field(default=None, description="The least number.")
    at_most: Annotated[Decimal | None, Number()] = Field(default=None, description="The greatest number.")


class Mean(Schema):
    """`mean(n_tokens, at_least = 50, at_most = 800)`: the mean of a column of numbers."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    at_least: Annotated[Decimal | None, Number()] = Field(default=None, description="The least mean.")
    at_most: Annotated[Decimal | None, Number()] = Field(default=None, description="The greatest mean.")


class Quantile(Schema):
    """`quantile(n_tokens, 99%, at_most = 1024)`: the value below which this share of the rows lies."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    share: Annotated[Decimal, Ratio()] = Field(description="The share of the rows: `50%` is the median.")
    at_least: Annotated[Decimal | None, Number()] = Field(default=None, description="The least value.")
    at_most: Annotated[Decimal | None, Number()] = Field(default=None, description="The greatest value.")


class Share(Schema):
    """`share(lang, "en", at_least = 90%)`: the share of the rows that have this value, or the most frequent one."""

    column: Annotated[str, COLUMN] = Field(description="The column.")
    value: Annotated[object, Free()] = Field(
        default=MOST_FREQUENT, description="The value; `none` is a missing one [each value, so that none has more]."
    )
    at_least: Annotated[Decimal | None, Ratio()] = Field(default=None, description="The least share.")
    at_most: Annotated[Decimal | None, Ratio()] = Field(default=None, description="The greatest share.")


ROW_EXPECTATIONS = {
    "unique": Unique,
    "not_null": NotNull,
    "one_of": OneOfValues,
    "between": Between,
    "matches": Matches,
    "holds": Holds,
    "in": In,
}
RowExpectation = Unique | NotNull | OneOfValues | Between | Matches | Holds | In
TABLE_EXPECTATIONS = {"count": Count, "distinct": Distinct, "mean": Mean, "quantile": Quantile, "share": Share}
TableExpectation = Count | Distinct | Mean | Quantile | Share

_OF_A_TABLE: Final = (
    f"of a table as a whole there are {', '.join(f'`{name}(…)`' for name in TABLE_EXPECTATIONS)}, "
    "each with `at_least` or `at_most`"
)
_A_CHECK: Final = "what none of them says is a `check: sql`, whose query has a row where it does not hold"
_A_QUERY: Final = "a query whose rows are the mistakes is a `check: sql`: `violations = {}`"
_IN_ROWS: Final = Instead(
    condition=("write `holds({})`: a condition over the columns of a row",),
    aggregate=(f"{_OF_A_TABLE}, in a `check: distribution`", _A_CHECK),
    query=(_A_QUERY,),
)
_IN_DISTRIBUTION: Final = Instead(
    condition=("a condition over the columns of a row is `holds({})`, in a `check: rows`",),
    aggregate=(_OF_A_TABLE, _A_CHECK),
    query=(_A_QUERY,),
)


class Tolerance:
    """How many rows may fail: a number of them, or a share of all."""

    def read(self, value: Expression, at: Reader) -> object:
        """Rows are an `int`, a share is a `Decimal`."""
        share = isinstance(value, Quantity) and amount_of(value).dimension == RATIO
        return (Ratio() if share else Integer()).read(value, at)

    def describe(self) -> str:
        return "a number of rows, or a share such as `1%`"


class Check(Schema):
    """What every check has."""

    severity: Annotated[Literal["error", "warning"], Choice(("error", "warning"))] = Field(
        default="error", description="Whether a failure stops what is downstream of the table, or is only told."
    )


class Rows(Check):
    """Every row of a table is as it should be."""

    over: Annotated[str, TABLE] = Field(description="The table.")
    expect: Annotated[tuple[RowExpectation, ...], OneOrMany(CallOf(ROW_EXPECTATIONS, _IN_ROWS))] = Field(
        description="What must hold of its rows."
    )
    at_most: Annotated[int | Decimal, Tolerance()] = Field(
        default=0, description="Failing rows that are put up with: a number of them, or a share of the table."
    )


class Violations(Check):
    """A query finds nothing."""

    violations: Annotated[Sql, Query()] = Field(description="One SELECT whose rows are the mistakes.")
    over: Annotated[tuple[str, ...], OneOf(((Sequence, ListOf(TABLE)), (object, OneOrMany(TABLE))))] = Field(
        default=(), description="The tables that it looks at [those that the query reads]."
    )
    at_most: Annotated[int, Integer()] = Field(default=0, description="Mistakes that are put up with.")


class Distribution(Check):
    """The table as a whole is as it should be."""

    over: Annotated[str, TABLE] = Field(description="The table.")
    expect: Annotated[tuple[TableExpectation, ...], OneOrMany(CallOf(TABLE_EXPECTATIONS, _IN_DISTRIBUTION))] = Field(
        description="What must hold of it."
    )
