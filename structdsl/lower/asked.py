"""Models that data is made with: encoders, writers, scorers, which no stage starts from."""

from __future__ import annotations

from structdsl.lower.model import load_model
from structdsl.lower.planner import Planner


def asked_model(address: str, planner: Planner) -> str:
    """The reference to a model, whose step is added where it is not there yet."""
    if f"{address}.load" not in planner.steps:
        load_model(planner.unit.blocks[address], planner)
    return f"{address}.load:model"
