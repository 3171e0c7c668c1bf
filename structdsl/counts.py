"""Numbers of things in messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """As in "1 row", "26,000 rows", "2 queries", "3 processes"."""
    if number != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}{'es' if noun.endswith(('x', 'ss')) else 's'}"
    return f"{number:,} {noun}"
