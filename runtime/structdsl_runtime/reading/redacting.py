"""What must not be learnt, found and replaced: a cheap test of all texts at once, then a closer look at few.

Patterns that cost more than linear time on some text have no place here: what users write, and addresses of mail, are
of RE2; the others are of bounded length, and what they find is verified.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import Replacement
from structdsl_runtime.reading.passing import Pass, Result, having, matching

_LETTER: Final = r"\p{Latin}\p{Greek}\p{Cyrillic}"  # of scripts with spaces between words
_OTHER: Final = rf"[^\P{{L}}{_LETTER}]"
_WORD: Final = rf"[{_LETTER}\p{{M}}\p{{N}}._%+\-]+"
_LOCAL: Final = rf"(?:{_WORD}(?:['’&#!$*^~]{_WORD})*|(?:{_OTHER}[\p{{M}}\p{{N}}._\-]*)+|\"[^\"\n]{{1,64}}\")"
_TOP: Final = rf"(?:xn--[A-Za-z0-9\-]+|[{_LETTER}][{_LETTER}\p{{M}}]+|(?:{_OTHER}\p{{M}}*){{2,}})"
_EMAIL: Final = rf"{_LOCAL}@(?:(?:[\p{{L}}\p{{M}}\p{{N}}_\-]+\.)+{_TOP}|\[(?:IPv6:)?[0-9A-Fa-f:.]{{3,45}}\])"
"""Of RFC 6531; what may stand in an address, and stands around one more often, such as `=`, is no part of it."""

_BLANK: Final = " \u00a0\u2009\u202f"  # all that may stand within a number
_DASH: Final = r"\-\u2010-\u2013"
_SIGN: Final = f"[{_BLANK}]?[./{_DASH}][{_BLANK}]?"
_BETWEEN: Final = f"(?:{_SIGN}|[{_BLANK}])"
_DIGITS: Final = re.compile(rf"(?<![\d.])\d(?:[{_BLANK}{_DASH}]?\d){{12,255}}(?!\.?\d)")
_IP: Final = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?!\w)"  # also before the number of a port
    r"|(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3}|(?<=::))(?![\w:]))(?!\.\d)"
)
_PHONE: Final = re.compile(
    r"(?<![\w+])(?<!\d[.,/\-])(?:"
    rf"(?:\+|00)[1-9]\d{{0,2}}{_BETWEEN}?(?:\(0?\d{{1,5}}\){_BETWEEN}?)?"
    rf"\d{{1,12}}(?:{_BETWEEN}\d{{1,8}}){{0,5}}"  # +49 (0)30 / 1234-56
    rf"|\(\d{{2,5}}\){_BETWEEN}?\d{{2,8}}(?:{_BETWEEN}\d{{2,8}}){{0,3}}"  # (030) 1234 56, (555) 123-4567
    rf"|0\d{{1,5}}{_BETWEEN}\d{{2,8}}(?:{_BETWEEN}\d{{2,8}}){{0,3}}"  # 030 123456
    rf"|(?:1{_BETWEEN})?[2-9]\d{{2}}{_BETWEEN}[2-9]\d{{2}}{_BETWEEN}\d{{4}}"  # 555-123-4567
    r")(?![\w@])"
)
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR: Final = r"(?:19|20)\d\d"
_HOUR: Final = r"(?:[01]\d|2[0-4])[0-5]\d"
_DATE: Final = re.compile(
    rf"\d{{1,4}}{_SIGN}\d{{1,2}}{_SIGN}\d{{1,4}}\Z|\d{{1,2}}{_SIGN}\d{{4}}\Z"
    rf"|(?:{_DAY}([./{_DASH}]){_DAY}\1{_YEAR}|{_HOUR} ?[{_DASH}] ?{_HOUR})(?!\d)"
)
_GUARDS: Final = {
    "card": rf"\d(?:[{_BLANK}\-‐-–]?\d){{12}}",
    "ip": r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    "phone": rf"(?:\+|00)[1-9]|\(\d{{2,5}}\)|0\d{{1,5}}[{_BLANK}./\-‐-–]{{1,3}}\d\d"
    rf"|\d{{3}}[{_BLANK}./\-‐-–]{{1,3}}\d{{3}}[{_BLANK}./\-‐-–]{{1,3}}\d{{4}}",
}
PHONE_DIGITS: Final = (7, 15)  # the most by ITU-T E.164
CARD_DIGITS: Final = (13, 19)
_CARD_GROUPS: Final = ((4, 4, 4, 4, 3), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), *((n,) for n in range(13, 20)))
_IP_GROUP: Final = 3  # hexadecimal digits that some group has, or it may be a time, or a name of C++

Span = tuple[int, int]


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
            return Pass("card", matching(_GUARDS["card"]), _finding(cards, entry.put))
        case "ip":
            return Pass("ip", matching(_GUARDS["ip"]), _finding(addresses, entry.put))
        case "phone":
            return Pass("phone", matching(_GUARDS["phone"]), _finding(phones, entry.put))


def cards(text: str) -> Iterator[Span]:
    """Numbers of cards, also where other numbers stand beside them."""
    for run in _DIGITS.finditer(text):
        groups = [match.span() for match in re.finditer(r"\d+", run[0])]
        sizes = tuple(end - start for start, end in groups)
        first = max((n for n in range(1, len(sizes) + 1) if sum(sizes[:n]) <= CARD_DIGITS[1]), default=0)
        place, free = 0, True  # four digits before it are of a longer row of numbers
        while place < len(groups):
            counts = [len(shape) for shape in _CARD_GROUPS if free and sizes[place : place + len(shape)] == shape]
            for count in (first, *counts) if not place else counts:
                start, end = groups[place][0], groups[place + count - 1][1]
                if is_card(run[0][start:end]):
                    yield run.start() + start, run.start() + end
                    place, free = place + count, True
                    break
            else:
                place, free = place + 1, sizes[place] != 4


def addresses(text: str) -> Iterator[Span]:
    """Addresses of IP 4 and 6."""
    return (match.span() for match in _IP.finditer(text) if is_address(match[0]))


def phones(text: str) -> Iterator[Span]:
    """Numbers of telephones; what is the number of a card is none, and no part of one."""
    taken: deque[Span] | None = None  # by cards, from here on
    at = 0
    while match := _PHONE.search(text, at):
        start, at = match.start(), match.end()
        found = match[0][: _most(match[0])]
        if not is_phone(found):
            continue
        at = start + len(found)
        taken = deque(cards(text)) if taken is None else taken
        while taken and taken[0][1] <= start:
            taken.popleft()
        if not taken or at <= taken[0][0]:
            yield start, at


def _most(found: str) -> int:
    """How much of what may be several numbers is one: up to a zero that begins another, if one does."""
    ends = list(re.finditer(rf"(?<=\d){_BETWEEN}(?=\d)|\Z", found))
    least, most = PHONE_DIGITS
    counted = [(sum(map(str.isdigit, found[: end.start()])), end) for end in ends]
    if counted[-1][0] <= most:
        return len(found)
    fitting = [end for count, end in counted if least <= count <= most]
    begun = [end for end in fitting if found[end.end()] == "0"]
    return (begun or fitting)[-1].start() if fitting else len(found)


def is_card(found: str) -> bool:
    """Whether the check digit is right (Luhn), of a number as the networks give them out."""
    digits = [int(digit) for digit in found if digit.isdigit()]
    if not CARD_DIGITS[0] <= len(digits) <= CARD_DIGITS[1]:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[0] in {2, 3, 4, 5, 6} and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_address(found: str) -> bool:
    """Whether it is an address of IP 4 or 6, and not rather a time, a slice of Python or a name of C++."""
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    groups = [group for group in found.split(":") if group]
    if "." in found or found == "::1":
        return True
    some = len(groups) > 2 or any(map(str.isdigit, found))
    return some and max(map(len, groups), default=0) >= _IP_GROUP and (len(groups) > 1 or found.endswith("::"))


def is_phone(found: str) -> bool:
    """Whether it has as many digits as a telephone number, and is no date and no hours."""
    least, most = PHONE_DIGITS
    return least <= sum(map(str.isdigit, found)) <= most and not _DATE.match(found)


def _by_pattern(pattern: str, put: str) -> Callable[[Sequence[str]], list[Result]]:
    """By RE2, all texts at once."""

    def apply(texts: Sequence[str]) -> list[Result]:
        given = pa.array(texts, pa.large_string())
        counts = pc.count_substring_regex(given, pattern).to_pylist()
        changed = pc.replace_substring_regex(given, pattern, put).to_pylist()
        return [(text or "", count or 0) for text, count in zip(changed, counts, strict=True)]

    return apply


def _finding(find: Callable[[str], Iterator[Span]], put: str) -> Callable[[Sequence[str]], list[Result]]:
    """What is found, text by text."""

    def change(text: str) -> Result:
        at, parts = 0, list[str]()
        for start, end in find(text):
            parts += (text[at:start], put)
            at = end
        return "".join((*parts, text[at:])), len(parts) // 2

    return lambda texts: [change(text) for text in texts]
