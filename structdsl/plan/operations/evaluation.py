"""What models are asked."""

from __future__ import annotations

from typing import Literal

from structdsl.plan.operations.base import Arguments


class ClosedBook(Arguments):
    """Answers to the questions of an exam, greedily generated with no passage at hand."""

    op: Literal["closed_book"] = "closed_book"
    version: Literal[1] = 1
    model: str  # address of the model or stage, as the tables show it
    task: str
    shots: int
    max_tokens: int
    seed: int


class Perplexity(Arguments):
    """Negative log-likelihood of each document of a corpus."""

    op: Literal["perplexity"] = "perplexity"
    version: Literal[1] = 1
    model: str
    task: str
