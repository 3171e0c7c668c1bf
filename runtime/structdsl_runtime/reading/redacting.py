"""What must not be learnt, found and replaced: a cheap test of all texts at once, then a closer look at few.

Patterns that cost more than linear time on some text have no place here: what users write, and addresses of mail, are
of RE2; the others are of bounded length, and what they find is verified.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import Replacement

Change = tuple[int, str, int]
"""The place of a text, what it becomes, and how many things in it were replaced."""

_EMAIL: Final = r"[A-Za-z0-9._%+\-]+@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}"
_CARD: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?!\.?\d)")
_IP: Final = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3}|(?<=::)))"
    r"(?![\w:])(?!\.\d)"
)
_PHONE: Final = re.compile(
    r"(?<![\w+])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,5}\)[ .\-/]?)?\d{1,12}(?:[ .\-/]\d{1,8}){0,5}"  # +49 (0)30 1234-56
    r"|\(\d{2,5}\)[ .\-/]?\d{2,8}(?:[ .\-/]\d{2,8}){0,3}"  # (030) 1234 56, (555) 123-4567
    r"|0\d{1,5}[ .\-/]\d{2,8}(?:[ .\-/]\d{2,8}){0,3}"  # 030 123456
    r"|(?:1[ .\-])?[2-9]\d{2}[ .\-][2-9]\d{2}[ .\-]\d{4}"  # 555-123-4567
    r")(?![\w])"
)
_DATE: Final = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[./-]\d{4}")
_GUARDS: Final = {
    "card": r"\d(?:[ -]?\d){12}",
    "ip": r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    "phone": r"(?:\+|00)[1-9]|\(\d{2,5}\)|0\d{1,5}[ .\-/]\d\d|\d{3}[ .\-]\d{3}[ .\-]\d{4}",
}
PHONE_DIGITS: Final = (7, 15)  # the most by ITU-T E.164


@dataclass(frozen=True, slots=True)
class Redactor:
    """One kind of thing, and what stands in its place."""

    kind: str
    changes: Callable[[Sequence[str]], Iterator[Change]]


def redactor(entry: Replacement) -> Redactor:
    """What finds and replaces one kind; groups of what was found may stand in what is put for `regex` alone."""
    literal = entry.put.replace("\\", "\\\\")
    match entry.what:
        case "regex":
            assert entry.pattern is not None, "the language asks for it"
            return Redactor("regex", _by_pattern(entry.pattern, entry.put, None))
        case "email":
            return Redactor("email", _by_pattern(_EMAIL, literal, "@"))
        case "card":
            return Redactor("card", _verified("card", _CARD, is_card, entry.put))
        case "ip":
            return Redactor("ip", _verified("ip", _IP, is_address, entry.put))
        case "phone":
            return Redactor("phone", _verified("phone", _PHONE, is_phone, entry.put))


def is_card(found: str) -> bool:
    """Whether the check digit is right (Luhn), of a number as the networks give them out."""
    digits = [int(digit) for digit in found if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[0] in {2, 3, 4, 5, 6} and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_address(found: str) -> bool:
    """Whether it is an address of IP 4 or 6; that of no host at all, `::`, is none."""
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    return found != "::"


def is_phone(found: str) -> bool:
    """Whether it has as many digits as a telephone number, and is no date."""
    least, most = PHONE_DIGITS
    return least <= sum(map(str.isdigit, found)) <= most and not _DATE.fullmatch(found)


def _by_pattern(pattern: str, put: str, guard: str | None) -> Callable[[Sequence[str]], Iterator[Change]]:
    """Changes by RE2, of the texts that have the guard in them."""

    def changes(texts: Sequence[str]) -> Iterator[Change]:
        places = _hits(texts, pattern) if guard is None else [at for at, text in enumerate(texts) if guard in text]
        if not places:
            return
        chosen = pa.array([texts[place] for place in places], pa.large_string())
        counts = pc.count_substring_regex(chosen, pattern).to_pylist()
        changed = pc.replace_substring_regex(chosen, pattern, put).to_pylist()
        for place, text, count in zip(places, changed, counts, strict=True):
            if text is not None and count:
                yield place, text, count

    return changes


def _verified(
    kind: str, pattern: re.Pattern[str], holds: Callable[[str], bool], put: str
) -> Callable[[Sequence[str]], Iterator[Change]]:
    """Changes where what a pattern finds holds, in the texts in which RE2 finds something like it."""

    def changes(texts: Sequence[str]) -> Iterator[Change]:
        for place in _hits(texts, _GUARDS[kind]):
            count = 0

            def replaced(match: re.Match[str]) -> str:
                nonlocal count
                if not holds(match[0]):
                    return match[0]
                count += 1
                return put

            text = pattern.sub(replaced, texts[place])
            if count:
                yield place, text, count

    return changes


def _hits(texts: Sequence[str], pattern: str) -> list[int]:
    found = pc.match_substring_regex(pa.array(texts, pa.large_string()), pattern)
    return [place for place, hit in enumerate(found.to_pylist()) if hit]
