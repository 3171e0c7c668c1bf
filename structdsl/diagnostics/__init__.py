"""Messages to the user: what they are, how they are shown, and the page behind each code."""

from __future__ import annotations

from structdsl.diagnostics import codes as _codes
from structdsl.diagnostics.codes import page
from structdsl.diagnostics.diagnostic import Diagnostic, Edit, Label, Severity, Sink
from structdsl.diagnostics.edits import readdressing, removal, respelling, respelling_inside, text_at
from structdsl.diagnostics.render import render
from structdsl.diagnostics.suggest import did_you_mean, nearest, nearest_address

__all__ = [
    "CODES",
    "Diagnostic",
    "Edit",
    "Label",
    "Severity",
    "Sink",
    "did_you_mean",
    "nearest",
    "nearest_address",
    "page",
    "readdressing",
    "removal",
    "render",
    "respelling",
    "respelling_inside",
    "text_at",
]

CODES: dict[str, str]


def __getattr__(name: str) -> dict[str, str]:
    """`CODES` is read from the pages when it is first asked for."""
    if name == "CODES":
        return _codes.CODES
    raise AttributeError(name)
