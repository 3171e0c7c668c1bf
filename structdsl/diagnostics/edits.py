"""Repairs that a tool may make unasked: a word respelt, an address respelt, an item taken out.

A repair is offered only where it is the one thing that can have been meant. Every function here returns no edit at
all where there is doubt; the help of the message still names what may have been meant.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from structdsl.diagnostics.diagnostic import Edit
from structdsl.diagnostics.suggest import misspelt
from structdsl.syntax.source import Sources
from structdsl.syntax.tree import Span

_NUMBERS = re.compile(r"\d+")
_BLANKS = re.compile(rb"[ \t]*")
_REST_OF_LINE = re.compile(rb"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_DOC = re.compile(rb"[ \t]*##[^\n]*\n")


def respelling(span: Span, word: str, found: Sequence[str], refused: Container[str] = ()) -> tuple[Edit, ...]:
    """The one name that is near a misspelt word in its place.

    Parameters
    ----------
    span
        The word, and nothing else.
    word
        As it was written.
    found
        What `nearest` found.
    refused
        Names that the next message would be about, such as those that stand beside it already.

    """
    if len(found) != 1 or found[0] in refused or not _same_but_misspelt(word, found[0]):
        return ()
    return (Edit(span=span, text=found[0]),)


def respelling_inside(
    source: Sources, span: Span, word: str, found: Sequence[str], refused: Container[str] = ()
) -> tuple[Edit, ...]:
    """The same for a word that stands once, and without quotes, somewhere in a stretch such as a call."""
    text = text_at(source, span)
    hits = list(re.finditer(rf"""(?<![\w"'.]){re.escape(word)}(?![\w"'.])""", text))
    if len(hits) != 1:
        return ()
    start = span.start + len(text[: hits[0].start()].encode())
    return respelling(Span(start, start + len(word.encode())), word, found, refused)


def readdressing(
    source: Sources, span: Span, wrong: str, found: Sequence[str], name: Span | None, suffix: str = ""
) -> tuple[Edit, ...]:
    """The one address that is near one that leads nowhere, as the file in which it stands would spell it.

    After imports `clinical.corpus.pubmed` is `corpus.clinical_pubmed`: the names of a file have all the same prefix,
    and so have those behind an alias. What was written tells the prefix; where the block that was found has another,
    only an alias that nobody wrote would reach it, and there is no repair.

    Parameters
    ----------
    source
        The files.
    span
        The reference: `corpus.notes`, `clinical.corpus.pubmed`, or one of them in `${…}`.
    wrong
        The address that it stands for.
    found
        What `nearest` found.
    name
        The name of the block that was found, where it was declared.
    suffix
        Of its table, such as `_heldout`.

    """
    if len(found) != 1 or name is None:
        return ()
    written, own = text_at(source, span).rstrip(), text_at(source, name) + suffix
    span = Span(span.start, span.start + len(written.encode()))
    bare = written.removeprefix("${").removesuffix("}").strip()
    *head, last = bare.split(".")
    wrong_kind, _, wrong_name = wrong.rpartition(".")
    kind, _, right = found[0].partition(".")
    prefix = wrong_name.removesuffix(last)
    if (
        right != prefix + own
        or (last != own and not _same_but_misspelt(last, own))
        or (wrong_kind not in {"", kind} and not _same_but_misspelt(wrong_kind, kind))
        or not re.fullmatch(r"\w+(\.\w+)*", bare)
    ):
        return ()
    better = ".".join([*head[:-1], kind, own])
    return (Edit(span=span, text=f"${{{better}}}" if written.startswith("${") else better),)


def removal(source: Sources, span: Span) -> tuple[Edit, ...]:
    """An item taken out, with the separator that it no longer needs; an item of its own lines leaves none behind."""
    file, place = source.locate(span)
    data, shift = file.data, span.start - place.start
    line = data.rfind(b"\n", 0, place.start) + 1
    before = data[line : place.start].rstrip(b" \t")
    start = line + len(before)
    after = _BLANKS.match(data, place.end)
    assert after is not None
    comma = data[after.end() : after.end() + 1] == b","
    end = after.end() + comma
    ends_line = _REST_OF_LINE.match(data, end)
    if not before and ends_line:  # whole lines, with the doc comment above and the comment beside
        start, end = _above_doc(data, line), ends_line.end()
    elif comma and not ends_line:  # the next item takes its place
        blanks = _BLANKS.match(data, end)
        start, end = place.start, blanks.end() if blanks else end
    elif before.endswith(b",") and not comma:
        start -= 1
        end = place.end
    elif not before:
        start, end = place.start, after.end()
    else:
        end = end if comma or ends_line else place.end
    return (Edit(span=Span(start + shift, end + shift), text=""),)


def text_at(source: Sources, span: Span) -> str:
    """What was written at a place."""
    file, place = source.locate(span)
    return file.data[place.start : place.end].decode(errors="replace")


def _same_but_misspelt(word: str, other: str) -> bool:
    """Whether one is a slip for the other; names that differ in a number are names of two things."""
    return misspelt(word, other) and _NUMBERS.findall(word) == _NUMBERS.findall(other)


def _above_doc(data: bytes, line: int) -> int:
    """Where the lines of the doc comment above a line begin."""
    while line:
        above = data.rfind(b"\n", 0, line - 1) + 1
        if not _DOC.fullmatch(data, above, line):
            break
        line = above
    return line
