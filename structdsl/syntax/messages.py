"""Every message about text that cannot be read, side by side, so that they stay of one voice.

Each function makes a `Diagnostic` without its source; `report` adds that. Words of the spec arrive as the parser
sees them, one Latin-1 character a byte, and are shown as the text that they are.
"""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics.diagnostic import Diagnostic, Edit, Label, Sink
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Span

MOST = 100  # mistakes that are told of one file; a text with more of them is no spec
NAMES_OF_BRACKETS = {"(": "parenthesis", "[": "bracket", "{": "brace", ")": "parenthesis", "]": "bracket", "}": "brace"}


def report(sink: Sink, source: Source, diagnostic: Diagnostic) -> None:
    sink.add(dataclasses.replace(diagnostic, source=source))


def shown(text: str) -> str:
    """Text as the user wrote it, from one character a byte."""
    return text.encode("latin-1").decode(errors="replace")


# ── E0101: text that fits nowhere ───────────────────────────────────────────────────────────────────────────────


def unexpected(span: Span, found: str, expected: str, fixes: tuple[Edit, ...] = ()) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"expected {expected}, found {found}",
        labels=(Label(span=span, text=f"{expected} belongs here"),),
        fixes=fixes,
    )


def missing(gap: Span, expected: str, after: str) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"expected {expected} after `{shown(after)}`",
        labels=(Label(span=gap, text=f"{expected} belongs here"),),
    )


def missing_equals(span: Span, gap: Span, name: str, value: str) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"expected `=` after `{name}`",
        labels=(Label(span=span, text="`=` is missing"),),
        helps=(f"an attribute is set with `=`: `{name} = {shown(value)}`",),
        fixes=(Edit(span=gap, text=" = "),),
    )


def outside_of_block(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"`{name}` is set outside of a block",
        labels=(Label(span=span, text="no block is open here"),),
        helps=(f"attributes stand inside a block; a value for the whole file is `param {name}: … = …`",),
    )


def character(span: Span, text: str, help_: str | None, fixes: tuple[Edit, ...]) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"unexpected character {text}",
        labels=(Label(span=span, text="no part of the language"),),
        helps=(help_,) if help_ else (),
        fixes=fixes,
    )


def not_unicode(position: int) -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message="the text is not Unicode",
        notes=(f"character {position} is half of a surrogate pair",),
        helps=("save the file as UTF-8",),
    )


def too_many() -> Diagnostic:
    return Diagnostic(
        code="E0101",
        message=f"more than {MOST} mistakes; the rest of the file was not read",
        helps=("mend these first",),
    )


# ── E0102: brackets ─────────────────────────────────────────────────────────────────────────────────────────────


def unclosed(opener: Span, bracket: str, until: Span | None, until_text: str) -> Diagnostic:
    second = () if until is None else (Label(span=until, text=until_text, primary=False),)
    return Diagnostic(
        code="E0102",
        message=f"unclosed `{bracket}`",
        labels=(Label(span=opener, text="opened here"), *second),
    )


def stray(span: Span, bracket: str) -> Diagnostic:
    return Diagnostic(
        code="E0102",
        message=f"unexpected closing `{bracket}`",
        labels=(Label(span=span, text=f"no {NAMES_OF_BRACKETS[bracket]} is open here"),),
        fixes=(Edit(span=span, text=""),),
    )


def mismatched(opener: Span, closer: Span, bracket: str, found: str, fixes: tuple[Edit, ...] = ()) -> Diagnostic:
    return Diagnostic(
        code="E0102",
        message=f"`{bracket}` is closed by `{found}`",
        labels=(
            Label(span=closer, text=f"no {NAMES_OF_BRACKETS[found]} is open here"),
            Label(span=opener, text="opened here", primary=False),
        ),
        fixes=fixes,
    )


def too_deep(span: Span, limit: int) -> Diagnostic:
    return Diagnostic(
        code="E0102",
        message=f"brackets are nested more than {limit} deep",
        labels=(Label(span=span, text=f"the {limit + 1}th bracket that is open"),),
    )


# ── E0103, E0104: strings ───────────────────────────────────────────────────────────────────────────────────────


def open_string(span: Span) -> Diagnostic:
    return Diagnostic(
        code="E0103",
        message="a string is not closed",
        labels=(Label(span=span, text='no `"` closes it on this line'),),
        helps=('text of several lines stands between `"""`',),
    )


def open_block_string(span: Span) -> Diagnostic:
    return Diagnostic(
        code="E0103",
        message='a `"""` string is not closed',
        labels=(Label(span=span, text='no `"""` closes it'),),
    )


