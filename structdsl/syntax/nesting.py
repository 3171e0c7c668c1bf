"""Which bracket closes which, and where the items between them begin and end.

The bracket check comes before any parsing, because one bracket too few changes the meaning of all that follows. A
bracket without a partner is reported where it was opened, and blanked; the rest of the file then reads on as it was
meant. The items that come out of it are what the parser falls back to: a mistake costs one item and no more.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

from structdsl.diagnostics.diagnostic import Diagnostic
from structdsl.syntax import messages
from structdsl.syntax.outline import MARK, Outline
from structdsl.syntax.tree import Span

PARTNERS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {closer: opener for opener, closer in PARTNERS.items()}
DEEPEST = 100
TOP = -1  # stands for the bracket around the whole file

DECLARATION = re.compile(r"(?:param|import|@[A-Za-z_]\w*)\b|[A-Za-z_]\w*[ \t]+[A-Za-z_]\w*[^\n={#\"]*\{")
# After a line break: an empty line, or what begins no item, so that it goes on with the line before.
CONTINUES = re.compile(r"[ \t\r]*(?:[\n{+*/.,)\]]|-(?![ \t]+[A-Za-z_\"])|extends\b)")
WORD = re.compile(r"@?\w+|.", re.DOTALL)
DECORATOR = re.compile(r"@[A-Za-z_]\w*[ \t\r]*\Z")


@dataclass(slots=True)
class Repair:
    """What the bracket check wants done to the text."""

    faults: list[Diagnostic] = field(default_factory=list)
    blanks: list[Span] = field(default_factory=list)
    closers: list[int] = field(default_factory=list)  # where a line break becomes `}`
    damage: list[int] = field(default_factory=list)
    partners: dict[int, int] = field(default_factory=dict)  # opener to closer and back


def check(outline: Outline) -> Repair:
    """Pair the brackets; only where that fails is the indentation asked which one is missing."""
    repair = _pair(outline, wary=False)
    return _pair(outline, wary=True) if repair.faults else repair


def _pair(outline: Outline, *, wary: bool) -> Repair:
    repair = Repair()
    text = outline.text
    stack: list[int] = []
    deep: list[int] = []
    for at, mark in outline.marks:
        if len(repair.faults) > messages.MOST:
            return repair
        if mark in PARTNERS:
            stack.append(at)
            if len(stack) == DEEPEST + 1:
                deep.append(at)
        elif mark in OPENERS:
            if wary and mark == "}":
                _close_indented(repair, text, stack, at)
            _close(repair, text, stack, at)
        elif mark == "\n" and wary and stack and _at_margin(text, stack[0]) and DECLARATION.match(text, at + 1):
            _give_up(repair, text, stack, at)
    if stack:
        _give_up(repair, text, stack, len(text) - 1)
    for at in deep:
        repair.faults.append(messages.too_deep(Span(at, at + 1), DEEPEST))
        repair.blanks.append(Span(at, repair.partners.get(at, at) + 1))
        repair.damage.append(at)
    return repair


def _close(repair: Repair, text: str, stack: list[int], at: int) -> None:
    closer = text[at]
    if not any(text[opener] == OPENERS[closer] for opener in stack):
        repair.faults.append(messages.stray(Span(at, at + 1), closer))
        repair.blanks.append(Span(at, at + 1))
        return
    while text[stack[-1]] != OPENERS[closer]:
        _skip(repair, text, stack, at)
    opener = stack.pop()
    repair.partners[opener] = at
    repair.partners[at] = opener


def _close_indented(repair: Repair, text: str, stack: list[int], at: int) -> None:
    """A `}` that begins its line belongs to the block that begins its line just as far in."""
    start = _line_start(text, at)
    indent = text[start:at]
    if indent.strip():
        return
    same = [index for index, opener in enumerate(stack) if text[opener] == "{" and _indent(text, opener) == indent]
    while same and len(stack) > same[-1] + 1 and stack[-1] < start:
        _skip(repair, text, stack, at)


def _skip(repair: Repair, text: str, stack: list[int], at: int) -> None:
    """The innermost open bracket has no partner: what stands at `at` closes one further out."""
    opener = stack.pop()
    fault = messages.unclosed(Span(opener, opener + 1), text[opener], Span(at, at + 1), "this closes an outer one")
    repair.faults.append(fault)
    _drop(repair, text, opener, max(_line_start(text, opener), stack[-1] + 1), at)


def _give_up(repair: Repair, text: str, stack: list[int], at: int) -> None:
    """No bracket that is still open will be closed: a new declaration begins after `at`, or the text ends there."""
    last = at + 1 >= len(text)
    word = WORD.match(text, at + 1)
    until = Span(*word.span()) if word and not last else None
    for opener in stack[: -messages.MOST - 2 : -1]:
        span = Span(opener, opener + 1)
        repair.faults.append(messages.unclosed(span, text[opener], until, "still open where this begins"))
    inside = -1
    if text[stack[0]] == "{":
        inside = stack[0]
        repair.closers.append(at)
        repair.damage.append(stack[0])
        repair.partners[stack[0]] = at
        repair.partners[at] = stack[0]
        del stack[0]
    for opener in stack:
        _drop(repair, text, opener, max(_line_start(text, opener), inside + 1), at)
    stack.clear()


def _drop(repair: Repair, text: str, opener: int, start: int, limit: int) -> None:
    """Blank the item of a bracket that never closes: its line, or all up to `limit` where it goes on after that."""
    end = text.find("\n", opener, limit)
    end = limit if end < 0 else end
    line = text[opener:end].partition("#")[0].rstrip()
    if text[opener] == "{" or line.endswith((",", *PARTNERS)):
        end = limit
    repair.blanks.append(Span(start, end))
    repair.damage.append(opener)


def _at_margin(text: str, at: int) -> bool:
    start = _line_start(text, at)
    return not text[start].isspace()


def _indent(text: str, at: int) -> str:
    line = text[_line_start(text, at) : at]
    return line[: len(line) - len(line.lstrip())]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def blank(text: str, start: int, end: int, partners: dict[int, int]) -> str:
    """Spaces for everything but line breaks, and but brackets whose partner lies elsewhere."""
    kept = {at for at, partner in partners.items() if start <= at < end and not start <= partner < end}
    middle = "".join(
        text[at] if text[at] == "\n" or at in kept else " "  # the length stays, and so does every offset
        for at in range(start, end)
    )
    return text[:start] + middle + text[end:]


def mend(text: str, repair: Repair) -> str:
    """The text with the wishes of the bracket check fulfilled."""
    for span in repair.blanks:
        text = blank(text, span.start, span.end, repair.partners)
    for at in repair.closers:
        start = _line_start(text, at)
        comments = (match for match in MARK.finditer(text, start, at) if match.lastgroup == "comment")
        end = min((match.start() for match in comments), default=at)
        text = f"{text[:end]}{' ' * (at - end)}}}{text[at + 1 :]}"
    return text


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch of text from one separator to the next, within one bracket."""

    start: int
    end: int  # after its separator
    opener: int  # of the bracket around it, or `TOP`
    group: tuple[int, int] | None  # its only `{ }`, where it has just one


