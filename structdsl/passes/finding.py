"""What a check of meaning found: a diagnostic without the file that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink
from structdsl.syntax.source import Sources
from structdsl.syntax.tree import Span


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    message: str
    span: Span
    label: str
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    others: tuple[Label, ...] = ()  # secondary labels
    fixes: tuple[Edit, ...] = ()

    def into(self, sink: Sink, source: Sources) -> None:
        sink.add(
            Diagnostic(
                code=self.code,
                message=self.message,
                source=source,
                labels=(Label(span=self.span, text=self.label), *self.others),
                notes=self.notes,
                helps=self.helps,
                fixes=self.fixes,
            )
        )
