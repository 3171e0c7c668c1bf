"""Why the parser stopped: the habit behind a mistake, in words, and how to read on.

`HABITS` are asked in order; the first that recognises the place names the mistake and may know a repair of the same
length. What none of them knows is told by what the grammar would have accepted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from structdsl.diagnostics.diagnostic import Diagnostic, Edit
from structdsl.diagnostics.suggest import misspelt
from structdsl.syntax import messages
from structdsl.syntax.nesting import TOP, Item, Nesting
from structdsl.syntax.outline import MARK
from structdsl.syntax.tree import Span

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
VALUE_MISSING = re.compile(rf"({NAME}[ \t]*[=:])[ \t\r]*(?:#[^\n]*)?\n\s*{NAME}\s*\Z")
DASH = re.compile(r"-[ \t]+[A-Za-z_\"]")
CONTINUATION = re.compile(r"[{+\-*/:=.,]|extends\b")
ADDRESS = re.compile(rf"(?:{NAME}\.?)*")
BLANKS = re.compile(r"[ \t]*")
SPACE = re.compile(r"[ \t\r\n]*")
LONE_NAME = re.compile(rf"[\n{{,][ \t]*{NAME}(?:[ \t]+{NAME})?\Z")
LANGUAGE = re.compile(r"language[ \t]*[:=]?[ \t]*\"?(1)\"?[ \t\r]*$", re.MULTILINE)
IMPORT = re.compile(rf"import[ \t]+\"(?:[^\"\n]*[/:])?({NAME})(?:\.adapt)?\"(?=[ \t\r]*$)", re.MULTILINE)
ELLIPSIS = "…".encode().decode("latin-1")  # as the text is read
INVISIBLE = {"Zs", "Cf", "Cc", "Zl", "Zp"}
WORDS = {
    "EQUAL": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "NAME": "a name",
    "STRING": "a string",
    "NUMBER": "a number",
    "AS": "`as`",
    "_NL": "a new line",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """The place where the parser stopped."""

    text: str
    span: Span  # the token that it could not use
    kind: str  # the type of that token; "" where the letters are no token at all
    previous: int  # where the token before it ends
    accepts: frozenset[str]  # the types of token that it could have used
    nesting: Nesting

    @property
    def item(self) -> Item:
        return self.nesting.item(self.span.start)

    @property
    def inside(self) -> str:
        """What is around it: the "top" level, the "body" of a block, a "map", a "list" or a "call"."""
        opener = self.nesting.enclosing(self.span.start)
        if opener == TOP:
            return "top"
        if self.text[opener] == "{":
            return "body" if re.search(r"[A-Za-z0-9_][ \t\r\n]*\Z", self.text[max(opener - 200, 0) : opener]) else "map"
        return "list" if self.text[opener] == "[" else "call"

    @property
    def found(self) -> str:
        return self.text[self.span.start : self.span.end]

    @property
    def before(self) -> str:
        """The item up to this place."""
        return self.text[self.item.start : self.span.start].lstrip(" \t\r\n")

    @property
    def begins_line(self) -> bool:
        """Whether this is a line break, or the first word after one."""
        line = self.text[self.text.rfind("\n", 0, self.span.start) + 1 : self.span.start]
        return self.kind == "_NL" or not line.strip()


@dataclass(frozen=True, slots=True)
class Mistake:
    """What to say, and the text to put in place of a span of equal length; none where the item cannot be saved."""

    diagnostic: Diagnostic
    repairs: tuple[tuple[int, str], ...] = ()
    at: int | None = None  # where the damage is, if not where the parser stopped


def explain(stop: Stop) -> Mistake:
    """The mistake behind a stop of the parser."""
    for habit in HABITS:
        if mistake := habit(stop):
            return mistake
    return Mistake(_generic(stop))


# ── habits ──────────────────────────────────────────────────────────────────────────────────────────────────────


def head_of_file(stop: Stop) -> Mistake | None:
    """`language "1"`, `import "x"` without a name."""
    match = re.match(r"(language|import)\b(?!\s*\w+[\s:{])", stop.before + stop.found)
    if stop.inside != "top" or not match or "\n" in stop.before:
        return None
    start = stop.span.start - len(stop.before)
    fixes: tuple[Edit, ...] = ()
    if match[1] == "language":
        if meant := LANGUAGE.match(stop.text, start):
            fixes = (Edit(span=Span(start, meant.end()), text=f"language {meant[1]}"),)
        return Mistake(messages.language_form(_place(stop), fixes, short=stop.kind == "_NL"))
    if meant := IMPORT.match(stop.text, start):
        fixes = (Edit(span=Span(meant.end(), meant.end()), text=f" as {meant[1]}"),)
    return Mistake(messages.import_form(_place(stop), fixes, short=stop.kind == "_NL"))


def misspelt_head(stop: Stop) -> Mistake | None:
    """`langauge 1`."""
    match = re.fullmatch(rf"({NAME})[ \t]+", stop.before)
    if stop.inside != "top" or stop.kind != "NUMBER" or not match or not misspelt(match[1], "language"):
        return None
    start = stop.span.start - len(stop.before)
    return Mistake(messages.language_misspelt(Span(start, start + len(match[1])), match[1]))


def dash_list(stop: Stop) -> Mistake | None:
    """YAML's `- corpus.web`."""
    if stop.kind == "MINUS" and stop.begins_line and DASH.match(stop.text, stop.span.start):
        return Mistake(messages.dash_list(stop.span))
    return None


