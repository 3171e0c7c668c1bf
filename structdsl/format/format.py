"""The formatter: text to tree, tokens to groups, groups to lines.

It works on the words as they were written, so that no number is respelt and no comment lost; the tree only says where
items begin. A text that cannot be read is not formatted.
"""

from __future__ import annotations

from structdsl.diagnostics import Diagnostic, Sink
from structdsl.format.groups import group, shapes
from structdsl.format.lines import Line, remark
from structdsl.format.printer import Printer
from structdsl.format.tokens import scan
from structdsl.syntax import parse
from structdsl.syntax.source import Source


class NotFormatted(Exception):  # noqa: N818 - a state of affairs
    """The text cannot be read; `diagnostics` say why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(f"{len(diagnostics)} mistakes")
        self.diagnostics = diagnostics


def format_text(source: Source) -> str:
    """The text in the one style of the language; its lines end as the first of them does.

    Raises
    ------
    NotFormatted
        Where the text has a mistake of syntax.

    """
    sink = Sink()
    tree = parse(source, sink)
    if sink.failed:
        raise NotFormatted(tuple(sink))
    ending = "\r\n" if source.text.partition("\n")[0].endswith("\r") else "\n"
    found = shapes(tree)
    printer = Printer(found, ending)
    lines = printer.body(group(scan(source.data), found), 0)
    remark(lines)
    return "".join(_text(line) + ending for line in lines)


def _text(line: Line) -> str:
    return line.code if line.verbatim else line.code.rstrip(" ")
