"""Types of single values: counts, ratios, numbers, durations, bytes, strings, choices, predicates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from structdsl.diagnostics import Edit, did_you_mean, nearest, respelling, text_at
from structdsl.schema.bare_sql import shown
from structdsl.schema.quantities import BYTES, COUNT_UNITS, DURATION, NUMBER, RATIO, Amount, amount_of
from structdsl.schema.reader import ERROR, Reader, choice_word, kind_of
from structdsl.syntax.tree import Expression, Keyword, Negation, Quantity, Span, Sql, Text

MOST = 2**63 - 1  # what a BIGINT holds
PERCENT = 100
_USUAL = {"epochs": "3", "steps": "500"}  # numbers to show with a unit, where 20k would be odd


def _whole(amount: Amount, value: Quantity, at: Reader, minimum: int) -> Any:
    if amount.value != amount.value.to_integral_value():
        return at.report("E0303", f"`{at.attribute}` must be a whole number", value.span, "has a fraction")
    if amount.value > MOST:
        return at.report("E0303", f"`{at.attribute}` must be at most {MOST}", value.span, "too large")
    if amount.value < minimum:
        return at.report("E0303", f"`{at.attribute}` must be at least {minimum}", value.span, "too small")
    return int(amount.value)


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number of one unit; the unit may be omitted."""

    unit: str
    minimum: int = 1

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Quantity):
            return at.mismatch(self, value)
        amount = amount_of(value)
        if amount.dimension not in {NUMBER, self.unit}:
            found = value.unit or value.suffix
            helps = (at.hints[amount.dimension],) if amount.dimension in at.hints else ()
            unknown = value.unit and amount.dimension not in COUNT_UNITS
            near = nearest(value.unit, sorted(COUNT_UNITS)) if unknown else []
            return at.report(
                "E0302",
                f"`{at.attribute}` counts {self.unit}, not `{found}`",
                value.span,
                "no unit of the language" if unknown else f"expected {self.unit}",
                helps=helps or did_you_mean(near),
                fixes=self._respelt(value, near, at),
            )
        return _whole(amount, value, at, self.minimum)

    def _respelt(self, value: Quantity, near: list[str], at: Reader) -> tuple[Edit, ...]:
        """The unit that is counted here in the place of a misspelt one."""
        if near != [self.unit] or not text_at(at.source, value.span).endswith(value.unit):
            return ()
        return respelling(Span(value.span.end - len(value.unit), value.span.end), value.unit, near)

    def describe(self) -> str:
        return f"a count of {self.unit}, such as `{_USUAL.get(self.unit, '20k')} {self.unit}`"


