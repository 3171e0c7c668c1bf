"""Regular expressions as DuckDB reads them: RE2, which has no look-around and no back references."""

from __future__ import annotations

from functools import cache


@cache
def wrong_pattern(pattern: str) -> str | None:
    """What RE2 has against a pattern, or nothing; every pattern is tried once."""
    import duckdb  # noqa: PLC0415 - only specs with patterns pay for it

    with duckdb.connect() as connection:
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
        except duckdb.InvalidInputException as error:
            return str(error).splitlines()[0].partition(": ")[2].rstrip(".")
    return None


@cache
def wrong_replacement(pattern: str, put: str) -> str | None:
    """What RE2 has against what is put in place of a pattern that is right, or nothing."""
    import duckdb  # noqa: PLC0415 - as above

    with duckdb.connect() as connection:
        try:
            connection.execute("SELECT regexp_replace('', ?, ?)", [pattern, put])
        except duckdb.InvalidInputException as error:
            return str(error).splitlines()[0].rpartition(": ")[2].rstrip(".")
    return None
