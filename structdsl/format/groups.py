"""Tokens to groups: what stands between two brackets, item by item.

The tree of the parser says where items begin and what a brace opens; the tokens say what was written. A group knows
how it reads on one line, and whether its author wrote it over several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from structdsl.format.tokens import Comment, Token
from structdsl.syntax.tree import (
    Argument,
    Attribute,
    Binary,
    Block,
    Call,
    Decorator,
    Expression,
    File,
    Mapping,
    Negation,
    Pair,
    Parameter,
    Sequence,
)

Node = Argument | Attribute | Block | Decorator | Expression | Pair | Parameter

CLOSERS = {"(": ")", "[": "]", "{": "}", "": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What stands between two separators."""

    lead: tuple[Comment, ...]  # on lines above it
    blank: bool  # an empty line comes right before its first token
    elements: tuple[Token | Group, ...]
    after: Comment | None = None  # behind it, on its last line


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Two brackets and the items between them."""

    shape: str  # "file", "body", "map", "list", "call" or "parentheses"
    open: Token
    close: Token
    items: tuple[Item, ...]
    after_open: Comment | None  # behind the opening bracket
    tail: tuple[Comment, ...]  # on lines before the closing bracket
    broken: bool  # its items stand on lines of their own
    flat: str | None  # the group on one line; none where it has to be written over several


@dataclass(slots=True)
class Shapes:
    """What tokens do not say: found in the tree, by byte offset."""

    items: set[int] = field(default_factory=set)  # where the items of bodies and maps begin
    maps: set[int] = field(default_factory=set)
    minuses: set[int] = field(default_factory=set)  # the `-` of `-5`


def shapes(file: File) -> Shapes:
    found = Shapes()
    found.items |= {item.span.start for item in file.imports}
    found.items |= {item.span.start for item in file.parameters}
    for node in _nodes(file):
        match node:
            case Attribute() | Block() | Pair():
                found.items.add(node.span.start)
            case Mapping():
                found.maps.add(node.span.start)
            case Negation():
                found.minuses.add(node.span.start)
            case _:
                pass
    return found


def group(tokens: list[Token], found: Shapes) -> Group:
    """The whole file as one group."""
    start = Token("mark", "", 0, (), broken=False, blank=False)
    return _Reader(iter(tokens), found).group(start, "file")


def gap(before: Token, after: Token, *, minus: bool, call: bool) -> str:
    """What stands between two tokens on one line; `minus`: `before` is a sign; `call`: `after` opens arguments."""
    if minus or call or after.text in {",", ")", "]", ".", ":"} or before.text in {"(", "[", ".", "@"}:
        return ""
    return " "


@dataclass(slots=True)
class _Reader:
    tokens: Iterator[Token]
    shapes: Shapes

    def group(self, opening: Token, shape: str) -> Group:
        """Read on to the closing bracket."""
        found = _Open(opening, shape)
        for token in self.tokens:
            found.spread = found.spread or token.broken
            if token.kind in {"mark", "end"} and token.text == CLOSERS[opening.text]:
                return found.closed(token, self.shapes)
            if token.kind == "mark" and token.text == ",":
                found.lead = found.finish(token.comments)
                continue
            if not found.elements or (found.holds_lines and token.at in self.shapes.items):
                word = found.begin(token)
            else:
                word = token
            inner = self._shape(word, found.elements)
            found.add(self.group(word, inner) if inner else word)
        raise AssertionError(opening)

    def _shape(self, token: Token, before: list[Token | Group]) -> str:
        """The shape of the group that a token opens; nothing where it opens none."""
        if token.kind != "mark" or token.text not in {"(", "[", "{"}:
            return ""
        if token.text == "(":
            last = before[-1] if before else None
            return "call" if isinstance(last, Token) and last.kind == "name" else "parentheses"
        if token.text == "[":
            return "list"
        return "map" if token.at in self.shapes.maps else "body"


@dataclass(slots=True)
class _Open:
    """A group whose closing bracket has not been read yet."""

    opening: Token
    shape: str
    items: list[Item] = field(default_factory=list)
    elements: list[Token | Group] = field(default_factory=list)  # of the item that has begun
    lead: tuple[Comment, ...] = ()  # of that item, or of the next
    blank: bool = False
    after_open: Comment | None = None
    spread: bool = False  # a line break stands somewhere inside
    apart: bool = False  # a line break stands before an item

    @property
    def holds_lines(self) -> bool:
        """Whether a line break can end an item."""
        return self.shape in {"file", "body", "map"}

    def begin(self, token: Token) -> Token:
        """Begin an item with this token, whose comments become the item's."""
        pending = () if self.elements else self.lead
        self.lead = (*pending, *self.finish(token.comments))
        self.blank = token.blank
        self.apart = self.apart or token.broken
        return dataclasses.replace(token, comments=())

    def add(self, element: Token | Group) -> None:
        if isinstance(element, Group):
            self.spread = self.spread or element.flat is None
        elif "\n" in element.text:
            self.spread = True
        self.elements.append(element)

    def finish(self, comments: tuple[Comment, ...]) -> tuple[Comment, ...]:
        """End the item, if one has begun; the comments that belong to what follows."""
        in_line = bool(comments) and not comments[0].own and bool(self.elements or not self.lead)
        if self.elements:
            self.items.append(Item(lead=self.lead, blank=self.blank, elements=tuple(self.elements)))
            self.elements = []
        if in_line and not self.items:
            self.after_open, comments = comments[0], comments[1:]
        elif in_line and self.items[-1].after is None:
            self.items[-1] = dataclasses.replace(self.items[-1], after=comments[0])
            comments = comments[1:]
        return comments

    def closed(self, close: Token, shapes: Shapes) -> Group:
        pending = () if self.elements else self.lead
        tail = (*pending, *self.finish(close.comments))
        parted = self.shape != "parentheses" and (self.apart or close.broken)
        broken = self.spread if self.holds_lines else parted
        remarks = self.after_open or tail or any(item.lead or item.after or _remarked(item) for item in self.items)
        broken = self.shape == "file" or bool(self.items and broken) or bool(remarks)
        return Group(
            shape=self.shape,
            open=self.opening,
            close=close,
            items=tuple(self.items),
            after_open=self.after_open,
            tail=tail,
            broken=broken,
            flat=None if broken else self._flat(close, shapes),
        )

    def _flat(self, close: Token, shapes: Shapes) -> str | None:
        texts = [flat(item.elements, shapes) for item in self.items]
        if None in texts:
            return None
        inside = ", ".join(text for text in texts if text is not None)
        space = " " if inside and self.shape in {"body", "map"} else ""
        return self.opening.text + space + inside + space + close.text


