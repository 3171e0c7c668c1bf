"""The quality rules of Gopher (Rae et al. 2021, table A1), words at white space; needs nothing but Python.

50 to 100,000 words; mean length 3 to 10; at most a tenth of words worth of `#`, and of ellipses; at most 90% of lines
with a bullet, 30% ending in an ellipsis; 80% of words with a letter; two of eight common words. In SQL as well, for
DuckDB.
"""

from __future__ import annotations

from typing import Final

COMMON: Final = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})


def gopher(text: str) -> bool:
    """Whether a text stays."""
    words, lines = text.split(), text.splitlines()
    count = len(words)
    if not 50 <= count <= 100_000 or not 3 <= sum(map(len, words)) / count <= 10:
        return False
    if text.count("#") > 0.1 * count or text.count("...") + text.count("…") > 0.1 * count:
        return False
    if sum(line.lstrip().startswith(("•", "-")) for line in lines) > 0.9 * len(lines):
        return False
    if sum(line.rstrip().endswith(("...", "…")) for line in lines) > 0.3 * len(lines):
        return False
    return sum(any(map(str.isalpha, word)) for word in words) >= 0.8 * count and len(COMMON & set(words)) >= 2


_LINES = "string_split(rtrim(text, chr(10)), chr(10))"
_BULLET = "ltrim(line)[1] IN ('-', '•')"
_CUT = "suffix(rtrim(line), '...') OR suffix(rtrim(line), '…')"
SQL: Final = " AND ".join(
    (
        "len(words) BETWEEN 50 AND 100000",
        "list_sum(list_transform(words, lambda word: length(word))) BETWEEN 3 * len(words) AND 10 * len(words)",
        "length(text) - length(replace(text, '#', '')) <= 0.1 * len(words)",
        "(length(text) - length(replace(text, '...', ''))) / 3 <= 0.1 * len(words)",
        f"len(list_filter({_LINES}, lambda line: {_BULLET})) <= 0.9 * len({_LINES})",
        f"len(list_filter({_LINES}, lambda line: {_CUT})) <= 0.3 * len({_LINES})",
        "len(list_filter(words, lambda word: upper(word) <> lower(word))) >= 0.8 * len(words)",
        f"len(list_intersect(words, {sorted(COMMON)})) >= 2",
    )
)
"""Of a row with `text` and its `words`."""
