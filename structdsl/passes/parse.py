"""Text to tree, with the kinds that were meant."""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics import Sink
from structdsl.passes.respell import respell
from structdsl.syntax import parse as parse_text
from structdsl.syntax.source import Source
from structdsl.unit import Unit


def parse(unit: Unit, sink: Sink) -> Unit:
    assert isinstance(unit.source, Source), "imports are not loaded yet"
    tree = respell(parse_text(unit.source, sink), unit.source, sink)
    return dataclasses.replace(unit, tree=tree)