def escape(span: Span, text: str, *, pattern: bool) -> Diagnostic:
    helps = ['a backslash itself is written `\\\\`; the escapes are `\\"`, `\\\\`, `\\n`, `\\t`, `\\r` and `\\u{…}`']
    if pattern:
        helps.append('a pattern is best written as a raw string, `r"…"`, which knows no escapes')
    return Diagnostic(
        code="E0104",
        message=f"unknown escape `{shown(text)}`",
        labels=(Label(span=span, text="names no character"),),
        helps=tuple(helps),
        fixes=(Edit(span=Span(span.start, span.start), text="\\"),) if pattern else (),
    )


# ── E0105: numbers ──────────────────────────────────────────────────────────────────────────────────────────────


def loose_suffix(span: Span, number: str, suffix: str) -> Diagnostic:
    return Diagnostic(
        code="E0105",
        message=f"`{suffix}` stands apart from its number",
        labels=(Label(span=span, text="a space inside a number"),),
        helps=(f"write `{number}{suffix}`",),
        fixes=(Edit(span=span, text=f"{number}{suffix}"),),
    )


def unknown_suffix(span: Span, number: str, suffix: str, near: list[str]) -> Diagnostic:
    if near:
        helps = ("did you mean " + " or ".join(f"`{number}{suffix}`" for suffix in near) + "?",)
    else:
        helps = (f"a unit stands apart from its number: `{number} {suffix}`",)
    edit = f"{number}{near[0]}" if len(near) == 1 else f"{number} {suffix}" if not near else ""
    return Diagnostic(
        code="E0105",
        message=f"unknown suffix `{suffix}` of a number",
        labels=(Label(span=span, text="no suffix of this name"),),
        notes=("suffixes are `%`, k M B T, Ki Mi Gi, KB … TB, KiB … TiB, and ns us ms s min h d",),
        helps=helps,
        fixes=(Edit(span=span, text=edit),) if edit else (),
    )


def bare_dot(span: Span, text: str, better: str) -> Diagnostic:
    return Diagnostic(
        code="E0105",
        message=f"`{text}` is no number",
        labels=(Label(span=span, text="a digit is missing beside the dot"),),
        helps=(f"write `{better}`",),
        fixes=(Edit(span=span, text=better),),
    )


# ── E0106, E0107: the head of the file ──────────────────────────────────────────────────────────────────────────


def language_missing() -> Diagnostic:
    return Diagnostic(
        code="E0106",
        message="the edition of the language is missing",
        labels=(Label(span=Span(0, 0), text="`language 1` belongs here"),),
        helps=("let the file begin with `language 1`",),
        fixes=(Edit(span=Span(0, 0), text="language 1\n\n"),),
    )


def language_misspelt(span: Span, word: str) -> Diagnostic:
    return Diagnostic(
        code="E0106",
        message=f"unknown word `{word}` before the edition",
        labels=(Label(span=span, text="`language` belongs here"),),
        helps=("did you mean `language`?",),
        fixes=(Edit(span=span, text="language"),),
    )


def language_late(span: Span, fixes: tuple[Edit, ...]) -> Diagnostic:
    return Diagnostic(
        code="E0106",
        message="`language` must be the first line",
        labels=(Label(span=span, text="comes after something else"),),
        helps=("move it to the top of the file",),
        fixes=fixes,
    )


def language_form(span: Span, fixes: tuple[Edit, ...], *, short: bool) -> Diagnostic:
    return Diagnostic(
        code="E0106",
        message="the edition of the language cannot be read",
        labels=(Label(span=span, text="a number is missing here" if short else "unexpected here"),),
        helps=("write `language 1`, on a line of its own",),
        fixes=fixes,
    )


def language_unknown(span: Span, edition: str) -> Diagnostic:
    return Diagnostic(
        code="E0106",
        message=f"unknown edition `{edition}` of the language",
        labels=(Label(span=span, text="this compiler reads edition 1"),),
        fixes=(Edit(span=span, text="1"),),
    )


def import_form(span: Span, fixes: tuple[Edit, ...], *, short: bool) -> Diagnostic:
    return Diagnostic(
        code="E0107",
        message="an import cannot be read",
        labels=(Label(span=span, text="something is missing here" if short else "unexpected here"),),
        helps=('write `import "./lib/clinical.adapt" as clinical`',),
        fixes=fixes,
    )


def import_late(span: Span, fixes: tuple[Edit, ...]) -> Diagnostic:
    return Diagnostic(
        code="E0107",
        message="imports stand above all declarations",
        labels=(Label(span=span, text="comes after a declaration"),),
        helps=("move it up, right below `language 1`",),
        fixes=fixes,
    )


