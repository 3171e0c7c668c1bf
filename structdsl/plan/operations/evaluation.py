"""What models are asked."""

from __future__ import annotations

from typing import Annotated, Literal

from structdsl.identity import Effect
from structdsl.plan.operations.base import Arguments
from structdsl.plan.operations.training import Launcher


class Asked(Arguments):
    """What every task is told."""

    model: str  # address of the model or stage, as the tables show it
    task: str
    processes: Annotated[int, Effect.COST] = 1
    nodes: Annotated[int, Effect.COST] = 1
    launcher: Annotated[Launcher | None, Effect.COST] = None  # torchrun reaches all nodes, the others ask on the first


class ClosedBook(Asked):
    """Answers to the questions of an exam, greedily generated with no passage at hand."""

    op: Literal["closed_book"] = "closed_book"
    version: Literal[1] = 1
    shots: int
    max_tokens: int
    seed: int


class MultipleChoice(Asked):
    """The likeliest of the options of each question."""

    op: Literal["multiple_choice"] = "multiple_choice"
    version: Literal[1] = 1
    shots: int
    seed: int


class Perplexity(Asked):
    """Negative log-likelihood of each document of a corpus."""

    op: Literal["perplexity"] = "perplexity"
    version: Literal[1] = 1


class Divergence(Asked):
    """KL(reference ‖ model) in nats per token, for each document of a corpus."""

    op: Literal["divergence"] = "divergence"
    version: Literal[1] = 1


class Recall(Asked):
    """How much of an answer, or of the children of a node, stands in what is generated."""

    op: Literal["recall"] = "recall"
    version: Literal[1] = 1
    of: Literal["answers", "nodes"]
    shots: int
    max_tokens: int
    seed: int


class LmEval(Asked):
    """A task of the Language Model Evaluation Harness."""

    op: Literal["lm_eval"] = "lm_eval"
    version: Literal[1] = 1
    name: str
    metric: str
    shots: int
    seed: int
