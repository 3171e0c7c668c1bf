"""Writes `structdsl/syntax/adapt.tables` when the package is built, so that no start of `structdsl` builds the grammar.

It runs for wheels and for editable installs alike. `structdsl.syntax.tables` passes over a file that belongs to
another grammar or another Lark, so a stale one costs 0.3 s and nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TablesBuildHook(BuildHookInterface[Any]):
    """Hatchling's custom hook."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the tables with the Lark of the build environment."""
        del version, build_data
        root = Path(self.root)
        sys.path.insert(0, str(root))
        try:
            from structdsl.syntax import tables  # noqa: PLC0415 (only now on the path)
        finally:
            sys.path.remove(str(root))
        tables.TABLES.write_bytes(tables.dump(tables.grammar_text()))

    def clean(self, versions: list[str]) -> None:
        """What `hatch clean` removes."""
        del versions
        (Path(self.root) / "structdsl" / "syntax" / "adapt.tables").unlink(missing_ok=True)
