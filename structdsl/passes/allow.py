"""`@allow(W0501, reason = "…")`: a warning that was thought about.

Errors cannot be silenced, and a reason is required.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from structdsl import diagnostics
from structdsl.diagnostics import Diagnostic, Edit, Label, Severity, Sink, did_you_mean, nearest, removal, respelling
from structdsl.schema.reader import choice_word
from structdsl.syntax.tree import Attribute, Block, Decorator, Parameter, Span, Text
from structdsl.unit import Allowance, Unit


def allow(unit: Unit, sink: Sink) -> Unit:
    """Take out of the sink what annotations allow; an annotation that allows nothing is a warning of its own."""
    if sink.failed:
        return unit  # warnings are not complete, so that none can be missed
    silenced: set[int] = set()  # ids of diagnostics
    for allowance in unit.allowances:
        found = [d for d in sink.diagnostics if d.severity is Severity.WARNING and _covers(allowance, d)]
        silenced.update(map(id, found))
        if not found and allowance.source is unit.source.files[0]:  # an imported file speaks to all that import it
            sink.add(
                Diagnostic(
                    code="W0405",
                    message=f"`@allow({allowance.code})` silences nothing",
                    source=allowance.source,
                    labels=(Label(span=allowance.place, text="no such warning here"),),
                    helps=("remove it",),
                    fixes=removal(allowance.source, allowance.whole),
                )
            )
    sink.diagnostics[:] = [d for d in sink.diagnostics if id(d) not in silenced]
    return unit


def read_annotations(unit: Unit, sink: Sink) -> Unit:
    """What annotations allow, and where, before blocks are laid over each other."""
    assert unit.tree is not None
    items = decorated((*unit.tree.parameters, *unit.tree.blocks))
    allowances = tuple(allowance for item in items for allowance in _allowances(item, unit, sink))
    return dataclasses.replace(unit, allowances=allowances)


def _covers(allowance: Allowance, diagnostic: Diagnostic) -> bool:
    """Whether a warning arises in the stretch of text that an annotation is for."""
    span = allowance.span
    return diagnostic.code == allowance.code and any(
        label.primary and diagnostic.file is allowance.source and span.start <= label.span.start <= span.end
        for label in diagnostic.labels
    )


def decorated(items: tuple[Block | Parameter | Attribute, ...]) -> Iterator[Block | Parameter | Attribute]:
    """Everything that carries an annotation, at whatever depth."""
    for item in items:
        if item.decorators:
            yield item
        if isinstance(item, Block):
            yield from decorated(item.body)


def _allowances(item: Block | Parameter | Attribute, unit: Unit, sink: Sink) -> Iterator[Allowance]:
    source, span = unit.source.locate(item.span)
    for decorator in item.decorators:
        if decorator.name.text != "allow":
            near = nearest(decorator.name.text, ["allow"])
            message, label = f"unknown annotation `@{decorator.name.text}`", "no annotation of this name"
            fixes = respelling(decorator.name.span, decorator.name.text, near)
            _report(unit, sink, message, decorator.name.span, label, ('write `@allow(W0501, reason = "…")`',), fixes)
            continue
        for code, place in _codes(decorator, unit, sink):
            whole = unit.source.locate(_removable(decorator, place))[1]
            yield Allowance(code=code, source=source, span=span, place=unit.source.locate(place)[1], whole=whole)


def _removable(decorator: Decorator, place: Span) -> Span:
    """The code in an annotation of several; else the annotation."""
    codes = [argument for argument in decorator.arguments if argument.name is None]
    return place if len(codes) > 1 else decorator.span


def _codes(decorator: Decorator, unit: Unit, sink: Sink) -> Iterator[tuple[str, Span]]:
    """The codes that an annotation names, if it gives a reason."""
    reason = False
    found = []
    for argument in decorator.arguments:
        if argument.name is not None and argument.name.text == "reason":
            reason = isinstance(argument.value, Text) and bool(argument.value.value.strip())
        elif argument.name is not None:
            message = f"unknown argument of `@allow`: `{argument.name.text}`"
            span, label, near = argument.name.span, "no argument of this name", nearest(argument.name.text, ["reason"])
            reason = reason or bool(near)
            fixes = respelling(span, argument.name.text, near)
            _report(unit, sink, message, span, label, did_you_mean(["reason"]), fixes)
        else:
            code = choice_word(argument.value) or ""
            if code in diagnostics.CODES and code.startswith("W"):
                found.append((code, argument.value.span))
            elif code in diagnostics.CODES:
                _report(unit, sink, f"errors cannot be silenced, and `{code}` is one", argument.span, "an error")
            else:
                near = nearest(code.upper(), [known for known in diagnostics.CODES if known.startswith("W")])
                message, fixes = f"no warning has the code `{code}`", respelling(argument.span, code, near)
                _report(unit, sink, message, argument.span, "no code of a warning", did_you_mean(near), fixes)
    if not reason:
        helps = ('write `@allow(W0501, reason = "…")`',)
        _report(unit, sink, "`@allow` needs a `reason`", decorator.span, "without a reason", helps)
    elif not decorator.arguments[1:]:
        _report(unit, sink, "`@allow` names no warning", decorator.span, "allows nothing")
    yield from found if reason else ()


def _report(
    unit: Unit,
    sink: Sink,
    message: str,
    span: Span,
    label: str,
    helps: tuple[str, ...] = (),
    fixes: tuple[Edit, ...] = (),
) -> None:
    labels = (Label(span=span, text=label),)
    sink.add(Diagnostic(code="E0406", message=message, source=unit.source, labels=labels, helps=helps, fixes=fixes))
