"""Parameters to values: `param.x` and `${param.x}` give way to what they stand for, and arithmetic is done.

Precedence: the default in the spec, then the profile, then `-p name=value` of the command line, read by the same
grammar. `env("NAME")` stands only as a default, and is recorded by its value.
"""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest, readdressing, respelling
from structdsl.diagnostics.suggest import misspelt
from structdsl.schema.quantities import BYTES, DURATION, NUMBER, RATIO, amount_of, plain
from structdsl.schema.reader import ERROR, UNKNOWN, Reader, Type
from structdsl.schema.scalars import Boolean, Bytes, Count, Duration, Integer, Number, Ratio, String
from structdsl.syntax import parse_value
from structdsl.syntax.source import Source, Sources
from structdsl.syntax.tree import (
    Argument,
    Attribute,
    Binary,
    Block,
    Call,
    Expression,
    Keyword,
    Mapping,
    Name,
    Negation,
    Parameter,
    Quantity,
    Reference,
    Sequence,
    Span,
    Sql,
    Text,
)
from structdsl.unit import Unit

TYPES: dict[str, Type] = {
    "tokens": Count("tokens"),
    "docs": Count("docs"),
    "steps": Count("steps"),
    "epochs": Count("epochs"),
    "points": Count("points"),
    "ratio": Ratio(),
    "number": Number(),
    "integer": Integer(),
    "string": String(),
    "bool": Boolean(),
    "duration": Duration(),
    "bytes": Bytes(),
}
DEEPEST = 200  # operators and brackets inside each other
LARGEST = 30  # digits of an exponent's value: beyond that a number means nothing here


