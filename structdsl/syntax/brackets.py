"""Which bracket closes which, and what is to be done where one is missing, wrong, or one too many.

The bracket check comes before any parsing, because one bracket too few changes the meaning of all that follows. Where
counting fails, the indentation is asked what was meant; what is wrong is reported once, mended or blanked, and the rest
of the file reads on as it was meant.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

from structdsl.diagnostics.diagnostic import Diagnostic, Edit
from structdsl.syntax import messages
from structdsl.syntax.indentation import Indentation, indentation
from structdsl.syntax.nesting import OPENERS, PARTNERS, blank, line_start
from structdsl.syntax.outline import MARK, Outline
from structdsl.syntax.tree import Span

DEEPEST = 100

DECLARATION = re.compile(r"(?:param|import|@[A-Za-z_]\w*)\b|[A-Za-z_]\w*[ \t]+[A-Za-z_]\w*[^\n={#\"]*\{")
COMMA = re.compile(r"[ \t]*,")
CALL_WITHOUT_BRACKET = re.compile(r"[A-Za-z_]\w*[ \t]*=[ \t]*(?!r?\"|sql\b)[A-Za-z_]\w*[ \t]*(?=[\"\[0-9])")
ENDS = re.compile(r"[ \t\r]*(?:[,\n}#]|\Z)")
WORD = re.compile(r"@?\w+|.", re.DOTALL)


@dataclass(slots=True)
class Repair:
    """What the bracket check wants done to the text."""

    faults: list[Diagnostic] = field(default_factory=list)
    blanks: list[Span] = field(default_factory=list)
    closers: list[int] = field(default_factory=list)  # where a line break becomes `}`
    turned: dict[int, str] = field(default_factory=dict)  # where a bracket, or a line break, becomes another bracket
    damage: list[int] = field(default_factory=list)
    partners: dict[int, int] = field(default_factory=dict)  # opener to closer and back


def check(outline: Outline) -> Repair:
    """Pair the brackets; only where that fails is the indentation asked which one is missing."""
    repair = _pair(outline, None)
    return _pair(outline, indentation(outline)) if repair.faults else repair


def _pair(outline: Outline, lines: Indentation | None) -> Repair:
    repair = Repair()
    text = outline.text
    stack: list[int] = []
    begins = [0]  # of the current item, at each depth
    deep: list[int] = []
    known = {closer: opener for opener, closer in lines.closers.items()} if lines else {}
    for index, (at, mark) in enumerate(outline.marks):
        if len(repair.faults) > messages.MOST:
            return repair
        opener = _line_opener(text, stack, known, lines, at)
        if opener is not None:
            _close_line(repair, text, stack, opener, at)
        elif mark in PARTNERS or (lines and at in lines.closers):
            stack.append(at)
            if len(stack) == DEEPEST + 1:
                deep.append(at)
        elif mark in OPENERS:
            if lines:
                _close_wary(repair, outline, stack, lines, index, begins)
            else:
                _close(repair, text, stack, at)
        elif mark == "\n" and lines and stack and _at_margin(text, stack[0]) and DECLARATION.match(text, at + 1):
            _give_up(repair, text, stack, at)
        del begins[len(stack) + 1 :]
        begins += [at + 1] * (len(stack) + 1 - len(begins))
        if mark == "\n" or (mark == "," and stack):
            begins[-1] = at + 1
    if stack:
        _give_up(repair, text, stack, len(text) - 1)
    for at in deep:
        repair.faults.append(messages.too_deep(Span(at, at + 1), DEEPEST))
        repair.blanks.append(Span(at, repair.partners.get(at, at) + 1))
        repair.damage.append(at)
    return repair


def _close(repair: Repair, text: str, stack: list[int], at: int) -> None:
    closer = text[at]
    if not any(_kind(repair, text, opener) == OPENERS[closer] for opener in stack):
        repair.faults.append(messages.stray(Span(at, at + 1), closer))
        repair.blanks.append(Span(at, at + 1))
        return
    while _kind(repair, text, stack[-1]) != OPENERS[closer]:
        _skip(repair, text, stack, at)
    _partners(repair, stack.pop(), at)


def _kind(repair: Repair, text: str, opener: int) -> str:
    return repair.turned.get(opener, text[opener])


def _partners(repair: Repair, opener: int, at: int) -> None:
    repair.partners[opener] = at
    repair.partners[at] = opener


def _line_opener(text: str, stack: list[int], known: dict[int, int], lines: Indentation | None, at: int) -> int | None:
    """The open bracket that the indentation, or the place, of the one at `at` says it closes."""
    if lines is None:
        return None
    if at in known:
        return known[at] if known[at] in stack else None
    return stack[-1] if text[at] in PARTNERS and _closes(text, stack, at) else None


def _closes(text: str, stack: list[int], at: int) -> bool:
    """Whether an opening bracket can only be meant to close the one before it: `levels = [chapter, section{`."""
    if not stack or stack[-1] < line_start(text, at) or not (ENDS.match(text, at + 1) or text[at + 1] in OPENERS):
        return False
    before = text[stack[-1] + 1 : at].rstrip()
    if not before or before[-1] in "=:,([{+-*/":
        return False
    word = before[-1].isalnum() or before[-1] == "_"
    return not word or (text[at] != "(" and text[stack[-1]] != "{")


def _close_line(repair: Repair, text: str, stack: list[int], opener: int, at: int) -> None:
    """The indentation says that `at` closes `opener`, whatever bracket it is."""
    while stack[-1] != opener:
        _skip(repair, text, stack, at)
    stack.pop()
    _partners(repair, opener, at)
    here = Span(opener, opener + 1)
    if PARTNERS.get(text[opener]) == text[at]:
        return
    if text[opener] in OPENERS:  # `corpus notes ]`
        fault = dataclasses.replace(messages.stray(here, text[opener]), fixes=(Edit(span=here, text="{"),))
        repair.turned[opener] = "{"
    else:
        fault = messages.mismatched(here, Span(at, at + 1), text[opener], text[at])
        repair.turned[at] = PARTNERS[text[opener]]
        if text[at] in OPENERS:
            fault = dataclasses.replace(fault, fixes=(Edit(span=Span(at, at + 1), text=PARTNERS[text[opener]]),))
        if text[at] == "}":  # what braces enclose holds lines: `corpus notes (`
            fault = dataclasses.replace(fault, fixes=(Edit(span=here, text="{"),))
            repair.turned = {**repair.turned, opener: "{", at: "}"}
    repair.faults.append(fault)


def _close_wary(
    repair: Repair, outline: Outline, stack: list[int], lines: Indentation, index: int, begins: list[int]
) -> None:
    """A closing bracket that begins no last line: it closes what was opened on its own line, or nothing."""
    text = outline.text
    at, closer = outline.marks[index]
    if at in lines.headers:
        gap = lines.headers[at]
        while stack and stack[-1] > gap:
            _skip(repair, text, stack, at)
        repair.faults.append(messages.missing(Span(gap, gap), "`{`", _bare_line(text, gap)))
        repair.turned[gap] = "{"
        _partners(repair, gap, at)
    elif at in lines.orphans:
        begin = lines.orphans[at]
        del stack[len([opener for opener in stack if opener < begin]) :]
        _stray(repair, text, at, begin)
    elif not stack or stack[-1] in lines.closers:
        _close_nothing(repair, outline, stack, begins[len(stack)], index)
    elif _kind(repair, text, stack[-1]) == OPENERS[closer]:
        _partners(repair, stack.pop(), at)
    else:
        _close_other(repair, outline, stack, lines, index)


def _close_other(repair: Repair, outline: Outline, stack: list[int], lines: Indentation, index: int) -> None:
    """The innermost open bracket is of another kind: one of the two is wrong, or one has no partner."""
    text = outline.text
    at, closer = outline.marks[index]
    free = [opener for opener in stack if opener not in lines.closers]
    here = [opener for opener in free if opener >= line_start(text, at)]
    ahead = _closers_ahead(outline, index)
    wanted = [PARTNERS[_kind(repair, text, opener)] for opener in reversed(here)]
    if len(ahead) >= len(here) and ahead[:1] == wanted[:1]:
        _stray(repair, text, at, _call(text, stack, at))
        repair.damage.append(at)
    elif ahead != wanted[1:] and any(_kind(repair, text, opener) == OPENERS[closer] for opener in (here or free)):
        while _kind(repair, text, stack[-1]) != OPENERS[closer]:
            _skip(repair, text, stack, at)
        _partners(repair, stack.pop(), at)
    else:
        opener = stack.pop()
        fixes = (Edit(span=Span(at, at + 1), text=PARTNERS[text[opener]]),) if _in_place(text, opener, at) else ()
        one, other = Span(opener, opener + 1), Span(at, at + 1)
        repair.faults.append(messages.mismatched(one, other, text[opener], closer, fixes))
        begin = max(line_start(text, opener), stack[-1] + 1 if stack else 0)
        comma = COMMA.match(text, at + 1)
        repair.blanks.append(Span(begin, comma.end() if comma else at + 1))
        repair.damage.append(opener)


def _in_place(text: str, opener: int, at: int) -> bool:
    """Whether what stands around an opening bracket shows that it is the right one, and so the closing one is not."""
    before, inside = text[:opener].rstrip(" \t")[-1:], text[opener + 1 : at]
    match text[opener]:
        case "(":
            return text[opener - 1].isalnum() or text[opener - 1] == "_"
        case "[":
            return before in {*"=:,([{"} and ":" not in inside
        case _:
            return before in {*"=:"} and ":" in inside


def _closers_ahead(outline: Outline, index: int) -> list[str]:
    """The closing brackets further on in this line whose partners stand before it."""
    found: list[str] = []
    depth = 0
    for _, mark in outline.marks[index + 1 :]:
        if mark == "\n":
            break
        if mark in PARTNERS:
            depth += 1
        elif mark in OPENERS and depth == 0:
            found.append(mark)
        elif mark in OPENERS:
            depth -= 1
    return found


def _close_nothing(repair: Repair, outline: Outline, stack: list[int], begin: int, index: int) -> None:
    """No bracket is open that a closing one could belong to: it is one too many, or its partner is missing."""
    text = outline.text
    at, closer = outline.marks[index]
    here = [opener for opener in stack if opener >= line_start(text, at)]
    ahead = _closers_ahead(outline, index)
    if len(ahead) > len(here):  # it stands where an opening one belongs
        repair.faults.append(messages.stray(Span(at, at + 1), closer))
        repair.turned[at] = OPENERS[ahead[0]]
        stack.append(at)
        return
    _stray(repair, text, at, min(begin, _call(text, stack, at)))


def _call(text: str, stack: list[int], at: int) -> int:
    """Where the call begins that lacks the bracket which the one at `at` closes; `at` itself where none does."""
    if text[at] != ")":
        return at
    begin = max(stack[-1] + 1 if stack else 0, line_start(text, at))
    return max((call.start() for call in CALL_WITHOUT_BRACKET.finditer(text, begin, at)), default=at)


def _stray(repair: Repair, text: str, at: int, begin: int) -> None:
    """A closing bracket without a partner takes with it the item that it ends, whose opening one is missing."""
    repair.faults.append(messages.stray(Span(at, at + 1), text[at]))
    if ENDS.match(text, at + 1) and text[begin:at].strip():
        repair.blanks.append(Span(begin, at + 1))
        repair.damage.append(at)
    else:
        repair.blanks.append(Span(at, at + 1))


def _bare_line(text: str, end: int) -> str:
    """The line that ends at `end`, without its comment."""
    start = line_start(text, end)
    comments = (match.start() for match in MARK.finditer(text, start, end) if match.lastgroup == "comment")
    return text[start : next(comments, end)].strip()


def _skip(repair: Repair, text: str, stack: list[int], at: int) -> None:
    """The innermost open bracket has no partner: what stands at `at` closes one further out."""
    opener = stack.pop()
    fault = messages.unclosed(Span(opener, opener + 1), text[opener], Span(at, at + 1), "this closes an outer one")
    repair.faults.append(fault)
    _drop(repair, text, opener, max(line_start(text, opener), stack[-1] + 1 if stack else 0), at)


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
        _drop(repair, text, opener, max(line_start(text, opener), inside + 1), at)
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
    start = line_start(text, at)
    return not text[start].isspace()


def mend(text: str, repair: Repair) -> str:
    """The text with the wishes of the bracket check fulfilled."""
    for span in repair.blanks:
        text = blank(text, span.start, span.end, repair.partners)
    for at, bracket in {**dict.fromkeys(repair.closers, "}"), **repair.turned}.items():
        start = line_start(text, at)
        comments = (match for match in MARK.finditer(text, start, at) if match.lastgroup == "comment")
        end = min((match.start() for match in comments), default=at)
        text = f"{text[:end]}{' ' * (at - end)}{bracket}{text[at + 1 :]}"
    return text
