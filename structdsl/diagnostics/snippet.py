"""The lines of a spec that a diagnostic is about, with its labels drawn below them.

```
  --> specs/medical.adapt:68:5
   |
68 |     corpus.textboks:   35%
   |     ^^^^^^^^^^^^^^^ no corpus of this name
```

Columns on the screen are not characters: a tab is four wide, a CJK character two, a combining accent none. So every
line is first laid out as cells, and labels are drawn in cells. A label of several lines is marked where it begins
and where it ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from structdsl.diagnostics.diagnostic import Label, Severity
from structdsl.diagnostics.paint import Paint
from structdsl.syntax.source import Source

TAB = 4
WIDEST = 140  # of a line of the spec; a longer one is cut around its labels
CONTEXT = 20  # what is kept before the first label of a line that was cut


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn below one line: cells `start` to `end`, and a text behind it."""

    start: int
    end: int
    text: str
    primary: bool


def snippet(
    source: Source, labels: Sequence[Label], paint: Paint, severity: Severity = Severity.ERROR
) -> tuple[int, list[str]]:
    """The width of the gutter, and the lines from `-->` on; labels in other files follow behind `:::`."""
    marks: dict[Source, dict[int, list[Mark]]] = {}
    firsts: dict[Source, Label] = {}
    for label in sorted(labels, key=lambda label: label.source is not None):
        file = label.source or source
        if file not in firsts or (label.primary and not firsts[file].primary):
            firsts[file] = label
        for number, mark in _marks(file, label):
            marks.setdefault(file, {}).setdefault(number, []).append(mark)
    width = len(str(max(number for found in marks.values() for number in found)))
    lines: list[str] = []
    for file, found in marks.items():
        line, column = file.position(min(firsts[file].span.start, len(file.data)))
        arrow = "--> " if file is source else "::: "
        lines += [f"{paint.frame(' ' * width + arrow)}{file.path}:{line}:{column}", paint.frame(" " * width + " |")]
        lines += _body(file, found, width, paint, severity)
    return width, lines


def _body(source: Source, marks: dict[int, list[Mark]], width: int, paint: Paint, severity: Severity) -> list[str]:
    """The lines of one file with their marks, and what lies between them."""
    empty = paint.frame(" " * width + " |")
    lines: list[str] = []
    previous = 0
    for number in sorted(marks):
        if previous and number == previous + 2:
            lines.append(_source_line(source, number - 1, width, paint))
        elif previous and number > previous + 2:
            lines.append(paint.frame("..."))
        text, drawn = _fit(_cells(source.line(number)), marks[number])
        lines.append(f"{paint.frame(f'{number:>{width}} |')} {text}".rstrip())
        lines += [f"{empty} {row}" for row in _rows(drawn, paint, severity)]
        previous = number
    return lines


def _source_line(source: Source, number: int, width: int, paint: Paint) -> str:
    text, _ = _fit(_cells(source.line(number)), [])
    return f"{paint.frame(f'{number:>{width}} |')} {text}".rstrip()


def _marks(source: Source, label: Label) -> list[tuple[int, Mark]]:
    """A mark for a label on one line, two for one of several lines; empty spans and line ends get one cell."""
    size = len(source.data)
    start, end = min(label.span.start, size), min(label.span.end, size)
    first, column = source.position(start)
    last, after = source.position(max(end, start))
    if last > first and after == 1:  # it ends with a line break
        last -= 1
        after = len(source.line(last)) + 1
    head = _widths(source.line(first))
    begin = sum(head[: column - 1])
    if first == last:
        stop = sum(head[: after - 1])
        return [(first, Mark(begin, max(stop, begin + 1), label.text, label.primary))]
    tail = source.line(last)
    cells = _widths(tail)
    indent = len(tail) - len(tail.lstrip())
    stop = sum(cells[: after - 1])
    return [
        (first, Mark(begin, max(sum(head), begin + 1), "from here …", label.primary)),
        (
            last,
            Mark(
                min(sum(cells[:indent]), stop - 1),
                stop,
                f"… to here{': ' * bool(label.text)}{label.text}",
                label.primary,
            ),
        ),
    ]


def _rows(marks: list[Mark], paint: Paint, severity: Severity) -> list[str]:
    """The rows below one line: all underlines in the first, the text of the last mark behind it, the others below."""
    ordered = sorted(marks, key=lambda mark: (mark.start, mark.end))
    line = [" "] * max(mark.end for mark in ordered)
    for mark in sorted(ordered, key=lambda mark: mark.primary):
        line[mark.start : mark.end] = ("^" if mark.primary else "-") * (mark.end - mark.start)
    *others, last = ordered
    if any(mark.end > last.start for mark in others):  # overlapping: every text on a row of its own
        others, tail = ordered, ""
    else:
        tail = f" {last.text}" if last.text else ""
    underline = _colored("".join(line), paint, severity)
    rows = [underline + _text(tail, last, paint, severity)]
    waiting = [mark for mark in others if mark.text]
    if waiting:
        rows.append(paint.frame(_bars(waiting)))
    while waiting:
        mark = waiting.pop()
        bars = _bars(waiting)
        same = [other for other in waiting if other.start == mark.start]
        lead = bars[: mark.start].ljust(mark.start) if not same else bars[: mark.start + 1].ljust(mark.start + 1) + " "
        rows.append(paint.frame(lead) + _text(mark.text, mark, paint, severity))
    return rows


def _bars(marks: list[Mark]) -> str:
    starts = {mark.start for mark in marks}
    return "".join("|" if at in starts else " " for at in range(max(starts, default=-1) + 1))


def _text(text: str, mark: Mark, paint: Paint, severity: Severity) -> str:
    return paint.severity(text, severity) if mark.primary else paint.frame(text)


def _colored(underline: str, paint: Paint, severity: Severity) -> str:
    if not paint.on:
        return underline
    pieces: list[str] = []
    start = 0
    for at in range(1, len(underline) + 1):
        if at == len(underline) or underline[at] != underline[start]:
            run = underline[start:at]
            pieces.append(
                paint.severity(run, severity) if run[0] == "^" else paint.frame(run) if run[0] == "-" else run
            )
            start = at
    return "".join(pieces)


def _width(character: str) -> int:
    if character == "\t":
        return TAB
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _widths(line: str) -> list[int]:
    return [1] * len(line) if line.isascii() and "\t" not in line else [_width(character) for character in line]


def _cells(line: str) -> list[str]:
    """One string a cell; the second cell of a wide character is empty, an accent joins the cell before it."""
    cells: list[str] = []
    for character, width in zip(line, _widths(line), strict=True):
        if character == "\t":
            cells += " " * TAB
        elif width == 0:
            if cells and character.isprintable():
                cells[-1] += character
        else:
            shown = character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
            cells += [shown, *[""] * (width - 1)]
    return cells


def _fit(cells: list[str], marks: list[Mark]) -> tuple[str, list[Mark]]:
    """A line and its marks, cut to what surrounds the marks where the line is very long."""
    if len(cells) <= WIDEST:
        return "".join(cells), marks
    first = min((mark.start for mark in marks), default=0)
    begin = 0 if first + CONTEXT < WIDEST else first - CONTEXT
    end = begin + WIDEST
    text = "".join(cells[begin:end])
    text = ("…" + text[1:] if begin else text) + ("…" if end < len(cells) else "")
    moved = [
        Mark(
            start=max(min(mark.start, end) - begin, 0),
            end=max(min(mark.end, end) - begin, min(mark.start, end) - begin + 1),
            text=mark.text,
            primary=mark.primary,
        )
        for mark in marks
    ]
    return text, moved
