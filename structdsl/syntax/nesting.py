"""Where the items between brackets begin and end, in a text whose brackets are sound.

Items are what the parser falls back to: a mistake costs one item and no more.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

PARTNERS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {closer: opener for opener, closer in PARTNERS.items()}
TOP = -1  # stands for the bracket around the whole file

# After a line break: an empty line, or what begins no item, so that it goes on with the line before.
CONTINUES = re.compile(r"[ \t\r]*(?:[\n{+*/.,)\]]|-(?![ \t]+[A-Za-z_\"])|extends\b)")
DECORATOR = re.compile(r"@[A-Za-z_]\w*[ \t\r]*\Z")


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def blank(text: str, start: int, end: int, partners: dict[int, int]) -> str:
    """Spaces for everything but line breaks, and but brackets whose partner lies elsewhere."""
    kept = {at for at, partner in partners.items() if start <= at < end and not start <= partner < end}
    middle = "".join(
        text[at] if text[at] == "\n" or at in kept else " "  # the length stays, and so does every offset
        for at in range(start, end)
    )
    return text[:start] + middle + text[end:]


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
    line = nesting.text[line_start(nesting.text, at) : at].partition("#")[0].rstrip()
    if line.endswith(")"):
        opener = nesting.edges[-1] if nesting.edges else TOP
        opener = nesting.partners.get(opener, TOP)
        line = nesting.text[line_start(nesting.text, opener) : opener] if opener != TOP else ""
    return not DECORATOR.search(line) and not CONTINUES.match(nesting.text, at + 1)
