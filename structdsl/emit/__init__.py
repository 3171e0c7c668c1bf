"""Writing a plan for machines and for people."""

from structdsl.emit.build import NoBuild, write_build

__all__ = ["NoBuild", "write_build"]
