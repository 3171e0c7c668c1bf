"""Conversations that a query yields, with the question, answer and text that a reader would have given them.

A row without `messages` is a question and an answer already, and stays as it is. Where a row has both, they must say
the same: the conversation decides, and a row that contradicts it is a fault.
"""

from __future__ import annotations

from typing import Any

from structdsl.plan import SplitConversations
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.conversations import UnfitError, plain, split, turns_of

FOLLOW = ("question", "answer", "text")
"""Columns that follow from the conversation."""


def split_conversations(arguments: SplitConversations, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Documents with every column filled, and faults, in the order of `doc_id`."""
    del arguments
    total = inputs.count("documents")
    with outputs.table("documents") as documents, outputs.table("faults") as faults:
        for done, row in enumerate(inputs.rows("documents", order="doc_id"), 1):
            try:
                documents.row(**row | _values(row))
            except UnfitError as fault:
                faults.row(
                    doc_id=row["doc_id"],
                    source=row["source"],
                    step="split",
                    reason=fault.reason,
                    evidence=fault.evidence,
                )
            context.progress(done, total, "documents")


def _values(row: dict[str, Any]) -> dict[str, Any]:
    """What follows from the turns of a row; raises `UnfitError`."""
    if row["messages"] is None:
        for name in FOLLOW[:2]:
            if not (row[name] or "").strip():
                raise UnfitError("missing column", f"`{name}` has no text, and there are no `messages`")
        text = row["text"] or f"{row['question']}\n{row['answer']}"
        return {"text": text, "n_chars": len(text)}
    turns = turns_of(row["messages"], "messages")
    question, answer = split(turns, "messages")
    values = {"question": question, "answer": answer, "text": plain(turns)}
    for name in FOLLOW:
        if row[name] is not None and row[name] != values[name]:
            raise UnfitError("contradiction", f"`{name}` is not what `messages` say: {row[name][:80]}")
    return {**values, "messages": turns, "n_chars": len(values["text"])}