@dataclass(frozen=True, slots=True)
class Integer:
    minimum: int = 0
    maximum: int | None = None

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Quantity) or amount_of(value).dimension != NUMBER:
            return at.mismatch(self, value)
        number = _whole(amount_of(value), value, at, self.minimum)
        if number is not ERROR and self.maximum is not None and number > self.maximum:
            return at.report("E0303", f"`{at.attribute}` must be at most {self.maximum}", value.span, "too large")
        return number

    def describe(self) -> str:
        return "a whole number"


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time with its unit, in nanoseconds."""

    minimum: int = 0

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Quantity) or amount_of(value).dimension != DURATION:
            helps: tuple[str, ...] = ()
            if isinstance(value, Quantity) and amount_of(value).dimension == NUMBER:
                helps = (f"give it a unit: `{value.number}min`",)
            message = f"`{at.attribute}` expects {self.describe()}"
            return at.report("E0301", message, value.span, f"this is {kind_of(value)}", helps=helps)
        return _whole(amount_of(value), value, at, self.minimum)

    def describe(self) -> str:
        return "a duration, such as `30min`"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size in bytes; a bare number is read as one."""

    minimum: int = 0

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Quantity) or amount_of(value).dimension not in {BYTES, NUMBER}:
            return at.mismatch(self, value)
        return _whole(amount_of(value), value, at, self.minimum)

    def describe(self) -> str:
        return "a size, such as `500MB`"


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal number, exact."""

    above: Decimal | None = None
    minimum: Decimal | None = None

    def read(self, value: Expression, at: Reader) -> Any:
        sign = 1
        if isinstance(value, Negation) and isinstance(value.operand, Quantity):
            sign, value = -1, value.operand
        if not isinstance(value, Quantity) or amount_of(value).dimension != NUMBER:
            return at.mismatch(self, value)
        number = sign * amount_of(value).value
        if self.above is not None and number <= self.above:
            return at.report("E0303", f"`{at.attribute}` must be above {self.above}", value.span, "too small")
        if self.minimum is not None and number < self.minimum:
            return at.report("E0303", f"`{at.attribute}` must be at least {self.minimum}", value.span, "too small")
        return number

    def describe(self) -> str:
        return "a number, such as `2e-5`"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share between 0% and 100%; a bare number is read as one."""

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Quantity):
            return at.mismatch(self, value)
        amount = amount_of(value)
        if amount.dimension not in {RATIO, NUMBER}:
            return at.mismatch(self, value)
        if not 0 <= amount.value <= 1:
            bare = not value.suffix and amount.value <= PERCENT
            helps = (f"write `{value.number}%` for a share of a hundred",) if bare else ()
            end, here = Span(value.span.end, value.span.end), text_at(at.source, value.span) == value.number
            fixes = (Edit(span=end, text="%"),) if bare and here else ()
            message = f"`{at.attribute}` lies between 0% and 100%"
            return at.report("E0303", message, value.span, "outside", helps=helps, fixes=fixes)
        return amount.value

    def describe(self) -> str:
        return "a ratio, such as `55%`"


@dataclass(frozen=True, slots=True)
class String:
    minimum: int = 0  # characters

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Text):
            return at.mismatch(self, value)
        if len(value.value.strip()) < self.minimum:
            return at.report("E0303", f"`{at.attribute}` must not be empty", value.span, "no text")
        return value.value

    def describe(self) -> str:
        return "a string in double quotes"


@dataclass(frozen=True, slots=True)
class Boolean:
    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Text) and value.value in {"true", "false"}:
            return at.mismatch(self, value, (f"write `{value.value}` without quotes",), at.unquoted(value))
        if not isinstance(value, Keyword) or value.text not in {"true", "false"}:
            return at.mismatch(self, value)
        return value.text == "true"

    def describe(self) -> str:
        return "`true` or `false`"


@dataclass(frozen=True, slots=True)
class Literal:
    """One keyword, such as the `rest` of a mixture."""

    word: str

    def read(self, value: Expression, at: Reader) -> Any:
        return self.word if isinstance(value, Keyword) and value.text == self.word else at.mismatch(self, value)

    def describe(self) -> str:
        return f"`{self.word}`"


@dataclass(frozen=True, slots=True)
class Choice:
    """A bare name of a closed set."""

    names: tuple[str, ...]
    calls: tuple[str, ...] = ()  # what else may stand here, and a name may be a misspelling of

    def read(self, value: Expression, at: Reader) -> Any:
        word = choice_word(value)
        if word is None:
            if isinstance(value, Text) and value.value in self.names:
                helps = (f"choices are bare names: `{value.value}`",)
                return at.mismatch(self, value, helps, at.unquoted(value))
            return at.mismatch(self, value)
        if word not in self.names:
            near = nearest(word, (*self.names, *self.calls))
            choices = (*self.names, *(f"{call}(…)" for call in self.calls))
            return at.report(
                "E0206",
                f"unknown `{at.attribute}` `{word}`",
                value.span,
                "no such choice",
                notes=(f"choices: {', '.join(choices)}",),
                helps=did_you_mean(near),
                fixes=() if {*near} & {*self.calls} else respelling(value.span, word, near, at.beside),
            )
        return word

    def describe(self) -> str:
        return " or ".join(f"`{name}`" for name in self.names)


@dataclass(frozen=True, slots=True)
class Predicate:
    """`sql "…"`: a condition over the columns of a row; analysed by a later pass, so its value is the tree's."""

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Sql):
            return value
        asked = shown(value)
        return at.mismatch(self, value, () if asked is None else (f"write `{asked}`",))

    def describe(self) -> str:
        return '`sql "…"`'
