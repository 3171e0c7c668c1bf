"""SQL, or a string that may be meant as such, where something else belongs: what the helps say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from structdsl.syntax.tree import Expression, Sql, Text

_LONGEST: Final = 60  # characters of SQL that a help repeats whole
_ASIDE: Final = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*\"""", re.DOTALL)
"""What says nothing of what SQL asks: comments, and whatever is quoted."""
_QUERY: Final = re.compile(r"[\s(]*(SELECT|FROM|WITH)\b", re.IGNORECASE)
_AGGREGATE: Final = re.compile(
    r"\b(count|sum|avg|mean|min|max|median|mode|any_value|first|last|bool_and|bool_or|list|string_agg|array_agg"
    r"|variance|(quantile|stddev|var|approx|arg)(_\w+)?)\s*\(|\bOVER\s*\(",
    re.IGNORECASE,
)
"""What looks at many rows; DuckDB knows more of them."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What to write in place of SQL that stands alone, which is the `{}` of each help."""

    condition: tuple[str, ...]  # over the columns of a row
    aggregate: tuple[str, ...]  # a condition over many rows
    query: tuple[str, ...]

    def of(self, value: Expression) -> tuple[str, ...]:
        """The helps for an expression; none for one that is no SQL."""
        text, asked = _text(value), shown(value)
        if text is None or asked is None:
            return ()
        plain = _ASIDE.sub(" ", text)
        condition = self.aggregate if _AGGREGATE.search(plain) else self.condition
        return tuple(help_.format(asked) for help_ in (self.query if _QUERY.match(plain) else condition))


def shown(value: Expression) -> str | None:
    """SQL as it is written, abridged where it is long; none for other expressions."""
    text = _text(value)
    if text is None:
        return None
    if {"\n", '"', "\\"}.isdisjoint(text) and len(text) <= _LONGEST:
        return f'sql "{text}"'
    first, *_ = text.split() or [""]
    return f'sql "{first} …"' if first.isalpha() else 'sql "…"'


def _text(value: Expression) -> str | None:
    return value.text.value if isinstance(value, Sql) else value.value if isinstance(value, Text) else None
