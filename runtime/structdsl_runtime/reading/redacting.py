"""What must not be learnt, found and replaced: a cheap test of all texts at once, then a closer look at few.

Patterns that cost more than linear time on some text have no place here: what users write, and addresses of mail, are
of RE2; the others are of bounded length, and what they find is verified.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import Replacement
from structdsl_runtime.reading.passing import Pass, Result, having, matching

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


def redactor(entry: Replacement) -> Pass:
    """The pass of one kind; groups of what was found may stand in what is put for `regex` alone."""
    literal = entry.put.replace("\\", "\\\\")
    match entry.what:
        case "regex":
            assert entry.pattern is not None, "the language asks for it"
            return Pass("regex", matching(entry.pattern), _by_pattern(entry.pattern, entry.put))
        case "email":
            return Pass("email", having("@"), _by_pattern(_EMAIL, literal))
        case "card":
            return Pass("card", matching(_GUARDS["card"]), _verified(_CARD, is_card, entry.put))
        case "ip":
            return Pass("ip", matching(_GUARDS["ip"]), _verified(_IP, is_address, entry.put))
        case "phone":
            return Pass("phone", matching(_GUARDS["phone"]), _verified(_PHONE, is_phone, entry.put))


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


def _by_pattern(pattern: str, put: str) -> Callable[[Sequence[str]], list[Result]]:
    """By RE2, all texts at once."""

    def apply(texts: Sequence[str]) -> list[Result]:
        given = pa.array(texts, pa.large_string())
        counts = pc.count_substring_regex(given, pattern).to_pylist()
        changed = pc.replace_substring_regex(given, pattern, put).to_pylist()
        return [(text or "", count or 0) for text, count in zip(changed, counts, strict=True)]

    return apply


def _verified(
    pattern: re.Pattern[str], holds: Callable[[str], bool], put: str
) -> Callable[[Sequence[str]], list[Result]]:
    """Where what a pattern finds holds."""

    def change(text: str) -> Result:
        count = 0

        def replaced(match: re.Match[str]) -> str:
            nonlocal count
            if not holds(match[0]):
                return match[0]
            count += 1
            return put

        return pattern.sub(replaced, text), count

    return lambda texts: [change(text) for text in texts]
