"""Text to tree: `parse` reads a spec and `parse_value` one value, such as that of `run -p budget=20M`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structdsl.syntax.parser import parse, parse_value

__all__ = ["parse", "parse_value"]


def __getattr__(name: str) -> object:
    """Imported on first use: diagnostics need the tree without the parser, and `--help` neither."""
    if name not in __all__:
        raise AttributeError(name)
    from structdsl.syntax import parser  # noqa: PLC0415 (see above)

    return getattr(parser, name)
