"""The lock beside a spec, for the passes that ask it: columns of data sets, shapes of models, commits.

The compiler opens no data: what it knows of the world outside is the spec and this text.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from structdsl.diagnostics import Diagnostic, Sink
from structdsl.lock import BadLock, lock_path, read
from structdsl.unit import Unit


def read_lock(unit: Unit, sink: Sink) -> Unit:
    """The unit with its lock, where there is one; a text that is none is E0810."""
    if unit.lock_text is None:
        return unit
    try:
        return dataclasses.replace(unit, lock=read(unit.lock_text))
    except BadLock as error:
        sink.add(bad_lock(lock_path(unit.source.path), error))
        return unit


def bad_lock(path: Path, error: BadLock) -> Diagnostic:
    return Diagnostic(
        code="E0810",
        message=f"`{path.name}` is no lock of this version: {error.reason}",
        notes=error.notes,
        helps=("`structdsl lock` writes it anew",),
    )
