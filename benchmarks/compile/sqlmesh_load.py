"""What SQLMesh does up to the point where `structdsl compile` is done: load a project, and render every model.

Run by `run.py` with the Python of an environment that has SQLMesh. Rendering resolves, types and optimises a query,
which is where an unknown column is found.
"""

from __future__ import annotations

import sys

from sqlmesh import Context  # type: ignore[import-not-found, unused-ignore]  # not an environment of ours

context = Context(paths=sys.argv[1])
for model in context.models.values():
    model.render_query_or_raise(needs_optimization=True)
    assert model.columns_to_types
print(len(context.models))
