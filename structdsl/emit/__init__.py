"""Writing a plan for machines and for people."""

from structdsl.emit.build import write_build

__all__ = ["write_build"]
