"""Text to tree; what belongs to the file as a whole is checked here."""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics import Diagnostic, Label, Sink
from structdsl.syntax import parse as parse_text
from structdsl.syntax.tree import Block, Decorator, Span
from structdsl.unit import Unit


def parse(unit: Unit, sink: Sink) -> Unit:
    tree = parse_text(unit.source, sink)
    for import_ in tree.imports:
        _not_built("`import`", import_.span, unit, sink)
    for block in tree.blocks:
        _refuse(block, unit, sink)
    for parameter in tree.parameters:
        _refuse_decorators(parameter.decorators, unit, sink)
    return dataclasses.replace(unit, tree=tree)


def _refuse(block: Block, unit: Unit, sink: Sink) -> None:
    """What this version does not build: inheritance and annotations."""
    _refuse_decorators(block.decorators, unit, sink)
    if block.base is not None:
        _not_built("`extends`", block.base.span, unit, sink)
    for item in block.body:
        if isinstance(item, Block):
            _refuse(item, unit, sink)
        else:
            _refuse_decorators(item.decorators, unit, sink)


def _refuse_decorators(decorators: tuple[Decorator, ...], unit: Unit, sink: Sink) -> None:
    for decorator in decorators:
        _not_built(f"`@{decorator.name.text}`", decorator.span, unit, sink)


def _not_built(what: str, span: Span, unit: Unit, sink: Sink) -> None:
    label = Label(span=span, text="part of the language, not of this version")
    sink.add(Diagnostic(code="E0801", message=f"{what} is not built yet", source=unit.source, labels=(label,)))
