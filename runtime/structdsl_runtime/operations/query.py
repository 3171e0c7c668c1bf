"""`query`: one SELECT over the inputs, run by DuckDB from Parquet to Parquet; no row passes through Python."""

from __future__ import annotations

from structdsl.plan import Ordered, Query
from structdsl_runtime.engine import VALUES, misfit
from structdsl_runtime.operation import Context, Inputs, Outputs


def query(arguments: Query, inputs: Inputs, outputs: Outputs, context: Context) -> None:  # noqa: ARG001 - the protocol
    """Write the rows of `arguments.sql` to the one output of the step.

    Raises Fault E0603 where a value does not fit the SQL of the spec, such as text that is cast to a number.
    """
    (name,) = outputs.names()
    try:
        outputs.select(name, arguments.sql, by=arguments.split.key if isinstance(arguments.split, Ordered) else None)
    except VALUES as error:
        raise misfit(context.address, error) from error
