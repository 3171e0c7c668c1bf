"""Groups to lines.

What fits on one line and was written on one stays there; what was written over several stays so. A comment between two
words keeps the line break that it needs, and that its author found to be legal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from structdsl.format import strings
from structdsl.format.groups import Group, Item, Shapes, between
from structdsl.format.lines import Line, Row, joined
from structdsl.format.tokens import Comment, Token

WIDTH = 120
STEP = 2  # of the indentation

Elements = tuple[Token | Group, ...]


@dataclass(slots=True)
class Printer:
    """Writes one item after another; `lines` is what was written."""

    shapes: Shapes
    ending: str  # the file's line break
    lines: list[Line] = field(default_factory=list)

    def start(self, indent: int, text: str = "") -> None:
        self.lines.append(Line(" " * indent + text))

    def put(self, text: str) -> None:
        self.lines[-1].code += text

    def comments(self, comments: tuple[Comment, ...], indent: int) -> None:
        """Comments between two words; what follows needs a new line."""
        for index, comment in enumerate(comments):
            if index and comment.blank:
                self.start(0)
            if comment.own or self.lines[-1].comment:
                self.start(indent, comment.text)
            else:
                self.lines[-1].comment = comment.text

    def elements(self, elements: Elements, indent: int, rest: int) -> None:
        """The words of an item; `rest` is the width of what follows them on their last line."""
        for index, element in enumerate(elements):
            first = element.open if isinstance(element, Group) else element
            if first.comments:
                if not _continued(elements[:index]):
                    indent += STEP
                self.comments(first.comments, indent)
                self.start(indent)
            else:
                self.put(between(elements, index, self.shapes))
            if isinstance(element, Group):
                self.group(element, indent, self._behind(elements, index, rest))
            elif "\n" in element.text:
                self.string(element.text, indent)
            else:
                self.put(element.text)

    def _behind(self, elements: Elements, index: int, rest: int) -> int:
        """The width of what has to stay on the line behind a group: all up to the next place to break."""
        width = 0
        for later in range(index + 1, len(elements)):
            element = elements[later]
            width += len(between(elements, later, self.shapes))
            if isinstance(element, Group):
                return width + len(element.open.text)
            if element.comments:
                return width
            width += len(element.text)
        return width + rest

    def string(self, literal: str, indent: int) -> None:
        first, *others = strings.indented(literal, " " * indent, self.ending)
        self.put(first)
        self.lines[-1].verbatim = True
        self.lines += [Line(text, verbatim=True) for text in others]

    def group(self, group: Group, indent: int, rest: int) -> None:
        if group.flat is not None and len(self.lines[-1].code) + len(group.flat) + rest <= WIDTH:
            self.put(group.flat)
        elif not group.items and not group.broken:
            self.put(group.open.text + group.close.text)
        elif group.flat is None and not group.broken:
            self._hugging(group, indent)
        else:
            self._over_lines(group, indent)

    def _hugging(self, group: Group, indent: int) -> None:
        """Brackets around something that has lines of its own: `[{`."""
        self.put(group.open.text)
        for index, item in enumerate(group.items):
            self.put(", " if index else "")
            self.elements(item.elements, indent, 1)
        self.put(group.close.text)

    def _over_lines(self, group: Group, indent: int) -> None:
        self.put(group.open.text)
        if group.after_open:
            self.lines[-1].comment = group.after_open.text
        self.lines += self.body(group, indent + STEP)
        self.start(indent, group.close.text)

    def body(self, group: Group, indent: int) -> list[Line]:
        """The items of a group on lines of their own, and the comments after the last."""
        rows: list[Row] = []
        for item in group.items:
            rows.append(self.row(item, group.shape, indent))
            if group.shape == "file" and len(rows) > 1 and not rows[-1].parted and not _may_touch(rows[-2], rows[-1]):
                rows[-1].blank = rows[-1].parted = True
        rows += [Row(lines=[Line(" " * indent + comment.text)], blank=comment.blank) for comment in group.tail]
        return joined(rows)

    def row(self, item: Item, shape: str, indent: int) -> Row:
        inner = Printer(self.shapes, self.ending)
        for index, comment in enumerate(item.lead):
            if index and comment.blank:
                inner.start(0)
            inner.start(indent, comment.text)
        if item.lead and item.blank:
            inner.start(0)
        blank = item.lead[0].blank if item.lead else item.blank
        parted = item.blank or any(comment.blank for comment in item.lead)
        elements = inner.decorators(item.elements, indent)
        main = len(inner.lines)
        inner.start(indent)
        comma = shape in {"list", "call"}
        inner.elements(elements, indent, int(comma))
        if comma:
            inner.put(",")
        if item.after:
            inner.lines[-1].comment = item.after.text
        row = Row(lines=inner.lines, main=main, blank=blank, parted=parted)
        _describe(row, elements, shape, indent, self.shapes)
        return row

    def decorators(self, elements: Elements, indent: int) -> Elements:
        """Write what begins with `@`, each on its own line; what comes after."""
        while elements and isinstance(elements[0], Token) and elements[0].text == "@":
            end = 3 if len(elements) > 2 and isinstance(elements[2], Group) else 2
            self.start(indent)
            self.elements(elements[:end], indent, 0)
            first = elements[end]
            assert isinstance(first, Token)
            self.comments(first.comments, indent)
            elements = (_bare(first), *elements[end + 1 :])
        return elements


def _continued(elements: Elements) -> bool:
    """Whether a comment broke the line before: the indentation grows once."""
    return any((element.open if isinstance(element, Group) else element).comments for element in elements)


def _bare(token: Token) -> Token:
    return Token(token.kind, token.text, token.at, (), token.broken, token.blank)


def _may_touch(before: Row, after: Row) -> bool:
    """Whether no empty line has to part two neighbours at the top level."""
    if after.kind in {"import", "param"}:
        return before.kind == after.kind or (before.kind, after.kind) == ("language", "import")
    return before.kind == after.kind and (before.single or after.single)


def _describe(row: Row, elements: Elements, shape: str, indent: int, found: Shapes) -> None:
    """What a row lines up with, and where its cells end."""
    words = [element.text if isinstance(element, Token) else element.open.text for element in elements]
    last = elements[-1]
    is_block = isinstance(last, Group) and last.shape == "body"
    row.kind = words[0]
    if shape == "map":
        _pair(row, elements, words.index(":"), indent, found)
    elif is_block:
        if row.single:
            row.key = f"block {words[0]} {':' in words} {'extends' in words}"
            row.cells = _header(elements, words, indent, found)
    elif "=" in words:
        _pair(row, elements, words.index("=") - 1, indent, found)
        row.key = "param" if shape == "file" else row.key
    elif shape == "file" and words[0] == "param":
        row.key = "param"


def _pair(row: Row, elements: Elements, end: int, indent: int, found: Shapes) -> None:
    """`name = value` and `key: value`: the cell ends behind the element `end`."""
    value = elements[end + 1 :]
    is_text = not row.single and any(isinstance(element, Token) and "\n" in element.text for element in value)
    if not row.single and not is_text:
        return
    row.key = "pair"
    row.closes = is_text
    row.cells = (indent + _width(elements[: end + 1], found),)
    if len(value) == 1 and isinstance(value[0], Token) and value[0].text.endswith("%"):
        row.percent = len(value[0].text)


def _header(elements: Elements, words: list[str], indent: int, found: Shapes) -> tuple[int, ...]:
    """The cells of `kind name: variant extends base {`: name, variant, base."""
    end = len(elements) - 1
    base = next((at for at, word in enumerate(words) if word == "extends" and at > 1), end)
    variant = words.index(":") + 1 if ":" in words[:base] else base
    return tuple(indent + _width(elements[:stop], found) for stop in (variant, base, end))


def _width(elements: Elements, found: Shapes) -> int:
    width = 0
    for index, element in enumerate(elements):
        assert isinstance(element, Token)
        width += len(between(elements, index, found)) + len(element.text)
    return width
