"""`read_terms`: the lines of a text file as rows, a term each; blank lines and lines that open with `#` are none."""

from __future__ import annotations

from structdsl.plan import ReadTerms
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.text.normalise import UndecodableError, decode, normalise
from structdsl_runtime.text.sources import CHANGED, check_listed, find, readable, unreadable


def read_terms(arguments: ReadTerms, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Raises Fault E0513 (no file), E0515 (cannot be read), E0516 (no term in it)."""
    del inputs
    terms: dict[str, None] = {}
    found = find(arguments.path, context.root)
    check_listed(found, context.listing(arguments.path))
    for source in found:
        with readable(source.shown):
            data = source.path.read_bytes()
        if source.now() != source.stamp:
            raise unreadable(source.shown, "it changed while it was read", CHANGED)
        try:
            lines = [line.strip() for line in normalise(decode(data)).splitlines()]
        except UndecodableError as error:
            raise unreadable(source.shown, str(error)) from None
        terms.update((line, None) for line in lines if line and not line.startswith("#"))
    if not terms:
        raise Fault("E0516", f"`{arguments.path}` holds no term", helps=("write a term on each line",))
    with outputs.table("terms") as table:
        for term in terms:
            table.row(term=term)
