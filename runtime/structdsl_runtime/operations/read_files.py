"""Files and objects into documents: every row that does not become one becomes a fault with its reason.

A fault of one row never stops a run; a fault of the source does (no file, an absent column, nothing left), since then
the spec and not the data is wrong. One portion after the other is read, a batch of rows of it in memory at a time.
"""

from __future__ import annotations

from contextlib import ExitStack

from structdsl.plan import ReadFiles, ReadObjects, ReadTable
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.ahead import cleaned_ahead
from structdsl_runtime.reading.found import Found, check, recoded, together
from structdsl_runtime.reading.part import read_portion
from structdsl_runtime.reading.portions import portions_of
from structdsl_runtime.reading.taken import Taken
from structdsl_runtime.text.sources import Broken, check_listed


def read_files(arguments: ReadFiles, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Read every file of the pattern in order, up to `limit` documents.

    Raises Fault E0513 (no file), E0514 (a column that no row has), E0515 (cannot be read), E0516 (nothing is left).
    """
    del inputs
    read_portions(arguments, arguments.pattern, outputs, context)


def read_objects(arguments: ReadObjects, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Read every object of the pattern in order, up to `limit` documents; raises the faults of `read_files`."""
    del inputs
    read_portions(arguments, arguments.pattern, outputs, context)


def read_portions(
    arguments: ReadFiles | ReadObjects | ReadTable, pattern: str, outputs: Outputs, context: Context
) -> None:
    """Read portions one after the other into the outputs; raises Fault E0513, E0514, E0515 and E0516."""
    cut = portions_of(arguments, context.root)
    check_listed([portion.source for portion in cut], context.listing(pattern))
    parts: list[Found] = []
    broken = Broken()
    taken = Taken()
    files = {name: number for number, name in enumerate(dict.fromkeys(portion.source.shown for portion in cut))}
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        offsets = stack.enter_context(outputs.table("offsets"))
        written = (documents, faults, redactions, offsets)
        for portion, row in cleaned_ahead(arguments, cut):
            context.progress(files[portion.source.shown], len(files), "files")
            room = arguments.limit - len(taken) if arguments.limit is not None else None
            if room == 0:
                break
            with broken.noted():
                parts.append(read_portion(arguments, portion, *written, taken=taken, room=room, cleaned=row))
    broken.check()
    whole = together(parts)
    check(arguments, whole, len(files))
    if (message := recoded(arguments, whole)) is not None:
        context.warn(message)
    context.progress(len(files), len(files), "files")
