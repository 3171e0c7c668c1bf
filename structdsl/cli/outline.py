"""Steps as lines that people read: those of a block folded into one, causes as chains of addresses.

A plan of a hundred steps has some twenty blocks. What differs by itself keeps a line of its own, for that is what was
changed; what only follows from it is told by the block and by the way that leads there.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

WIDTH = 100
LONGEST = 34  # of the column of addresses; longer ones push the rest of their line to the right
GIST = 48  # characters of a reason at the end of a chain
MANY = 2  # lines of a reason beside its step; a longer one stands below, in the whole width
CONTEXT = 20  # characters before the first that differs
_TOKEN = re.compile(r'''r?"""[\s\S]*?"""|r"[^"\n]*"|"(?:[^"\\\n]|\\.)*"|\s+|[^\s"(){}\[\]r]+|[\s\S]''')
"""Of a value, as far as its line breaks matter: strings, space, brackets and what is between these."""
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
COLOURS = {"+": "green", "~": "yellow", "-": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step that is not as it was."""

    sign: str
    address: str
    own: tuple[str, ...] = ()  # what differs in the step itself
    chain: tuple[str, ...] = ()  # the steps that it follows from, the nearest first
    root: str = ""  # what differs in the last of the chain
    others: int = 0  # further steps that differ by themselves and lead here
    place: str = ""  # the line of the spec that asks for what differs


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `+ corpus.notes  5 steps  12k rows  never run`."""

    sign: str
    name: str
    number: str = ""
    amount: str = ""
    text: str = ""
    below: tuple[str, ...] = ()  # further lines, indented


def block_of(address: str) -> str:
    """The block that a step belongs to: `corpus.notes` of `corpus.notes.keep`."""
    return ".".join(address.split(".")[:2])


def folded(entries: Sequence[Entry], plain: frozenset[str], amounts: dict[str, str]) -> list[Line]:
    """A line for each block and what happens to it; `plain` are reasons that need no line of their own."""
    lines = []
    for block in dict.fromkeys(block_of(entry.address) for entry in entries):
        mine = [entry for entry in entries if block_of(entry.address) == block]
        changed = [entry for entry in mine if set(entry.own) - plain]
        rest = [entry for entry in mine if entry not in changed]
        amount = amounts.get(block, "")
        lines += [_line(entry, amount if entry.address == block else "") for entry in changed]
        for sign, reason in dict.fromkeys((entry.sign, entry.own) for entry in rest):
            group = [entry for entry in rest if (entry.sign, entry.own) == (sign, reason)]
            lines.append(_group(block, group, amount))
            amount = ""
    return lines


def _line(entry: Entry, amount: str) -> Line:
    return Line(
        sign=entry.sign,
        name=entry.address,
        amount=amount,
        text="; ".join(entry.own) or chain_text(entry),
        below=(entry.place,) if entry.place else (),
    )


def _group(block: str, group: Sequence[Entry], amount: str) -> Line:
    first = min(group, key=lambda entry: len(_blocks(entry, block)))
    if len(group) == 1:
        return Line(sign=first.sign, name=first.address, amount=amount, text=_reason(first, block))
    return Line(sign=first.sign, name=block, number=f"{len(group)} steps", amount=amount, text=_reason(first, block))


def _reason(entry: Entry, block: str) -> str:
    return "; ".join(entry.own) or chain_text(entry, _blocks(entry, block))


def _blocks(entry: Entry, block: str) -> tuple[str, ...]:
    """The chain by blocks, but for its last step, which says what to look at."""
    *way, root = entry.chain or ("",)
    names = [name for name in dict.fromkeys(map(block_of, way)) if name not in {block, block_of(root)}]
    return (*names, root) if root else ()


def chain_text(entry: Entry, chain: Sequence[str] | None = None) -> str:
    """As in `← stage.learn.pack ← mixture.knowledge ← corpus.notes.keep: its SQL changed`."""
    names = list(entry.chain if chain is None else chain)
    reason = f": {_short(entry.root)}" if entry.root else ""
    others = f", and {entry.others} other {'cause' if entry.others == 1 else 'causes'}" if entry.others else ""
    return "".join(f"← {name} " for name in names).rstrip() + reason + others


def _short(reason: str) -> str:
    """The gist of a reason, which stands whole at the step itself."""
    gist = reason.partition(";")[0].partition(": ")[0]
    return gist if len(gist) <= GIST else f"{gist[: GIST - 1]}…"


def whole(entries: Sequence[Entry], amounts: dict[str, str]) -> list[Line]:
    """A line for each step."""
    return [_line(entry, amounts.get(entry.address, "")) for entry in entries]


def show(lines: Sequence[Line]) -> list[str]:
    """The lines with their columns aligned, none wider than the page."""
    name = min(max((len(line.name) for line in lines), default=0), LONGEST)
    number = max((len(line.number) for line in lines), default=0)
    amount = max((len(line.amount) for line in lines), default=0)
    shown = []
    for line in lines:
        head = f"{line.sign} {line.name:<{name}}"
        head += f"  {line.number:>{number}}" if number else ""
        head += f"  {line.amount:<{amount}}" if amount else ""
        indent = " " * (len(head) + 2)
        texts = [f"{head}  ", *_wrapped(line.text, WIDTH - len(indent))]
        texts[:2] = [texts[0] + texts[1]]
        if len(texts) > MANY:
            texts, indent = [head, *_wrapped(line.text, WIDTH - 4)], "    "
        shown.append(painted(texts[0].rstrip(), line.sign))
        shown += [painted(f"{indent}{text}", line.sign) for text in texts[1:]]
        shown += [faint(f"    {clipped(text, WIDTH - 4)}") for text in line.below]
    return shown


def _wrapped(text: str, width: int) -> list[str]:
    """Chains break before their arrows, texts between words."""
    glued = text.replace("← ", "←\u00a0")
    lines = textwrap.wrap(glued, max(width, 30), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines] or [""]


def clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def between(name: str, before: str | None, after: str | None) -> str:
    """`budget: 700k tokens → 800k tokens`; of long values the part that differs, with some of what is around it."""
    old, new = ("none" if value is None else _on_one_line(value) for value in (before, after))
    room = (WIDTH - 4 - len(name) - len(":  → ")) // 2
    same = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, same - CONTEXT) if max(len(old), len(new)) > room else 0
    shown = [clipped(("…" if start else "") + value[start:], room) for value in (old, new)]
    return f"{name}: {shown[0]} → {shown[1]}"


def _on_one_line(value: str) -> str:
    """A value of several lines as one could write it in one: entries of a map or a list between commas.

    What stands in a string stays as it is, but that one of several lines has a space where its lines break.
    """
    text, opened = "", ""
    tokens = _TOKEN.findall(value.strip())
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if not token.isspace():
            text += " ".join(token.split()) if "\n" in token else token
            opened = opened + token if token in _BRACKETS else opened[:-1] if token in _BRACKETS.values() else opened
        elif "\n" not in token:
            text += " "
        elif not (text.endswith("(") or following == ")"):
            entry = opened.endswith(("{", "[")) and not text.endswith(("{", "[", ",")) and following not in ("}", "]")
            text += ", " if entry else " "
    return text


def paragraph(text: str, *, first: str = "", then: str = "") -> list[str]:
    """A text in lines of the page."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )


def columns(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> list[str]:
    """A table; the first `left` columns are names, the others figures, which stand to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    used = [at for at in range(len(head)) if any(row[at] for row in cells[1:])]
    widths = {at: max(len(row[at]) for row in cells) for at in used}
    return [
        "  ".join(f"{row[at]:<{widths[at]}}" if at < left else f"{row[at]:>{widths[at]}}" for at in used).rstrip()
        for row in cells
    ]


def coloured() -> bool:
    """Whether a person reads this on a terminal and wants colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def painted(text: str, sign: str) -> str:
    return click.style(text, fg=COLOURS[sign]) if sign in COLOURS and coloured() else text


def faint(text: str) -> str:
    return click.style(text, dim=True) if coloured() else text


def strong(text: str) -> str:
    return click.style(text, bold=True) if coloured() else text
