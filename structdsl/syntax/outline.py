"""A first look at a spec, before any grammar: strings, comments, brackets, separators.

It finds what no parser could word well, because the damage is in the letters: a string that never ends, `30 %`,
`'single quotes'`. Each such place is reported and repaired in a copy of the text that has the same length, so that
the parser reads on and every offset stays true.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field

from structdsl.diagnostics.diagnostic import Diagnostic, Edit
from structdsl.syntax import messages, strings
from structdsl.syntax.tree import Span

SUFFIXES = (
    *("%", "k", "M", "B", "T", "Ki", "Mi", "Gi"),
    *("KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"),
    *("ns", "us", "ms", "s", "min", "h", "d"),
)
MEANT = (
    (("m",), ["min", "M"]),
    (("mins", "minute", "minutes"), ["min"]),
    (("sec", "secs", "second", "seconds"), ["s"]),
    (("hr", "hrs", "hour", "hours"), ["h"]),
    (("day", "days"), ["d"]),
    (("b", "bn"), ["B"]),
    (("g",), ["B", "Gi", "GB"]),
)
ALIASES = {alias: suffixes for aliases, suffixes in MEANT for alias in aliases}

_SUFFIX = "|".join(sorted(SUFFIXES, key=len, reverse=True))
_TYPOGRAPHIC = "\xe2\x80[\x98-\x9f]"  # the UTF-8 bytes of ‘ ’ “ ” and their kin
MARK = re.compile(
    rf"""
    (?P<newline>\n)
  | (?P<separator>,)
  | (?P<bracket>[()\[\]{{}}])
  | (?P<comment>\#[^\n]*)
  | (?P<block>(?:(?<![A-Za-z0-9_])r)?\"\"\")
  | (?P<string>(?<![A-Za-z0-9_])r"[^"\n]*" | "(?:[^"\\\n]|\\[^\n])*")
  | (?P<open_string>"[^\n]*)
  | (?P<loose>(?<![A-Za-z0-9_])[0-9][0-9_]*(?:\.[0-9]+)?[ \t]+(?:{_SUFFIX})(?![A-Za-z0-9_.(]))
  | (?P<number>(?<![A-Za-z0-9_])[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:%|[A-Za-z0-9_]*))
  | (?P<dot>(?<![A-Za-z0-9_\])])\.[0-9]+)
  | (?P<quotes>'[^'\n]*' | {_TYPOGRAPHIC}[^\n]*?{_TYPOGRAPHIC})
  | (?P<quote>' | {_TYPOGRAPHIC})
  | (?P<address>(?<=:)//[^\s,()\[\]{{}}"']*)
  | (?P<slashes>//[^\n]*)
  | (?P<stars>/\*.{{0,2000}}?\*/)
  | (?P<semicolon>;)
    """,
    re.VERBOSE | re.DOTALL,
)
GOES_ON = re.compile(r"[ \t\r]*(?:[#\n}{=:,)\]]|\Z)")  # what needs no separator before it
LINE_BREAKS = re.compile(r"[ \t\r]*(?:\n|\Z)")
UNIT = re.compile(r"[ \t]+[A-Za-z_]")
BARE_DOT = re.compile(r"\.(?![A-Za-z0-9_])")
LETTERS = string.ascii_letters + string.digits
NUMBER = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)[ \t]*(.*)")
MARGIN = re.compile(r"^(?=[A-Za-z_@}])", re.MULTILINE)


@dataclass(slots=True)
class Outline:
    """What a scan found; `text` is the spec with its repairs, one character a byte."""

    text: str
    marks: list[tuple[int, str]] = field(default_factory=list)  # brackets, commas and line breaks, in order
    faults: list[Diagnostic] = field(default_factory=list)
    damage: list[int] = field(default_factory=list)  # where something stands that no repair could save
    lost: list[int] = field(default_factory=list)  # where something stood that is blank already
    cuts: frozenset[int] = frozenset()  # braces that were supplied; a new declaration begins right behind each


def scan(text: str, *, wary: bool = False) -> Outline:
    """Step over strings and comments; what is wrong inside or beside them is a fault.

    `wary` is for a text in which some `\"\"\"` is known to be missing: then a string that runs over the margin is
    taken to be the one that was never closed.
    """
    outline = Outline(text)
    repairs: list[tuple[int, str]] = []
    position = 0
    while match := MARK.search(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind in {"newline", "separator", "bracket"}:
            outline.marks.append((match.start(), match[0]))
        elif kind == "string":
            if "\\" in match[0] and match[0][0] != "r":
                _escapes(outline, match)
        elif kind == "number":
            _number(outline, match, repairs)
        elif kind == "block":
            end = text.find('"""', position)
            if end < 0 and not wary:
                return scan(text, wary=True)
            position = _block_string(outline, match, end) if wary else end + 3
        elif kind == "open_string":
            position = _open_string(outline, match)
        elif kind != "comment":
            _habit(outline, match, repairs)
    outline.text = _repaired(text, repairs)
    return outline


def _repaired(text: str, repairs: list[tuple[int, str]]) -> str:
    if not repairs:
        return text
    pieces: list[str] = []
    done = 0
    for start, replacement in repairs:
        pieces += (text[done:start], replacement)
        done = start + len(replacement)
    return "".join((*pieces, text[done:]))


def _escapes(outline: Outline, match: re.Match[str]) -> None:
    for found in strings.ESCAPE.finditer(match[0]):
        if strings.faulty_escape(found):
            span = Span(match.start() + found.start(), match.start() + found.end())
            outline.faults.append(messages.escape(span, found[0], pattern=found[0][1] in "bdswDSWB.()[]{}*+?^$|/"))


def _number(outline: Outline, match: re.Match[str], repairs: list[tuple[int, str]]) -> None:
    parts = NUMBER.match(match[0])
    assert parts, match[0]
    number, suffix = parts.groups()
    if not suffix and BARE_DOT.match(outline.text, match.end()):
        outline.faults.append(messages.bare_dot(Span(match.start(), match.end() + 1), f"{number}.", number))
        repairs.append((match.end(), " "))
    if suffix in SUFFIXES or not suffix:
        return
    near = ALIASES.get(suffix.lower()) or [known for known in SUFFIXES if known.lower() == suffix.lower()]
    if suffix == "m" and UNIT.match(outline.text, match.end()):
        near = ["M"]  # only a count has a unit behind it
    outline.faults.append(messages.unknown_suffix(Span(match.start(), match.end()), number, suffix, near))
    repairs.append((match.start() + len(number), " " * len(suffix)))


def _open_string(outline: Outline, match: re.Match[str]) -> int:
    """Where the string ends: closing brackets at the end of the line are rather the spec's than the string's."""
    end = match.start() + max(len(match[0].rstrip(" \t\r,)]}")), 1)
    outline.faults.append(messages.open_string(Span(match.start(), end)))
    outline.damage.append(match.start())
    return end


def _block_string(outline: Outline, match: re.Match[str], end: int) -> int:
    """Where the string ends; one that never closes ends where the next line begins at the margin."""
    text = outline.text
    margin = MARGIN.search(text, match.end())
    runs_over = margin is not None and margin.start() < end and text.count('"""', match.end()) % 2 == 0
    if end >= 0 and not runs_over:
        return end + 3
    outline.faults.append(messages.open_block_string(Span(match.start(), match.end())))
    outline.damage.append(match.start())
    return margin.start() - 1 if margin else len(text)


def _habit(outline: Outline, match: re.Match[str], repairs: list[tuple[int, str]]) -> None:
    """What stands right in another language."""
    start, end, text = match.start(), match.end(), match[0]
    span = Span(start, end)
    fault: Diagnostic
    match match.lastgroup:
        case "loose":
            parts = NUMBER.match(text)
            assert parts, text
            fault = messages.loose_suffix(span, *parts.groups())
            repairs.append((start, "".join(parts.groups()).ljust(len(text))))
        case "dot":
            fault = messages.bare_dot(span, text, "0" + text)
            repairs.append((start, "0"))
        case "quotes" | "quote":
            fault = _other_quotes(outline, span, text, repairs)
        case "address":
            begin = len(outline.text[:start].rstrip(LETTERS + ":"))
            address = outline.text[begin:end]
            fault = messages.bare_address(Span(begin, end), messages.shown(address))
            outline.damage.append(start)
        case "slashes" | "stars":
            last = LINE_BREAKS.match(outline.text, end) is not None
            fault = messages.comment_mark(span, text, last=last)
            repairs.append((start, re.sub(r"[^\n]", " ", text)))
        case _:
            goes_on = GOES_ON.match(outline.text, end) is not None
            fault = messages.semicolon(span, last=goes_on)
            repairs.append((start, " " if goes_on else ","))
            if not goes_on:
                outline.marks.append((start, ","))
    outline.faults.append(fault)


def _other_quotes(outline: Outline, span: Span, text: str, repairs: list[tuple[int, str]]) -> Diagnostic:
    width = 1 if text[0] == "'" else 3
    inner = text[width:-width]
    closed = len(text) >= 2 * width
    if not closed or '"' in inner or "\\" in inner:
        repairs.append((span.start, " " * len(text)))
        outline.damage.append(span.start)
        if not closed or "\\" in inner:
            return messages.single_quotes(span, ())
        inner = inner.replace('"', '\\"')
        return messages.single_quotes(span, (Edit(span=span, text=f'"{messages.shown(inner)}"'),))
    repairs.append((span.start, " " * (width - 1) + f'"{inner}"' + " " * (width - 1)))
    return messages.single_quotes(span, (Edit(span=span, text=f'"{messages.shown(inner)}"'),))