@dataclass(slots=True)
class Nesting:
    """Brackets and separators of a text whose brackets are sound."""

    text: str
    partners: dict[int, int]
    separators: dict[int, list[int]]  # where items begin behind one, by opening bracket
    groups: dict[int, list[int]]  # the opening braces directly inside, by opening bracket
    edges: list[int]  # every bracket, in order
    around: list[int]  # the bracket around what follows that edge

    def enclosing(self, at: int) -> int:
        """The opening bracket around the character at `at`."""
        index = bisect.bisect_left(self.edges, at) - 1
        return self.around[index] if index >= 0 else TOP

    def item(self, at: int) -> Item:
        """The item that the character at `at` belongs to; a separator belongs to the item before it."""
        return self._item(at, self.enclosing(at))

    def top_item(self, at: int) -> Item:
        """The item of the file, a whole block for instance, that the character at `at` belongs to."""
        return self._item(at, TOP)

    def _item(self, at: int, opener: int) -> Item:
        separators = self.separators.get(opener, [])
        index = bisect.bisect_right(separators, at)
        start = separators[index - 1] if index else opener + 1
        last = self.partners.get(opener, len(self.text))
        end = separators[index] if index < len(separators) else last
        braces = [brace for brace in self.groups.get(opener, []) if start <= brace < end]
        group = (braces[0], self.partners.get(braces[0], end)) if len(braces) == 1 else None
        return Item(start, end, opener, group)


def nest(text: str, marks: list[tuple[int, str]], cuts: frozenset[int] = frozenset()) -> Nesting:
    """The nesting of a text in which every bracket has its partner; an item also ends after each of `cuts`."""
    nesting = Nesting(text, {}, {}, {}, [], [])
    stack = [TOP]
    for at, mark in marks:
        around = stack[-1]
        if mark in PARTNERS:
            if mark == "{":
                nesting.groups.setdefault(around, []).append(at)
            stack.append(at)
        elif mark in OPENERS:
            if len(stack) == 1:
                continue
            opener = stack.pop()
            nesting.partners[opener] = at
            nesting.partners[at] = opener
            if at in cuts:
                nesting.separators.setdefault(stack[-1], []).append(at + 1)
        else:
            if mark == "," or (_holds_lines(text, around) and _ends_item(nesting, at)):
                nesting.separators.setdefault(around, []).append(at + 1)
            continue
        nesting.edges.append(at)
        nesting.around.append(stack[-1])
    return nesting


def _holds_lines(text: str, opener: int) -> bool:
    return opener == TOP or text[opener] == "{"


def _ends_item(nesting: Nesting, at: int) -> bool:
    """Whether the line break at `at` may end an item: it does not after a decorator."""
    line = nesting.text[_line_start(nesting.text, at) : at].partition("#")[0].rstrip()
    if line.endswith(")"):
        opener = nesting.edges[-1] if nesting.edges else TOP
        opener = nesting.partners.get(opener, TOP)
        line = nesting.text[_line_start(nesting.text, opener) : opener] if opener != TOP else ""
    return not DECORATOR.search(line) and not CONTINUES.match(nesting.text, at + 1)