def line_break(stop: Stop) -> Mistake | None:
    """`{` on a line of its own, an expression broken before its operator."""
    if not stop.begins_line:
        return None
    at = stop.span.start
    if stop.kind == "_NL":
        at = _next_word(stop.text, stop.span.end)
    elif stop.kind not in {"PLUS", "MINUS", "STAR", "SLASH", "COLON", "EQUAL", "DOT", "COMMA", "LBRACE"}:
        return None
    match = CONTINUATION.match(stop.text, at)
    start = len(stop.text[:at].rstrip(" \t\r\n"))
    if not match or (stop.kind == "_NL" and match[0] != "extends" and match[0] not in "{:=") or start == 0:
        return None
    if stop.text[start - 1] in "{},;" or (
        match[0] in "=:" and not LONE_NAME.search(stop.text[max(start - 200, 0) : start])
    ):
        return None
    return _joined(stop.text, start, Span(at, match.end()), match[0])


def _joined(text: str, end: int, span: Span, what: str) -> Mistake:
    """`what` belongs to the line above, which ends at `end`; a comment there stays behind it."""
    begin = text.rfind("\n", 0, end) + 1
    comment = next((mark.start() for mark in MARK.finditer(text, begin, end) if mark.lastgroup == "comment"), end)
    code = begin + len(text[begin:comment].rstrip(" \t"))
    if code == end and what not in "+-*/":
        fixes = (Edit(span=Span(end, span.start), text=" "),)
        return Mistake(messages.broken_line(span, what, fixes), ((end, " " * (span.start - end)),))
    after = BLANKS.match(text, span.end)
    moved = (
        Edit(span=Span(code, code), text=f" {what}"),
        Edit(span=Span(span.start, after.end() if after else span.end), text=""),
    )
    return Mistake(messages.broken_line(span, what, moved), ((code, f" {what}".ljust(span.end - code)),))


def value_missing(stop: Stop) -> Mistake | None:
    """`source =` and nothing after it: the line break was passed over, and the next item read as its value."""
    if stop.kind not in {"EQUAL", "LBRACE", "COLON", "NAME"} or stop.inside not in {"body", "map", "top"}:
        return None
    begin = max(stop.span.start - 500, 0)
    match = VALUE_MISSING.search(stop.text[begin : stop.span.start])
    if not match:
        return None
    at = begin + match.end(1)
    return Mistake(messages.missing(Span(at, at), "a value", _last_words(match[1])), at=at - 1)


def quoted_name(stop: Stop) -> Mistake | None:
    """JSON's `"role": "domain"`."""
    if stop.inside != "body" or stop.kind != "STRING" or stop.before:
        return None
    match = re.compile(rf'"({NAME})"[ \t]*([:=]?)').match(stop.text, stop.span.start)
    if not match:
        return None
    bare = (stop.span.start, f" {match[1]} ")
    if match[2] == ":":
        colon = Span(match.start(2), match.end(2))
        return Mistake(messages.equals_here(colon, match[1], quoted=stop.span), (bare, (colon.start, "=")))
    return Mistake(messages.quoted_name(stop.span, match[1]), (bare,) if match[2] else ())


