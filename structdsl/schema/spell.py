"""Values of attributes as text of the language; the defaults of a schema are spelt with it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from structdsl.schema.block import Nested, Schema, type_of
from structdsl.schema.containers import CallOf, ListOf, OneOf, OneOrMany
from structdsl.schema.optimizer import WarmUp
from structdsl.schema.quantities import plain
from structdsl.schema.reader import Type
from structdsl.schema.scalars import Boolean, Bytes, Choice, Count, Duration, Integer, Number, Ratio, String
from structdsl.syntax.spell import quoted

BINARY = ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))
DECIMAL = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
TIMES = ((86400 * 10**9, "d"), (3600 * 10**9, "h"), (60 * 10**9, "min"), (10**9, "s"))
SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def default_text(schema: type[Schema], field: str) -> str | None:
    """How the default of a field would be written; none where it has none that one could write."""
    info = schema.model_fields[field]
    if info.is_required():
        return None
    return written(info.get_default(call_default_factory=True, validated_data={}), type_of(info))


def written(value: Any, type_: Type | Nested) -> str | None:  # noqa: C901, PLR0912 - one case a form
    """A value as the text that its type reads; none for what is absent (`None`, nothing in a list or map)."""
    if value is None or value in ((), {}) or isinstance(type_, Nested):
        return None
    for leaf in leaves(type_):
        match leaf, value:
            case CallOf(), Schema():
                for name, schema in leaf.schemas.items():
                    if type(value) is schema:
                        return _call(name, value)
            case Boolean(), bool():
                return "true" if value else "false"
            case Count(), int():
                return f"{_counted(value)} {leaf.unit}"
            case Integer(), int():
                return str(value)
            case Duration(), int():
                return next((f"{value // unit}{name}" for unit, name in TIMES if not value % unit), f"{value}ns")
            case Bytes(), int():
                return next((f"{value // unit}{name}" for unit, name in SIZES if not value % unit), f"{value} bytes")
            case ((Ratio() | WarmUp()), Decimal()):
                return f"{plain(value * 100)}%"
            case WarmUp(), int():
                return f"{value} steps"
            case Number(), Decimal():
                return _number(value)
            case Choice(), str() if value in leaf.names:
                return value
            case String(), str():
                return quoted(value)
            case ((ListOf() | OneOrMany()), tuple()):
                items = [written(item, leaf.item) for item in value]
                return f"[{', '.join(item for item in items if item is not None)}]"
    return None


def leaves(type_: Type) -> Iterator[Type]:
    """The alternatives that a type has."""
    if isinstance(type_, OneOf):
        for _, alternative in type_.fits:
            yield from leaves(alternative)
    else:
        yield type_


def _call(name: str, value: Schema) -> str:
    arguments = [
        f"{info.alias or field} = {text}"
        for field, info in type(value).model_fields.items()
        if (text := written(getattr(value, field), type_of(info))) is not None
    ]
    return f"{name}({', '.join(arguments)})"


def _number(value: Decimal) -> str:
    """`2e-5` for what is small, plain digits else."""
    if not value or abs(value) >= Decimal("0.001"):
        return plain(value)
    sign, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    fraction = "".join(map(str, digits[1:]))
    mantissa = f"{digits[0]}.{fraction}" if fraction else str(digits[0])
    return f"{'-' * sign}{mantissa}e{exponent + len(digits) - 1}"


def _counted(value: int) -> str:
    for unit, name in (*BINARY, *DECIMAL):
        if value and not value % unit:
            return f"{value // unit}{name}"
    return str(value)
