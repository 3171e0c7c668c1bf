"""One value for every message that a user sees; renderers and exit codes are made from it.

The wording follows one rule book: lower-case message without a full stop, identifiers in backticks, the
message stands alone, a label says what *this place* is, a note gives facts, and only a help proposes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from structdsl.syntax.source import Source
from structdsl.syntax.tree import Span


class Severity(enum.Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What one place of the spec is; the primary label is where the mistake was made."""

    span: Span
    text: str = ""
    primary: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace `span` by `text`: a repair that a tool can apply."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    code: str  # "E0201", "W0501": a key of `structdsl.diagnostics.codes`
    message: str
    source: Source | None = None  # none where no file is to blame, such as a missing spec
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    fixes: tuple[Edit, ...] = ()

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code.startswith("W") else Severity.ERROR


@dataclass(slots=True)
class Sink:
    """Collects the diagnostics of one compilation, so that one run reports every independent mistake."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        """In the order of the text."""

        def place(diagnostic: Diagnostic) -> tuple[str, int]:
            where = min((label.span.start for label in diagnostic.labels if label.primary), default=-1)
            return (str(diagnostic.source.path) if diagnostic.source else "", where)

        return iter(sorted(self.diagnostics, key=place))