def colon_for_equals(stop: Stop) -> Mistake | None:
    """YAML's `role: domain`."""
    match = re.match(rf"({NAME})[ \t]*(:)", stop.before)
    if stop.inside != "body" or not match:
        return None
    colon = stop.span.start - len(stop.before) + match.start(2)
    return Mistake(messages.equals_here(Span(colon, colon + 1), match[1]), ((colon, "="),))


def equals_for_colon(stop: Stop) -> Mistake | None:
    """`{ corpus.web = 20% }`."""
    if stop.inside == "map" and stop.kind == "EQUAL" and "COLON" in stop.accepts:
        return Mistake(messages.colon_here(stop.span), ((stop.span.start, ":"),))
    return None


def colon_in_call(stop: Stop) -> Mistake | None:
    """`minhash(ngram: 5)`."""
    match = re.search(rf"({NAME})[ \t]*\Z", stop.text[stop.item.start : stop.span.start])
    if stop.inside == "call" and stop.kind == "COLON" and match:
        return Mistake(messages.equals_here(stop.span, match[1]), ((stop.span.start, "="),))
    return None


def map_without_equals(stop: Stop) -> Mistake | None:
    """`weights { corpus.web: 20% }`."""
    if stop.inside != "body" or stop.kind not in {"DOT", "NUMBER", "STRING"}:
        return None
    if not re.fullmatch(rf"(?:{NAME})?\s*" if stop.kind == "DOT" else r"\s*", stop.before):
        return None  # a pair begins with its key
    brace = stop.nesting.enclosing(stop.span.start)
    match = re.search(rf"(?:\A|[\n,{{])[ \t]*({NAME})([ \t]*)\Z", stop.text[max(brace - 200, 0) : brace])
    if not match:
        return None
    mistake = messages.map_without_equals(Span(brace, brace + 1), match[1])
    return Mistake(mistake, ((brace - 1, "="),) if match[2] else ())


def block_with_equals(stop: Stop) -> Mistake | None:
    """`corpus notes = { … }`."""
    match = re.match(rf"({NAME})[ \t]+{NAME}[ \t]*\Z", stop.before)
    if stop.kind != "EQUAL" or not match or not re.compile(r"=[ \t]*\{").match(stop.text, stop.span.start):
        return None
    return Mistake(messages.block_with_equals(stop.span, match[1]), ((stop.span.start, " "),))


def missing_equals(stop: Stop) -> Mistake | None:
    """`role domain`."""
    if stop.inside != "body":
        return None
    match = re.match(rf"({NAME})([ \t]+)(.*)\Z", stop.before + ("" if stop.kind == "_NL" else stop.found), re.DOTALL)
    if not match or not re.match(rf"(?:{NAME}[.(]?|sql[ \t]+\".*|[0-9\"\[].*)\s*\Z", match[3], re.DOTALL):
        return None
    if stop.kind not in {"_NL", "NUMBER", "STRING", "RAW", "BLOCK_STRING", "LSQB", "LPAR", "COMMA", "DOT"}:
        return None
    start = stop.span.start - len(stop.before)
    gap = Span(start + match.end(1), start + match.end(2))
    value = match[3].split("\n")[0].strip()
    if stop.kind == "DOT" and (rest := ADDRESS.match(stop.text, stop.span.end)):
        value += rest[0]
    value += {"[": f"{ELLIPSIS}]", "(": f"{ELLIPSIS})"}.get(value[-1:], "")
    name_at = Span(start, start + len(match[1]))
    return Mistake(messages.missing_equals(name_at, gap, match[1], value), ((gap.start, "=".ljust(len(match[2]))),))


def outside_of_block(stop: Stop) -> Mistake | None:
    """`budget = 5M` at the top level."""
    if stop.inside == "top" and stop.kind == "EQUAL" and re.fullmatch(rf"{NAME}\s*", stop.before):
        name = stop.before.strip()
        start = stop.span.start - len(stop.before)
        return Mistake(messages.outside_of_block(Span(start, start + len(name)), name))
    return None


