"""The rows of a test as tables: documents as their reader would have made them, any other table as it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from structdsl.plan import Fixture, ReadFiles
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.reading.cleaning import Cleaner
from structdsl_runtime.reading.rows import Row
from structdsl_runtime.text import records
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.markdown import first_title
from structdsl_runtime.text.records import Seen

SOURCE = "test"  # where documents of a test come from


def fixture(arguments: Fixture, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write the rows of each output.

    A document that its reader would drop goes to the faults, with the reason, where the step has such an output.
    Raises Fault E0814 where it has none, E0801 for a role that no reader knows.
    """
    del inputs
    names = list(outputs.names())
    if arguments.corpus is not None:
        _write_documents(arguments, names.pop(0), names.pop(0) if names else None, outputs)
    for name in names:
        with outputs.table(name) as table:
            for row in arguments.rows.get(name, ()):
                table.row(**row)
    context.progress(1, 1, "fixtures")


def _write_documents(arguments: Fixture, documents: str, faults: str | None, outputs: Outputs) -> None:
    if arguments.role not in records.REQUIRED:
        raise Fault("E0801", f"tests with documents of role `{arguments.role}` are not built yet")
    with outputs.table(documents) as kept, ExitStack() as stack:
        left = stack.enter_context(outputs.table(faults)) if faults is not None else None
        for number, row in enumerate(arguments.rows.get(documents, ()), 1):
            _document(arguments, number, row, kept, left)


def _document(
    arguments: Fixture, number: int, row: Mapping[str, Any], documents: TableWriter, faults: TableWriter | None
) -> None:
    assert arguments.corpus is not None, "these are documents"
    assert arguments.role is not None, "a corpus has a role"
    as_read = ReadFiles(
        corpus=arguments.corpus,
        role=arguments.role,
        pattern=SOURCE,
        normalise=arguments.normalise,
        redact=arguments.redact,
    )
    record = {name: value for name, value in row.items() if name not in ("meta", "source", "lang", *arguments.extra)}
    if (cleaner := Cleaner.of(as_read)) is not None:
        cleaner.clean([Row("L", number, record)])
    doc_id = records.identity(record, as_read) or str(number)
    source = str(row.get("source") or f"{SOURCE}#L{number}")
    try:
        values = records.document(record, as_read, Seen())
    except UnfitError as unfit:
        if faults is None:
            raise Fault(
                "E0814", f"row {number} given as `corpus.{arguments.corpus}` is no document: {unfit.evidence}"
            ) from None
        faults.row(doc_id=doc_id, source=source, step="read", reason=unfit.reason, evidence=unfit.evidence)
        return
    values |= {"lang": row.get("lang"), "meta": json.dumps(row.get("meta") or {}, ensure_ascii=False)}
    values |= {name: row.get(name) for name in arguments.extra}
    if arguments.whole and values["title"] is None:
        values["title"] = first_title(values["text"]) or doc_id
    documents.row(
        doc_id=doc_id,
        corpus=arguments.corpus,
        role=arguments.role,
        n_chars=len(values["text"]),
        source=source,
        **values,
    )