def bind_params(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    values: dict[str, Expression | None] = {}
    texts: dict[str, str] = {}
    for parameter in unit.tree.parameters:
        name = parameter.name.text
        if name in values:
            _report(
                unit.source,
                sink,
                "E0202",
                f"`param {name}` is declared twice",
                parameter.name.span,
                "declared again here",
            )
        values[name] = _value(parameter, unit, sink)
        if (value := values[name]) is not None:
            texts[name] = _text_of(value)
    for name in (written.replace(".", "_") for written in unit.overrides):
        if name not in values:
            found = nearest(name, list(values))
            helps = did_you_mean(found)
            sink.add(
                Diagnostic(
                    code="E0209", message=f"the spec declares no param `{name}`", source=unit.source, helps=helps
                )
            )
    declared = {parameter.name.text: parameter.name.span for parameter in unit.tree.parameters}
    binder = _Binder(unit.source, sink, values, declared)
    blocks = tuple(binder.block(block) for block in unit.tree.blocks)
    return dataclasses.replace(unit, tree=dataclasses.replace(unit.tree, blocks=blocks), parameters=texts)


def _value(parameter: Parameter, unit: Unit, sink: Sink) -> Expression | None:
    """The expression that a parameter stands for, or none after a report."""
    name, type_name = parameter.name.text, parameter.type
    if type_name.text not in TYPES:
        found = nearest(type_name.text, list(TYPES))
        helps = did_you_mean(found) or (f"types: {', '.join(TYPES)}",)
        _report(
            unit.source,
            sink,
            "E0304",
            f"unknown type `{type_name.text}` of a param",
            type_name.span,
            "no such type",
            helps,
            respelling(type_name.span, type_name.text, found),
        )
        return None
    type_ = TYPES[type_name.text]
    for profile, entries in unit.profiles.items():
        if profile != unit.profile and name in entries:
            _read(name, type_, entries[name], unit.source, sink)
    overrides = {written.replace(".", "_"): text for written, text in unit.overrides.items()}
    if name in overrides:
        source, expression = _text(f"-p {name}", type_name.text, overrides[name], sink)
        return None if expression is None else _read(name, type_, expression, source, sink)
    if unit.profile is not None and name in unit.profiles.get(unit.profile, {}):
        return _read(name, type_, unit.profiles[unit.profile][name], unit.source, sink)
    if parameter.default is None:
        helps = (f"pass `-p {name}=…`, or give it a default",)
        _report(unit.source, sink, "E0401", f"`param {name}` has no value", parameter.span, "no default", helps)
        return None
    if isinstance(parameter.default, Call):
        return _call(name, type_name.text, parameter.default, unit, sink)
    return _read(name, type_, parameter.default, unit.source, sink)


def _read(name: str, type_: Type, expression: Expression, source: Sources, sink: Sink) -> Expression | None:
    """The expression, done with its arithmetic and of the right type, or none after a report."""
    expression = _Binder(source, sink, None).fold(expression)
    reader = Reader(source=source, sink=sink, attribute=name, blocks={}, read_call=_no_call)
    return None if type_.read(expression, reader) is ERROR else _typed(expression, type_)


def _typed(value: Expression, type_: Type) -> Expression:
    """The value with the unit of its param, which need not be written: it is a count of that wherever it stands."""
    match value, type_:
        case Quantity(), Count():
            return _quantity(amount_of(value).value, type_.unit, value.span)
        case Quantity(), Ratio():
            return _quantity(amount_of(value).value, RATIO, value.span)
        case _:
            return value


def _call(name: str, type_name: str, call: Call, unit: Unit, sink: Sink) -> Expression | None:
    """The value of `env("NAME")`, the one call that may stand as a default."""
    match call:
        case Call(name=Name(text="env"), arguments=(Argument(name=None, value=Text(value=variable)),)):
            pass
        case Call(name=Name(text="env")):
            helps = ('write `env("NAME")`',)
            _report(
                unit.source,
                sink,
                "E0301",
                "`env` takes the name of a variable",
                call.span,
                "not the name of one variable",
                helps,
            )
            return None
        case Call(name=Name(text="secret")):
            message = f"`param {name}` cannot be a secret: params are recorded and shown"
            helps = ("write `secret(…)` where it is used, in `token` or `key`",)
            _report(unit.source, sink, "E0306", message, call.span, "a secret", helps)
            return None
        case _:
            message = "the default of a param is a value or `env(…)`"
            _report(unit.source, sink, "E0301", message, call.span, f"a call of `{call.name.text}`")
            return None
    if variable not in unit.environment:
        helps = (f"set it, or pass `-p {name}=…`",)
        _report(unit.source, sink, "E0305", f"the variable `{variable}` is not set", call.span, "read here", helps)
        return None
    source, expression = _text(f"env {variable}", type_name, unit.environment[variable], sink)
    read = None if expression is None else _read(name, TYPES[type_name], expression, source, sink)
    return None if read is None else dataclasses.replace(read, span=call.span)


def _no_call(call: Call, schemas: dict[str, Any], at: Reader) -> Any:
    raise AssertionError(call, schemas, at)


def _text(origin: str, type_name: str, text: str, sink: Sink) -> tuple[Source, Expression | None]:
    """A value from the command line or the environment, read as the default in a spec would be."""
    if type_name == "string" and not text.startswith(('"', 'r"')):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    source = Source(Path(origin), text)
    inner = Sink()
    value = parse_value(source, inner)
    if value is None or inner.failed:
        message = f"`{origin}={text}` cannot be read as a value of type `{type_name}`"
        sink.add(Diagnostic(code="E0304", message=message, notes=tuple(d.message for d in inner)))
        return source, None
    return source, value


def _text_of(value: Expression) -> str:
    """Canonical text of a parameter's value, as plans and strings show it."""
    match value:
        case Quantity():
            amount = amount_of(value)
            units = {NUMBER: "", RATIO: "", BYTES: "", DURATION: "ns"}
            return plain(amount.value) + units.get(amount.dimension, f" {amount.dimension}")
        case Negation(operand=Quantity() as operand):
            return f"-{_text_of(operand)}"
        case Text():
            return value.value
        case Keyword():
            return value.text
        case _:
            raise AssertionError(value)


_HOLE = re.compile(r"\$\{([^}]*)\}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Binder:
    source: Sources
    sink: Sink
    values: dict[str, Expression | None] | None  # none inside the default of a param, which uses no other
    declared: dict[str, Span] = dataclasses.field(default_factory=dict)  # the names of params

    def block(self, block: Block) -> Block:
        body = tuple(
            self.block(item) if isinstance(item, Block) else dataclasses.replace(item, value=self.fold(item.value))
            for item in block.body
            if isinstance(item, Block | Attribute)
        )
        return dataclasses.replace(block, body=body)

    def fold(self, value: Expression, depth: int = 0) -> Expression:
        """The expression with parameters in place and arithmetic done."""
        if depth > DEEPEST:
            _report(self.source, self.sink, "E0105", "the expression is too long to be read", value.span, "split it")
            return UNKNOWN
        match value:
            case Quantity() if abs(Decimal(value.number).adjusted()) > LARGEST:
                _report(
                    self.source, self.sink, "E0303", "the number is out of range", value.span, "too large or too small"
                )
                return UNKNOWN
            case Negation():
                return self._negation(value, depth)
            case Reference(parts=("param", name)):
                return self._parameter(name, value)
            case Text(raw=False):
                return self._interpolate(value)
            case Sequence():
                return dataclasses.replace(value, items=tuple(map(self.fold, value.items)))
            case Mapping():
                pairs = tuple(dataclasses.replace(pair, value=self.fold(pair.value)) for pair in value.pairs)
                return dataclasses.replace(value, pairs=pairs)
            case Call():
                arguments = tuple(dataclasses.replace(a, value=self.fold(a.value)) for a in value.arguments)
                return dataclasses.replace(value, arguments=arguments)
            case Binary():
                return self._binary(value, depth)
            case Sql():
                self._check_sql(value.text)  # values become literals, and names tables, where SQL is analysed
                return value
            case _:
                return value

    def _parameter(self, name: str, reference: Reference) -> Expression:
        if self.values is None:
            message = "the default of a param cannot use another param"
            _report(self.source, self.sink, "E0209", message, reference.span, f"uses `{reference}`")
            return UNKNOWN
        if name not in self.values:
            near = nearest(name, list(self.values))
            found = [f"param.{each}" for each in near]
            place = self.declared.get(near[0]) if near else None
            _report(
                self.source,
                self.sink,
                "E0209",
                f"unknown param `{name}`",
                reference.span,
                "no param of this name",
                did_you_mean(found),
                readdressing(self.source, reference.span, f"param.{name}", found, place),
            )
        value = self.values.get(name)
        return UNKNOWN if value is None else dataclasses.replace(value, span=reference.span)

    def _interpolate(self, text: Text) -> Expression:
        """`${param.x}` in a string; characters that come from a parameter keep the place of the hole."""
        whole = True
        value, origins, end = "", [], 0
        for hole in _HOLE.finditer(text.value):
            span = Span(text.origins[hole.start()], text.origins[hole.end()])
            reference = Reference(tuple(hole[1].strip().split(".")), span)
            filled = (
                self._parameter(reference.parts[-1], reference)
                if reference.parts[0] == "param" and len(reference.parts) == 2
                else None
            )
            if filled is None:
                head, *rest = reference.parts
                helps = did_you_mean([f"${{{'.'.join(('param', *rest))}}}"]) if rest and misspelt(head, "param") else ()
                label = "only `${param.…}` stands in a string"
                _report(self.source, self.sink, "E0209", f"`{hole[0]}` names no param", span, label, helps)
            whole = whole and filled not in (None, UNKNOWN)
            inserted = _text_of(filled) if filled not in (None, UNKNOWN) else ""
            value += text.value[end : hole.start()] + inserted
            origins += [*text.origins[end : hole.start()], *[span.start] * len(inserted)]
            end = hole.end()
        if not whole:
            return UNKNOWN
        return dataclasses.replace(text, value=value + text.value[end:], origins=(*origins, *text.origins[end:]))

    def _check_sql(self, text: Text) -> None:
        """Report params in SQL that do not exist."""
        for hole in _HOLE.finditer(text.value):
            head, _, name = hole[1].strip().partition(".")
            if head == "param" and not text.raw:
                self._parameter(
                    name, Reference((head, name), Span(text.origins[hole.start()], text.origins[hole.end()]))
                )

    def _negation(self, value: Negation, depth: int) -> Expression:
        operand = self.fold(value.operand, depth + 1)
        if isinstance(operand, Negation):
            return dataclasses.replace(operand.operand, span=value.span)
        return operand if operand is UNKNOWN else dataclasses.replace(value, operand=operand)

    def _binary(self, value: Binary, depth: int) -> Expression:
        left, right = self.fold(value.left, depth + 1), self.fold(value.right, depth + 1)
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        if not isinstance(left, Quantity) or not isinstance(right, Quantity):
            odd = right if isinstance(left, Quantity) else left
            _report(
                self.source, self.sink, "E0301", f"`{value.operator}` works on quantities", odd.span, "not a quantity"
            )
            return UNKNOWN
        return self._arithmetic(value, left, right)

    def _arithmetic(self, value: Binary, left: Quantity, right: Quantity) -> Expression:
        a, b = amount_of(left), amount_of(right)
        result: Decimal | None = None
        dimension = b.dimension if a.dimension in {NUMBER, RATIO} and b.dimension != RATIO else a.dimension
        if value.operator in "+-" and (a.dimension == b.dimension or NUMBER in {a.dimension, b.dimension}):
            result = a.value + b.value if value.operator == "+" else a.value - b.value
        elif value.operator == "*" and {a.dimension, b.dimension} & {NUMBER, RATIO}:
            result = a.value * b.value
        elif value.operator == "/" and b.value and b.dimension in {NUMBER, a.dimension}:
            result = a.value / b.value
            dimension = a.dimension if b.dimension == NUMBER else NUMBER
        if result is None:
            message = (
                "division by zero"
                if value.operator == "/" and not b.value
                else f"`{value.operator}` cannot join {a.dimension} and {b.dimension}"
            )
            _report(self.source, self.sink, "E0302", message, value.span, "in this expression")
            return UNKNOWN
        return _quantity(result, dimension, value.span)


def _quantity(value: Decimal, dimension: str, span: Span) -> Quantity:
    """A literal of this value, in the canonical unit of its dimension."""
    if dimension == RATIO:
        return Quantity(plain(value * 100), "%", "", span)
    if dimension == DURATION:
        return Quantity(plain(value), "ns", "", span)
    if dimension == BYTES:
        return Quantity(plain(value / 1000), "KB", "", span)
    return Quantity(plain(value), "", "" if dimension == NUMBER else dimension, span)


def _report(
    source: Sources,
    sink: Sink,
    code: str,
    message: str,
    span: Span,
    label: str,
    helps: tuple[str, ...] = (),
    fixes: tuple[Edit, ...] = (),
) -> None:
    labels = (Label(span=span, text=label),)
    sink.add(Diagnostic(code=code, message=message, source=source, labels=labels, helps=helps, fixes=fixes))
