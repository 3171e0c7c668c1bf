"""Lines as they are written, and the columns that they share.

Neighbours line up: `=` under `=`, values of a map under each other, the braces of one-line blocks, comments. What lines
up is decided last, on lines that are complete, and never counts towards their width: a long name next door breaks no
line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REMARKS = 44  # the column where comments behind code stand, unless that is longer
MOST = 70  # code that is longer than this does not move the comments of its neighbours


@dataclass(slots=True)
class Line:
    code: str
    comment: str = ""  # behind the code
    verbatim: bool = False  # part of a string: not even its trailing blanks are ours


@dataclass(slots=True, kw_only=True)
class Row:
    """An item as lines; those of neighbours with the same `key` line up."""

    lines: list[Line]
    main: int = 0  # the line that lines up: comments and decorators may stand above
    kind: str = ""  # of the declaration: neighbours of one kind may stand close together
    key: str = ""  # what it lines up with; nothing where it stands for itself
    cells: tuple[int, ...] = ()  # where each cell of the line ends
    percent: int = 0  # the width of a value such as `45%`
    closes: bool = False  # goes on below its first line: nothing after it lines up with it
    blank: bool = False  # an empty line comes before it
    parted: bool = False  # an empty line comes before it, or between the comments above it

    @property
    def single(self) -> bool:
        return self.main == len(self.lines) - 1


def joined(rows: Sequence[Row]) -> list[Line]:
    """The rows below each other, lined up."""
    for run in _runs(rows):
        _line_up(run)
    lines: list[Line] = []
    for index, row in enumerate(rows):
        if row.blank and index:
            lines.append(Line(""))
        lines += row.lines
    return lines


def remark(lines: Sequence[Line]) -> None:
    """Put the comments behind code into columns, one for all lines between two empty ones."""
    run: list[Line] = []
    for line in (*lines, Line("")):
        if line.comment:
            run.append(line)
        if line.code or line.verbatim:
            continue
        column = max([REMARKS, *(len(each.code) + 2 for each in run if len(each.code) <= MOST)])
        for each in run:
            each.code = f"{each.code.ljust(column - 2)}  {each.comment}"
        run = []


def _runs(rows: Iterable[Row]) -> list[list[Row]]:
    runs: list[list[Row]] = [[]]
    for row in rows:
        run = runs[-1]
        if run and (row.parted or not row.key or row.key != run[-1].key or run[-1].closes):
            runs.append([])
        if row.key:
            runs[-1].append(row)
    return [run for run in runs if len(run) > 1]


def _line_up(run: list[Row]) -> None:
    rows = [row for row in run if row.cells]
    if not rows:
        return
    widths = [_widths(row) for row in rows]
    widest = [max(column) for column in zip(*widths, strict=True)]
    percent = max(row.percent for row in rows)
    for row, own in zip(rows, widths, strict=True):
        line = row.lines[row.main]
        pads = [most - width for most, width in zip(widest, own, strict=True)]
        if row.percent:
            pads[-1] += percent - row.percent
        for end, pad in sorted(zip(row.cells, pads, strict=True), reverse=True):
            line.code = line.code[:end] + " " * pad + line.code[end:]


def _widths(row: Row) -> list[int]:
    return [end - start for start, end in zip((0, *row.cells), row.cells, strict=False)]
