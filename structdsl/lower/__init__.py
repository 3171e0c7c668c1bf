"""Blocks to steps: what the runtime has to do so that each block of the spec exists."""

from structdsl.lower.plan import lower

__all__ = ["lower"]
