"""The syntax tree of a spec: frozen values, each with the span of the text that it came from.

A span counts bytes of the UTF-8 text, end exclusive, so that every renderer and editor agrees on it.
The tree says what was written and nothing of what it means; `structdsl.passes` gives it meaning.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (exclusive) of the spec's text."""

    start: int
    end: int

    def __or__(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier where a name is written: a kind, a label, an attribute, an argument."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its suffix and unit: `300M tokens`, `55%`, `30min`, `2e-5`."""

    number: str  # digits as written, without underscores: "300", "2e-5"
    suffix: str  # "%", "k", "Mi", "GB", "min", … or ""
    unit: str  # "tokens", "docs", … or ""
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `raw` strings know no escapes and no `${…}`."""

    value: str  # escapes resolved, block strings dedented
    raw: bool
    span: Span
    origins: tuple[int, ...]  # byte offset in the file of each character of `value`, and of its end


@dataclass(frozen=True, slots=True)
class Sql:
    """`sql "…"`, a predicate, or `sql \"\"\"…\"\"\"`, a query."""

    text: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Keyword:
    """`true`, `false`, `none` or `rest`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Reference:
    """A dotted name (`corpus.notes`), or a bare one, which is a choice or a local name."""

    parts: tuple[str, ...]
    span: Span

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Argument:
    name: Name | None  # none where the argument is positional
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    name: Name
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Pair:
    key: Reference | Text | Quantity
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    pairs: tuple[Pair, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str  # "+", "-", "*", "/"
    left: Expression
    right: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Expression
    span: Span


Expression = Quantity | Text | Sql | Keyword | Reference | Call | Sequence | Mapping | Binary | Negation


@dataclass(frozen=True, slots=True)
class Decorator:
    name: Name
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    name: Name
    value: Expression
    decorators: tuple[Decorator, ...]
    doc: str  # the `##` lines above it
    span: Span
    via: str = ""  # how it came into its block where it was not written there: "extends corpus.base", "profile smoke"


@dataclass(frozen=True, slots=True)
class Block:
    """`kind name: variant extends base { … }`; `head` spans all that stands before the brace."""

    kind: Name
    name: Name | None
    variant: Name | None
    base: Reference | None
    body: tuple[Attribute | Block, ...]
    decorators: tuple[Decorator, ...]
    doc: str
    head: Span
    span: Span
    damaged: bool = False  # something in it could not be read, so that what is missing may only be misspelt


@dataclass(frozen=True, slots=True)
class Parameter:
    """`param name: type = default`."""

    name: Name
    type: Name
    default: Expression | None
    decorators: tuple[Decorator, ...]
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    path: Text
    alias: Name
    span: Span


@dataclass(frozen=True, slots=True)
class File:
    """One parsed spec; what could not be read was reported and is absent here."""

    edition: Quantity | None
    imports: tuple[Import, ...]
    parameters: tuple[Parameter, ...]
    blocks: tuple[Block, ...]
    span: Span
    damaged: bool = False  # a declaration could not be read, so that an unknown name may only be misspelt
