"""Text to tree, with every independent mistake reported in one run.

The parser reads UTF-8 bytes as Latin-1, one character a byte, so that every position is a byte offset; strings
become text again in `structdsl.syntax.strings`. A text is scanned (`outline`), its brackets are paired (`brackets`),
and what is left is parsed, around mistakes where there are any (`reader`).
"""

from __future__ import annotations

import re

from structdsl.diagnostics.diagnostic import Edit, Sink
from structdsl.diagnostics.edits import removal
from structdsl.diagnostics.suggest import misspelt
from structdsl.syntax import brackets, messages, outline
from structdsl.syntax.reader import Reader, Top
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Block, Expression, File, Import, Parameter, Quantity, Span

EDITION = "1"
MARK_OF_ORDER = "\xef\xbb\xbf"  # the byte order mark that some editors put first


LANGUAGE = re.compile(r"^[ \t]*language\b(?![ \t]*[\w:]+[ \t]*[:{])", re.MULTILINE)
NUMBERED = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]+[0-9]", re.MULTILINE | re.ASCII)


def parse(source: Source, sink: Sink) -> File:
    """The tree of a spec; what cannot be read is reported to `sink`, left out, and marked by `damaged`."""
    prepared = _prepare(source, sink)
    if prepared is None:
        return File(None, (), (), (), Span(0, 0), damaged=True)
    reader = Reader(source, sink, prepared)
    items = reader.read()
    _check_order(source, sink, items)
    return File(
        edition=next((item for item in items if isinstance(item, Quantity)), None),
        imports=tuple(item for item in items if isinstance(item, Import)),
        parameters=tuple(item for item in items if isinstance(item, Parameter)),
        blocks=tuple(item for item in items if isinstance(item, Block)),
        span=Span(0, len(source.data)),
        damaged=reader.damaged,
    )


def parse_value(source: Source, sink: Sink) -> Expression | None:
    """One value, as it would stand after `=`; none where it cannot be read."""
    prepared = _prepare(source, sink)
    return None if prepared is None else Reader(source, sink, prepared).read_value()


def _prepare(source: Source, sink: Sink) -> outline.Outline | None:
    """The text without the mistakes that are visible before parsing."""
    try:
        text = source.data.decode("latin-1")
    except UnicodeEncodeError as error:
        sink.add(messages.not_unicode(error.start))
        return None
    if text.startswith(MARK_OF_ORDER):
        text = "   " + text[3:]
    found = outline.scan(text + "\n\n")  # room for a brace that was forgotten at the end
    repair = brackets.check(found)
    faults = [*found.faults, *repair.faults]
    for fault in faults[: messages.MOST]:
        messages.report(sink, source, fault)
    if len(faults) > messages.MOST:
        messages.report(sink, source, messages.too_many())
        return None
    if repair.faults:
        mended = brackets.mend(found.text, repair)
        placed = {*repair.closers, *repair.turned}
        marks = [(at, mended[at]) for at, mark in found.marks if mended[at] == mark or at in placed]
        found = outline.Outline(mended, marks, damage=found.damage, lost=repair.damage, cuts=frozenset(repair.closers))
    return found


def _check_order(source: Source, sink: Sink, items: list[Top]) -> None:
    """`language 1`, then imports, then declarations."""
    declared = named = False
    head = 0  # where imports belong: behind the line of the last item that stands where it should
    for index, item in enumerate(items):
        match item:
            case Quantity() if index > 0:
                messages.report(sink, source, messages.language_late(item.span, _to_top(source, item, named=named)))
            case Quantity() if (item.number, item.suffix) != (EDITION, ""):
                messages.report(sink, source, messages.language_unknown(item.span, item.number + item.suffix))
            case Import() if declared:
                messages.report(sink, source, messages.import_late(item.span, _moved_to(source, item.span, head)))
            case Parameter() | Block():
                declared = True
            case _:
                pass
        named = named or isinstance(item, Quantity)
        if not declared:
            head = source.data.find(b"\n", item.span.end) + 1
    meant = any(misspelt(word, "language") for word in NUMBERED.findall(source.text))  # reported there
    if not named and not meant and not LANGUAGE.search(source.text):
        messages.report(sink, source, messages.language_missing())


def _to_top(source: Source, edition: Quantity, *, named: bool) -> tuple[Edit, ...]:
    """`language 1` moved to the first line, or only removed where there is one already."""
    span = Span(source.data.rfind(b"language", 0, edition.span.start), edition.span.end)
    if source.data[span.start : span.end].split() != [b"language", EDITION.encode()]:
        return ()
    return removal(source, span) if named else (Edit(span=Span(0, 0), text="language 1\n\n"), *removal(source, span))


def _moved_to(source: Source, span: Span, to: int) -> tuple[Edit, ...]:
    """A line moved up to another place."""
    text = source.data[span.start : span.end].decode()
    return Edit(span=Span(to, to), text=f"{text}\n"), *removal(source, span)
