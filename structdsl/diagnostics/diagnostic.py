"""One value for every message that a user sees; renderers and exit codes are made from it.

The wording follows one rule book: lower-case message without a full stop, identifiers in backticks, the
message stands alone, a label says what *this place* is, a note gives facts, and only a help proposes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from structdsl.syntax.source import Source, SourceMap, Sources
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
    source: Source | None = None  # where it lies in another file than the diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace `span` by `text`, in the file of the diagnostic: a repair that a tool can apply."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    code: str  # "E0201", "W0501": a key of `structdsl.diagnostics.codes`
    message: str
    source: Sources | None = None  # none where no file is to blame, such as a missing spec
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    fixes: tuple[Edit, ...] = ()

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.code.startswith("W") else Severity.ERROR

    @property
    def file(self) -> Source | None:
        """The one file that it is about: where its primary label lies."""
        return None if self.source is None else self._located(self.source)[0]

    def in_file(self) -> Diagnostic:
        """The same with offsets of the file that the primary label lies in, in place of those of the whole spec."""
        if not isinstance(self.source, SourceMap):
            return self
        source, offset = self._located(self.source)
        labels = []
        for label in self.labels:
            file, span = self.source.locate(label.span)
            labels.append(dataclasses.replace(label, span=span, source=None if file is source else file))
        fixes = tuple(
            Edit(span=Span(edit.span.start - offset, edit.span.end - offset), text=edit.text) for edit in self.fixes
        )
        return dataclasses.replace(self, source=source, labels=tuple(labels), fixes=fixes)

    def _located(self, source: Sources) -> tuple[Source, int]:
        """The file of the primary label, and the offset at which it begins."""
        spans = [label.span for label in sorted(self.labels, key=lambda label: not label.primary)]
        if not spans:
            return source.files[0], 0
        file, span = source.locate(spans[0])
        return file, spans[0].start - span.start


@dataclass(slots=True)
class Sink:
    """Collects the diagnostics of one compilation, so that one run reports every independent mistake."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    order: list[Source] = field(default_factory=list)  # files, in the order in which they were read

    def add(self, diagnostic: Diagnostic) -> None:
        diagnostic = diagnostic.in_file()
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        """File by file, the spec itself first, each in the order of its text."""

        def place(diagnostic: Diagnostic) -> tuple[int, str, int]:
            where = min((label.span.start for label in diagnostic.labels if label.primary), default=-1)
            file = diagnostic.file
            known = [id(other) for other in self.order]
            return (known.index(id(file)) if id(file) in known else -1, str(file.path) if file else "", where)

        return iter(sorted(self.diagnostics, key=place))
