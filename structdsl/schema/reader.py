"""The types of the language: each reads an expression of the tree as a value, or says what is wrong with it.

A type is a small frozen value. `read` returns the Python value, or `ERROR` after reporting; `ERROR` is compatible
with everything, so that one mistake never causes a second message. `describe` completes the sentence "expected …".
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, text_at
from structdsl.schema.quantities import BYTES, DURATION, NUMBER, RATIO, amount_of
from structdsl.syntax.source import Sources
from structdsl.syntax.tree import (
    Call,
    Expression,
    Keyword,
    Mapping,
    Negation,
    Quantity,
    Reference,
    Sequence,
    Span,
    Sql,
    Text,
)


class Error:
    """The value of what could not be read."""

    def __repr__(self) -> str:
        return "ERROR"


ERROR: Final = Error()

UNKNOWN: Final = Keyword("?", Span(-1, -1))
"""Stands in the tree for a value that was already reported; it has no place, and nothing is said of it again."""


class Resolve(Protocol):
    """A path, as seen from the folder of the spec; `opening` opens one that is below that folder and was rewritten."""

    def __call__(self, path: str, span: Span, opening: str = "") -> str: ...


def as_written(path: str, span: Span, opening: str = "") -> str:  # noqa: ARG001 - the place says which file declares it
    """The path of a file that the spec itself names."""
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reading a value may ask: where it stands, which blocks there are, and where messages go."""

    source: Sources
    sink: Sink
    attribute: str  # name of the attribute or argument being read
    blocks: Table[str, Any]  # address -> declaration
    strangers: frozenset[str] = frozenset()  # names of blocks of unknown kinds, of which nothing is said again
    damaged: bool = False  # whether some of the file could not be read, so that blocks may be missing
    hints: dict[str, str] = field(default_factory=dict)  # unit -> help, for a value of another unit
    beside: frozenset[str] = frozenset()  # names in the same list or map, none of which may stand there twice
    read_call: Callable[[Call, dict[str, Any], Reader], Any]
    resolve: Resolve = as_written

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> Error:
        if span == UNKNOWN.span:
            return ERROR
        self.sink.add(
            Diagnostic(
                code=code,
                message=message,
                source=self.source,
                labels=(Label(span=span, text=label),),
                notes=notes,
                helps=helps,
                fixes=fixes,
            )
        )
        return ERROR

    def mismatch(
        self, expected: Type, value: Expression, helps: tuple[str, ...] = (), fixes: tuple[Edit, ...] = ()
    ) -> Error:
        message = f"`{self.attribute}` expects {expected.describe()}"
        return self.report("E0301", message, value.span, f"this is {kind_of(value)}", helps=helps, fixes=fixes)

    def unquoted(self, value: Expression) -> tuple[Edit, ...]:
        """A string without its quotes, if it stands where it is read: what a param brings is quoted elsewhere."""
        if not isinstance(value, Text) or text_at(self.source, value.span) != f'"{value.value}"':
            return ()
        return (Edit(span=value.span, text=value.value),)


class Type(Protocol):
    def read(self, value: Expression, at: Reader) -> Any: ...

    def describe(self) -> str: ...


def kind_of(value: Expression) -> str:
    """How a message calls an expression."""
    match value:
        case Quantity():
            amount = amount_of(value)
            return {
                RATIO: "a ratio",
                BYTES: "a number of bytes",
                DURATION: "a duration",
                NUMBER: "a number",
            }.get(amount.dimension, f"a count of {amount.dimension}")
        case Text():
            return "a string"
        case Sql():
            return "SQL"
        case Keyword():
            return f"`{value.text}`"
        case Reference() if len(value.parts) == 1:
            return f"the name `{value}`"
        case Reference():
            return f"a reference to `{value}`"
        case Call():
            return f"a call of `{value.name.text}`"
        case Sequence():
            return "a list"
        case Mapping():
            return "a map"
        case Negation(operand=Quantity()):
            return "a negative number"
        case _:
            return "an expression"


def choice_word(value: Expression) -> str | None:
    """The bare name that an expression is, if it is one; `none` is a keyword and a choice."""
    match value:
        case Reference(parts=(word,)):
            return word
        case Keyword(text=word):
            return word
        case _:
            return None
