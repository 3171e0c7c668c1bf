"""Values that the language gives no meaning to: rows of a fixture, options of another program."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from structdsl.schema.quantities import BYTES, NUMBER, RATIO, amount_of
from structdsl.schema.reader import ERROR, Reader, choice_word
from structdsl.syntax.tree import Expression, Keyword, Mapping, Negation, Quantity, Sequence, Text


@dataclass(frozen=True, slots=True)
class Free:
    """A value that the language gives no meaning to: what JSON can say, written as the language writes it."""

    def read(self, value: Expression, at: Reader) -> Any:
        """Text, whole and decimal numbers, sizes, `true`, `false`, `none`, lists and maps of them."""
        match value:
            case Text():
                return value.value
            case Keyword(text="true" | "false" | "none" as word):
                return {"true": True, "false": False, "none": None}[word]
            case Quantity():
                amount = amount_of(value)
                if amount.dimension in {NUMBER, RATIO, BYTES}:
                    return _json_number(amount.value)
            case Negation(operand=Quantity() as operand) if amount_of(operand).dimension == NUMBER:
                return _json_number(-amount_of(operand).value)
            case Sequence():
                items = [self.read(item, at) for item in value.items]
                return ERROR if any(item is ERROR for item in items) else items
            case Mapping():
                return self._map(value, at)
        return at.mismatch(self, value)

    def _map(self, value: Mapping, at: Reader) -> Any:
        result: dict[str, Any] = {}
        for pair in value.pairs:
            key = pair.key.value if isinstance(pair.key, Text) else choice_word(pair.key)
            if key is None:
                return at.report(
                    "E0301", f"keys in `{at.attribute}` are names or strings", pair.key.span, "no name of a field"
                )
            if key in result:
                return at.report("E0208", f"`{key}` stands twice in `{at.attribute}`", pair.key.span, "second time")
            result[key] = self.read(pair.value, at)
        return ERROR if any(item is ERROR for item in result.values()) else result

    def describe(self) -> str:
        return "text, a number, `true`, `false`, `none`, or a list or map of them"


@dataclass(frozen=True, slots=True)
class FreeMap:
    """A map from names, bare or quoted, to free values: a row of a fixture, options of another program."""

    def read(self, value: Expression, at: Reader) -> Any:
        return Free().read(value, at) if isinstance(value, Mapping) else at.mismatch(self, value)

    def describe(self) -> str:
        return "a map, such as `{ name: value }`"


def _json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