def character(stop: Stop) -> Mistake | None:
    """Letters that begin no token."""
    if stop.kind:
        return None
    start = stop.span.start
    raw = stop.text[start : start + 4].encode("latin-1")
    letter = raw.decode(errors="ignore")[:1] or raw[:1].decode("latin-1")
    width = len(letter.encode())
    hidden = unicodedata.category(letter) in INVISIBLE
    name = f"U+{ord(letter):04X}" + (f" ({unicodedata.name(letter, 'no name').lower()})" if hidden else "")
    help_ = "remove it; it cannot be seen" if hidden else None
    if letter == "$":
        help_ = "`${…}` is read inside strings; elsewhere a param is plain `param.x`"
    elif letter.isalpha():
        help_ = "names are written in the letters a–z, digits and `_`; other text stands in quotes"
    span = Span(start, start + width)
    fixes = (Edit(span=span, text=" " if unicodedata.category(letter) == "Zs" else ""),) if hidden else ()
    mistake = messages.character(span, name if hidden else f"`{letter}`", help_, fixes)
    return Mistake(mistake, ((start, " " * width),) if hidden else ())


HABITS: tuple[Callable[[Stop], Mistake | None], ...] = (
    character,
    head_of_file,
    misspelt_head,
    value_missing,
    dash_list,
    quoted_name,
    line_break,
    colon_for_equals,
    equals_for_colon,
    colon_in_call,
    map_without_equals,
    block_with_equals,
    missing_equals,
    outside_of_block,
)


# ── what the grammar would have accepted ────────────────────────────────────────────────────────────────────────


def _generic(stop: Stop) -> Diagnostic:
    expected = _expected(stop.accepts)
    previous = _last_words(stop.text[max(stop.previous - 40, 0) : stop.previous])
    broken = "\n" in stop.text[stop.previous : stop.span.start] and previous[-1:] in {*"=:.+-*/"}
    if previous and (stop.kind == "_NL" or broken):
        return messages.missing(Span(stop.previous, stop.previous), expected, previous)
    return messages.unexpected(_place(stop), _found(stop), expected, _obvious(stop, expected))


def _obvious(stop: Stop, expected: str) -> tuple[Edit, ...]:
    """The repair of a comma too many, and of a pair without its `:`."""
    if stop.kind == "COMMA" and stop.text[: stop.previous].endswith(","):
        return (Edit(span=stop.span, text=""),)
    if stop.inside == "map" and expected == "`:`" and stop.span.start > stop.previous:
        return (Edit(span=Span(stop.previous, stop.previous), text=":"),)
    return ()


def _found(stop: Stop) -> str:
    if stop.kind == "_NL":
        return "the end of the line"
    text = messages.shown(stop.found.split("\n")[0])
    if stop.kind == "$END" or not text:
        return "the end of the file"
    if stop.kind in {"STRING", "RAW", "BLOCK_STRING"}:
        return "a string"
    return f"`{text}`" if len(text) <= 30 else f"`{text[:29]}…`"


def _expected(accepts: frozenset[str]) -> str:
    if {"NUMBER", "STRING", "LSQB"} <= accepts:
        return "a value or `)`" if "RPAR" in accepts else "a value or `]`" if "RSQB" in accepts else "a value"
    if "PARAM" in accepts:
        return "a declaration"
    if "AT" in accepts:
        return "an attribute or a block"
    if {"NAME", "STRING", "NUMBER"} <= accepts and "EQUAL" not in accepts and "PLUS" not in accepts:
        return "a key"
    listed = [word for kind, word in WORDS.items() if kind in accepts]
    if "PLUS" in accepts and len(listed) > 1 and "NAME" in accepts:
        listed.remove("a name")  # a unit may follow a number; nobody is looking for it here
    if not listed:
        return "the end of the item"
    return listed[0] if len(listed) == 1 else ", ".join(listed[:-1][:3]) + " or " + listed[-1]


def _place(stop: Stop) -> Span:
    """The token, but no more of it than stands on its line."""
    if stop.kind == "_NL":
        return Span(stop.previous, stop.previous)
    line = stop.found.split("\n")[0].rstrip("\r")
    return Span(stop.span.start, stop.span.start + len(line))


def _next_word(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def _last_words(text: str) -> str:
    """The last token of a text or, for a mark, with the name before it: `source =`."""
    match = re.search(rf"(?:{NAME}[ \t]*)?[^\sA-Za-z0-9_]\Z|[A-Za-z0-9_%]+\Z", text.rstrip())
    return match[0] if match else ""
