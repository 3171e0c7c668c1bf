"""Parse around mistakes.

A text without mistakes is one run of the LALR parser. Where that stops, what stands before the top-level item in
question is read, the item is mended and read again until it passes, and the parser goes on behind it. Mending means
the repair that the mistake suggests (`:` becomes `=`) or else blanking the innermost item around it, so that a mistake
costs one item and never hides the next, and the time stays linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.utils import TextSlice

from structdsl.diagnostics.diagnostic import Sink
from structdsl.syntax import messages, nesting, tables
from structdsl.syntax.mistakes import Stop, explain
from structdsl.syntax.nesting import TOP, Item, Nesting
from structdsl.syntax.outline import Outline
from structdsl.syntax.prune import PLACEHOLDER, prune
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Block, Expression, Import, Parameter, Quantity, Span

MOST_ROUNDS = 50  # for one top-level item
GOES_ON = ("+", "-", "*", "/", ".")  # a line that ends so is no item yet
LONE_NAME = re.compile(r"\s*[A-Za-z_]\w*\s*", re.ASCII)
HEAD = re.compile(r"\s*([A-Za-z_]\w*)(?:[ \t]+([A-Za-z_]\w*))?", re.ASCII)

Top = Quantity | Import | Parameter | Block


@cache
def _lark() -> Lark:
    return tables.parser()


@dataclass
class Reader:
    """Reads one text; `text` changes as mistakes are mended, its length never does."""

    source: Source
    sink: Sink
    outline: Outline

    def __post_init__(self) -> None:
        self.text = self.outline.text
        self.damaged = bool(self.outline.damage or self.outline.lost)
        self._damage = list(self.outline.lost)
        self._reported = 0
        self._known: Nesting | None = None

    def read(self) -> list[Top]:
        """The top-level items that can be read, in order."""
        for at in self.outline.damage:
            self._blank(at)
        items: list[Top] = []
        start = 0
        while start < len(self.text) and self._reported < messages.MOST:
            found, stop = self._parse(start, len(self.text))
            if stop is None:
                items += found
                break
            before, first, end = self._around(start, stop)
            items += before
            items += self._recover(first, end)
            start = end
        if self._reported >= messages.MOST:
            self.damaged = True
            messages.report(self.sink, self.source, messages.too_many())
        return prune(items, sorted(self._damage))

    def _around(self, start: int, stop: Stop) -> tuple[list[Top], int, int]:
        """The items from `start` on up to the one with the mistake, and where that one begins and ends."""
        item = self._nesting.top_item(stop.span.start)
        first = max(item.start, start)
        end = min(max(item.end, first + 1), len(self.text))
        before, again = self._parse(start, first)
        while again is not None:  # it went wrong further up, and only showed here
            end = first
            first = max(min(self._nesting.top_item(again.span.start).start, first - 1), start)
            before, again = self._parse(start, first)
        return before, first, end

    def read_value(self) -> Expression | None:
        """The text as one value; none where it has a mistake."""
        if self.damaged:
            return None
        try:
            return cast("Expression", _lark().parse(self.text, start="value"))
        except UnexpectedInput as error:
            messages.report(self.sink, self.source, explain(self._stop(error)).diagnostic)
            return None

    @property
    def _nesting(self) -> Nesting:
        """Only worked out where something is wrong."""
        if self._known is None:
            self._known = nesting.nest(self.text, self.outline.marks, self.outline.cuts)
        return self._known

    def _parse(self, start: int, end: int) -> tuple[list[Top], Stop | None]:
        if start >= end:
            return [], None
        try:
            items = _lark().parse(TextSlice(self.text, start, end), start="file")
        except UnexpectedInput as error:
            return [], self._stop(error)
        return cast("list[Top]", items), None

    def _recover(self, start: int, end: int) -> list[Top]:
        """One top-level item, mended until it can be read; nothing where that does not come to an end."""
        seen: set[int] = set()
        doubted: set[int] = set()
        told: set[tuple[int, str]] = set()
        for _ in range(MOST_ROUNDS):
            items, stop = self._parse(start, end)
            if stop is None:
                return items
            before = self.text
            stop = self._origin(start, stop)
            mistake = explain(stop)
            at = stop.span.start if mistake.at is None else mistake.at
            item = self._nesting.item(at)
            if not self.text[item.start : item.end].strip():  # all that is wrong stands before the line break
                at = stop.previous
                item = self._nesting.item(at)
            same = (item.opener, mistake.diagnostic.message)  # as in `(a = 1, b = 2)`, where a call was meant
            if same not in told and (item.start not in seen or (mistake.repairs and item.start not in doubted)):
                messages.report(self.sink, self.source, mistake.diagnostic)
                self._reported += 1
                if stop.inside in {"list", "call"}:
                    told.add(same)
            if mistake.repairs:
                if not stop.kind:  # what a character without a meaning was meant for is a guess
                    seen.add(item.start)
                    doubted.add(item.start)
                for at, replacement in mistake.repairs:
                    self.text = self.text[:at] + replacement + self.text[at + len(replacement) :]
            else:
                self._blank(at, again=item.start in seen - doubted)
                doubted.discard(item.start)
                seen.add(item.start)
            if self.text == before or self._reported >= messages.MOST:
                break
        self.damaged = True
        return []

    def _origin(self, start: int, stop: Stop) -> Stop:
        """Where it went wrong: `x = 1 +` takes the name of the next item for its operand, and that item is sound."""
        item = self._nesting.item(stop.span.start)
        above = (line.partition("#")[0].rstrip() for line in reversed(self.text[start : item.start].split("\n")))
        if not next(filter(None, above), "").endswith(GOES_ON):
            return stop
        if not LONE_NAME.fullmatch(self.text[item.start : stop.span.start]):
            return stop
        _, earlier = self._parse(start, item.start)
        return earlier or stop

    def _blank(self, at: int, *, again: bool = False) -> None:
        """Blank the innermost item around `at`; the braces inside it stay, with a header that can be read."""
        item = self._nesting.item(at)
        start, end = item.start, item.end
        self._damage.append(min(max(at, start), len(self.text) - 1))
        if item.opener == TOP:
            self.damaged = True
        if item.group and not again:
            opening, closing = item.group
            if at > closing:
                self._clear(closing + 1, end - (self.text[end - 1] == ","))
            else:
                self._clear_head(item, opening)
            return
        self._clear(start, end)

    def _clear(self, start: int, end: int) -> None:
        self.text = nesting.blank(self.text, start, end, {})

    def _clear_head(self, item: Item, brace: int) -> None:
        """Keep as much of a header as others refer to: `kind name {`, or `name = {`."""
        head = self.text[item.start : brace]
        match = HEAD.match(head)
        names = match[0] if match else ""
        if re.search(r"[=:(\[,+*/-][ \t\r\n]*\Z", head):
            first = head[: match.end(1)] if match else ""
            last = len(head.rstrip()) - 1
            new = first.ljust(last) + ("=" if item.opener == TOP or self.text[item.opener] == "{" else " ")
        else:
            new = names or PLACEHOLDER.rjust(max(len(head) - 1, 0))
        self.text = self.text[: item.start] + new.ljust(len(head))[: len(head)] + self.text[brace:]

    def _stop(self, error: UnexpectedInput) -> Stop:
        """Where and why the parser stopped, in our own words."""
        interactive = getattr(error, "interactive_parser", None)
        assert interactive is not None
        accepts = frozenset(interactive.accepts())
        previous = max((_end(value) for value in interactive.parser_state.value_stack[-1:]), default=0)
        if isinstance(error, UnexpectedCharacters):
            at = cast("int", error.pos_in_stream)
            return Stop(self.text, Span(at, at + 1), "", previous, accepts, self._nesting)
        assert isinstance(error, UnexpectedToken)
        token = error.token
        if token.type == "$END":
            span = Span(token.start_pos, token.start_pos)
        elif not token and token.type == "_NL":  # the one that `}` or the end of the text implies
            span = Span(token.start_pos, token.start_pos + (self.text[token.start_pos] == "}"))
        else:
            span = Span(token.start_pos, token.end_pos)
        return Stop(self.text, span, token.type, previous, accepts, self._nesting)


def _end(value: Any) -> int:
    """Where the text of a value on the parser's stack ends."""
    if isinstance(value, Token):
        return int(value.end_pos or 0)
    if isinstance(value, Tree):  # what Lark keeps a repetition in
        value = value.children
    if isinstance(value, list | tuple):
        return _end(value[-1]) if value else 0
    span = value if isinstance(value, Span) else value.span
    return int(span.end)