# ── E0108: line breaks ──────────────────────────────────────────────────────────────────────────────────────────


def broken_line(span: Span, what: str, fixes: tuple[Edit, ...]) -> Diagnostic:
    if what == "{":
        message, help_ = "`{` stands on a line of its own", "put `{` at the end of the line above"
    elif what in "+-*/":
        message = f"an expression is broken before `{what}`"
        help_ = f"break the line after `{what}`, or put the expression in parentheses"
    else:
        message, help_ = f"a line break stands before `{what}`", f"put `{what}` on the line above"
    return Diagnostic(
        code="E0108",
        message=message,
        labels=(Label(span=span, text="the line break before this ends the item"),),
        helps=(help_,),
        fixes=fixes,
    )


# ── E0109, E0110: habits from other languages ───────────────────────────────────────────────────────────────────


def equals_here(span: Span, name: str, *, quoted: Span | None = None) -> Diagnostic:
    fixes = [Edit(span=span, text=" =")]
    if quoted:
        fixes.append(Edit(span=quoted, text=name))
    return Diagnostic(
        code="E0109",
        message=f"`{name}` is set with `=`, not with `:`",
        labels=(Label(span=span, text="`=` belongs here"),),
        notes=("`=` sets what the language knows, `:` pairs what you name yourself in a map",),
        fixes=tuple(fixes),
    )


def colon_here(span: Span) -> Diagnostic:
    return Diagnostic(
        code="E0109",
        message="a pair of a map is written with `:`, not with `=`",
        labels=(Label(span=span, text="`:` belongs here"),),
        notes=("`=` sets what the language knows, `:` pairs what you name yourself in a map",),
        fixes=(Edit(span=span, text=":"),),
    )


def map_without_equals(brace: Span, name: str) -> Diagnostic:
    return Diagnostic(
        code="E0109",
        message=f"the map of `{name}` needs `=`",
        labels=(Label(span=brace, text="`=` belongs before this"),),
        helps=(f"write `{name} = {{ … }}`; without `=` the braces hold a block",),
        fixes=(Edit(span=Span(brace.start, brace.start), text="= "),),
    )


def block_with_equals(span: Span, kind: str) -> Diagnostic:
    return Diagnostic(
        code="E0109",
        message=f"a {kind} block is opened without `=`",
        labels=(Label(span=span, text="nothing belongs here"),),
        notes=("a block is `kind name { … }`; only an attribute has `=`",),
        fixes=(Edit(span=span, text=""),),
    )


def quoted_name(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        code="E0109",
        message="the name of an attribute stands without quotes",
        labels=(Label(span=span, text="a string"),),
        helps=(f"write `{name} = …`",),
        fixes=(Edit(span=span, text=name),),
    )


def single_quotes(span: Span, fixes: tuple[Edit, ...]) -> Diagnostic:
    return Diagnostic(
        code="E0110",
        message='a string stands in double quotes, `"…"`',
        labels=(Label(span=span, text="other quotes"),),
        fixes=fixes,
    )


def comment_mark(span: Span, text: str, *, last: bool) -> Diagnostic:
    """`last`: nothing but a line break comes after it."""
    mark = text[:2]
    fixes: tuple[Edit, ...] = ()
    if mark == "//":
        fixes = (Edit(span=Span(span.start, span.start + 2), text="#"),)
    elif last and "\n" not in text:
        fixes = (Edit(span=span, text=f"#{shown(text[2:-2]).rstrip()}"),)
    return Diagnostic(
        code="E0110",
        message=f"a comment begins with `#`, not with `{mark}`",
        labels=(Label(span=span, text="no comment"),),
        fixes=fixes,
    )


def bare_address(span: Span, address: str) -> Diagnostic:
    return Diagnostic(
        code="E0110",
        message="an address stands in double quotes",
        labels=(Label(span=span, text="no quotes around it"),),
        fixes=(Edit(span=span, text=f'"{address}"'),),
    )


def dash_list(span: Span) -> Diagnostic:
    return Diagnostic(
        code="E0110",
        message="a list is written in brackets, `[a, b]`",
        labels=(Label(span=span, text="no item begins with `-`"),),
    )


def semicolon(span: Span, *, last: bool) -> Diagnostic:
    return Diagnostic(
        code="E0110",
        message="`;` ends nothing here",
        labels=(Label(span=span, text="no part of the language"),),
        helps=("items end at a line break or at `,`",),
        fixes=(Edit(span=span, text="" if last else ","),),
    )
