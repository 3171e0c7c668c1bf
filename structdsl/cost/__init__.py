"""What a plan costs, before anything is run."""

from structdsl.cost.compute import Machine
from structdsl.cost.data import corpus_size
from structdsl.cost.estimate import Estimate, estimate
from structdsl.cost.facts import Facts, Feed, Size, facts_of
from structdsl.cost.figure import Figure
from structdsl.cost.memory import Memory
from structdsl.cost.stage import StageCost

__all__ = [
    "Estimate",
    "Facts",
    "Feed",
    "Figure",
    "Machine",
    "Memory",
    "Size",
    "StageCost",
    "corpus_size",
    "estimate",
    "facts_of",
]
