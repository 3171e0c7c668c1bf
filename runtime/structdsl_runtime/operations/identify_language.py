"""The language of each document, from what it begins with; see `structdsl_runtime.text.languages`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import compute

from structdsl.plan import IdentifyLanguage
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.languages import PREFIX, identify

pc: Any = compute


def identify_language(arguments: IdentifyLanguage, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A row a document that does not say its language; without one where its text says nothing of it."""
    del arguments
    total, done = inputs.count("documents"), 0
    with outputs.table("languages") as languages:
        for batch in inputs.batches("documents", columns="doc_id, text, lang"):
            silent = batch.filter(batch.column("lang").is_null())
            texts = pc.utf8_slice_codeunits(pc.fill_null(silent.column("text"), ""), 0, PREFIX).to_pylist()
            found = identify(texts)
            languages.write(
                pa.table(
                    {
                        "doc_id": silent.column("doc_id"),
                        "lang": pa.array([language for language, _ in found], pa.string()),
                        "score": pa.array([score for _, score in found], pa.float64()),
                    }
                )
            )
            done += batch.num_rows
            context.progress(done, total, "documents")
