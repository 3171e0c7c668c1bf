"""Colour for a terminal, or none: plain ANSI, because rich costs more to import than a spec to compile."""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.diagnostics.diagnostic import Severity

STRONG = "1"
FRAME = "1;34"
SEVERITIES = {Severity.ERROR: "1;31", Severity.WARNING: "1;33"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """Wraps text in escape codes where `on`, and hands it through elsewhere."""

    on: bool

    def strong(self, text: str) -> str:
        return self._wrap(text, STRONG)

    def frame(self, text: str) -> str:
        """Gutters, arrows, line numbers and secondary labels."""
        return self._wrap(text, FRAME)

    def severity(self, text: str, severity: Severity) -> str:
        return self._wrap(text, SEVERITIES[severity])

    def _wrap(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text