def flat(elements: tuple[Token | Group, ...], found: Shapes) -> str | None:
    """Elements on one line; none where that cannot be."""
    pieces: list[str] = []
    for index, element in enumerate(elements):
        text = element.flat if isinstance(element, Group) else element.text
        if text is None or "\n" in text:
            return None
        pieces += (between(elements, index, found), text)
    return "".join(pieces)


def between(elements: tuple[Token | Group, ...], index: int, found: Shapes) -> str:
    """What stands before the element of this index on one line."""
    if index == 0:
        return ""
    before, after = elements[index - 1], elements[index]
    last = before.close if isinstance(before, Group) else before
    first = after.open if isinstance(after, Group) else after
    minus = last.text == "-" and last.at in found.minuses
    return gap(last, first, minus=minus, call=isinstance(after, Group) and after.shape == "call")


def _remarked(item: Item) -> bool:
    """Whether a comment stands between its words."""
    return any((element.open if isinstance(element, Group) else element).comments for element in item.elements)


def _nodes(file: File) -> Iterator[Node]:
    """Every node that may hold an item of a body or a map, or a sign."""
    stack: list[Node | None] = [*file.parameters, *file.blocks]
    while stack:
        node = stack.pop()
        if node is None:
            continue
        yield node
        match node:
            case Block():
                stack += (*node.body, *node.decorators)
            case Attribute():
                stack += (node.value, *node.decorators)
            case Argument() | Pair():
                stack.append(node.value)
            case Mapping():
                stack += node.pairs
            case Sequence():
                stack += node.items
            case Binary():
                stack += (node.left, node.right)
            case Negation():
                stack.append(node.operand)
            case Call() | Decorator():
                stack += node.arguments
            case Parameter():
                stack += (node.default, *node.decorators)
            case _:
                pass
