"""Did you mean …? Names that lie near a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates within a third of the word's length of it, nearest first, at most `limit`.

    Case counts for nothing, two swapped letters for one mistake. A candidate that merely begins or ends with the word
    (`notes` for `clinical_notes`) comes after those.
    """
    plain = word.casefold()
    scored: list[tuple[int, str]] = []
    for candidate in dict.fromkeys(candidates):
        other = candidate.casefold()
        if plain == other:
            return [candidate]
        if (away := _away(plain, other)) is not None:
            scored.append((away, candidate))
        elif len(plain) >= 4 and len(other) >= 4 and _contained(plain, other):
            scored.append((max(len(plain), len(other)), candidate))
    return [candidate for _, candidate in sorted(scored)[:limit]]


def nearest_address(address: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The same for addresses such as `corpus.notes`: names of the kind, else addresses whose kind may be misspelt."""
    kind, _, name = address.rpartition(".")
    names = {each.removeprefix(f"{kind}."): each for each in candidates}
    found = nearest(name, [own for own, each in names.items() if own != each], limit)
    return [names[own] for own in found] or nearest(address, [each for own, each in names.items() if own == each])


def misspelt(word: str, other: str) -> bool:
    """Whether a word may be a slip for another one: the letters are nearly the same."""
    return _away(word.casefold(), other.casefold()) is not None


def _away(plain: str, other: str) -> int | None:
    """The distance of two words; none where it is more than a third of their length."""
    most = max(1, max(len(plain), len(other)) // 3)
    if abs(len(plain) - len(other)) > most:
        return None
    away = distance(plain, other)
    return away if away <= most and away < len(other) else None


def did_you_mean(found: list[str]) -> tuple[str, ...]:
    """The help that names what `nearest` found, or no help."""
    return (f"did you mean {' or '.join(f'`{name}`' for name in found)}?",) if found else ()


def distance(left: str, right: str) -> int:
    """Damerau–Levenshtein: insertions, deletions, substitutions and swaps of neighbours (optimal alignment)."""
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _contained(word: str, other: str) -> bool:
    """Whether one is the other with a word more: `notes` in `clinical_notes`."""
    short, long = sorted((word, other), key=len)
    return long.startswith(short + "_") or long.endswith("_" + short)
