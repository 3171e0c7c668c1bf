"""`structdsl fmt`: one style for every spec, without options."""

from __future__ import annotations

from structdsl.format.format import NotFormatted, format_text

__all__ = ["NotFormatted", "format_text"]
