"""SQL inside a spec: read as DuckDB reads it, checked against the promised tables, and carried into the plan."""
