"""How many tokens each document has, counted with the tokenizer of the model that will read it."""

from __future__ import annotations

import pyarrow as pa

from structdsl.plan import CountTokens
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text import tokens


def count_tokens(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Tokens of the text of each document, with nothing added before or after."""
    del arguments
    tokenizer = tokens.load_fast(inputs, "documents", ("text",), "doc_id", context)
    total, done = inputs.count("documents"), 0
    with outputs.table("counts") as counts:
        for batch in inputs.batches("documents", columns="doc_id, text", rows=512):
            sizes = tokenizer.encode_flat([str(text) for text in batch.column("text").to_pylist()]).sizes
            counts.write(pa.table({"doc_id": batch.column("doc_id"), "n_tokens": pa.array(sizes, pa.int64())}))
            done += batch.num_rows
            context.progress(done, total, "documents")
