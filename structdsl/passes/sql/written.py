"""SQL as it was written: where each of its characters stands in the spec, and what its `${…}` stand for.

While DuckDB reads the text, a hole is a placeholder of the same length: a parameter for a value, a quoted name for a
table. Only where the syntax tree has the placeholder in the place of a value or of a relation is it filled, so that no
text of a param or a name can ever become a part of the syntax.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from structdsl.diagnostics import Edit, Sink, respelling, text_at
from structdsl.passes.finding import Finding
from structdsl.passes.sql.engine import Engine, Fault, nodes, quoted
from structdsl.passes.sql.meaning import Node
from structdsl.syntax.tree import Span, Sql
from structdsl.unit import Unit

HOLE = re.compile(r"\$\{([^}]*)\}")
_ESCAPED = frozenset('"\\\n\t\r')  # characters that a string may write with two
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Hole:
    """A `${…}` in a text; `name` is dotted."""

    name: str
    start: int
    end: int
    placeholder: str

    @property
    def text(self) -> str:
        return f"${{{self.name}}}"

    @property
    def is_value(self) -> bool:
        return self.name.startswith("param.")

    @property
    def identifier(self) -> str:
        """The placeholder of a relation as a syntax tree has it."""
        return self.placeholder[1:-1]


@dataclasses.dataclass(slots=True)
class Written:
    sql: Sql
    unit: Unit
    sink: Sink
    engine: Engine
    before: int = 0  # bytes that DuckDB's syntax trees count in front of the text
    text: str = ""
    origins: tuple[int, ...] = ()  # of each character of `text` in the spec, and of its end
    filled: set[int] = dataclasses.field(default_factory=set)  # origins of holes that have been filled
    reported: bool = False

    def __post_init__(self) -> None:
        self.text, self.origins = self.sql.text.value, self.sql.text.origins

    # ── holes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def holes(self) -> list[Hole] | None:
        """The holes; none after a report of one that names nothing."""
        found, fine = list[Hole](), True
        for number, match in enumerate([] if self.sql.text.raw else HOLE.finditer(self.text)):
            name, length = match[1].strip(), len(match[0])
            if not _NAME.fullmatch(name):
                helps = ("write `${corpus.name}` for a table, `${param.name}` for a value",)
                message = f"`{match[0]}` names neither a table nor a param"
                self.report("E0201", message, "no such name", match.span(), helps=helps)
                fine = False
                continue
            value = f" $h{number}".ljust(length)
            placeholder = value if name.startswith("param.") else f'"{f"${number}".ljust(length - 2, "_")}"'
            found.append(Hole(name, *match.span(), placeholder))
        return found if fine else None

    def with_placeholders(self, holes: Iterable[Hole]) -> str:
        text = self.text
        for hole in holes:
            text = text[: hole.start] + hole.placeholder + text[hole.end :]
        return text

    def values(self, holes: Iterable[Hole]) -> dict[Hole, str] | None:
        """The literal of each hole that is a value; none where one has no value, which was reported before."""
        literals = {hole: _literal(hole.name, self.unit) for hole in holes if hole.is_value}
        known = {hole: f" {literal} " for hole, literal in literals.items() if literal is not None}
        return known if len(known) == len(literals) else None

    def misplaced_value(self, holes: Iterable[Hole], fault: Fault) -> bool:
        """Whether DuckDB cannot parse the text because no value fits where one stands, which is reported."""
        for hole in holes:
            if hole.is_value and fault.start == len(self.text[: hole.start].encode()) + 1:
                self.report("E0601", "SQL cannot be parsed", "no value fits here", (hole.start, hole.end))
                return True
        return False

    def values_in_place(self, holes: Iterable[Hole], tree: Node) -> bool:
        """Whether each value stands where SQL takes one; each that does not is reported."""
        places = {len(self.text[: hole.start].encode()) + 1: hole for hole in holes if hole.is_value}
        for node, _ in nodes(tree):
            if node["class"] == "PARAMETER":
                places.pop(node["query_location"] - self.before, None)
        for hole in places.values():
            self.report(
                "E0604",
                f"`{hole.text}` is a value, and does not stand inside quotes or a comment",
                "not a value here",
                (hole.start, hole.end),
                helps=("write it without the quotes: a param of type string brings its own",),
            )
        return not places

    def fill(self, texts: Mapping[Hole, str]) -> None:
        """Put these texts in the place of their holes; their characters come from where the hole stands."""
        text, origins, end = "", list[int](), 0
        for hole, inserted in texts.items():
            text += self.text[end : hole.start] + inserted
            origins += [*self.origins[end : hole.start], *[self.origins[hole.start]] * len(inserted)]
            self.filled.add(self.origins[hole.start])
            end = hole.end
        self.text, self.origins = text + self.text[end:], (*origins, *self.origins[end:])

    def mute(self, start: int, end: int) -> None:
        """Put NULL in the place of what was reported, so that DuckDB looks at the rest."""
        self.fill({Hole("", start, end, ""): " NULL "})

    # ── places ──────────────────────────────────────────────────────────────────────────────────────────────────

    def span(self, node: Node) -> tuple[int, int] | None:
        """Where a node stands in the text; none for one that DuckDB added."""
        start = node.get("query_location", -1) - self.before
        if not 0 <= start < len(self.text.encode()):
            return None
        return self.characters(start, node["query_location_length"])

    def characters(self, start: int, length: int) -> tuple[int, int]:
        """DuckDB counts bytes."""
        data = self.text.encode()
        first = len(data[:start].decode(errors="ignore"))
        return first, first + len(data[start : start + length].decode(errors="ignore").rstrip())

    def name_span(self, name: str, where: tuple[int, int] | None) -> tuple[int, int] | None:
        """The name that a reference begins with, without the fields that follow."""
        if where is None:
            return None
        length = len(quoted(name)) if self.text[where[0]] == '"' else len(name)
        return where[0], where[0] + length

    def report(
        self,
        code: str,
        message: str,
        label: str,
        where: tuple[int, int] | None = None,
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> None:
        """Report a stretch of the text, or all of it, at its place in the spec."""
        self.reported = self.reported or code.startswith("E")
        span = self.place(where)
        Finding(code, message, span, label, notes, helps, fixes=fixes).into(self.sink, self.unit.source)

    def place(self, where: tuple[int, int] | None) -> Span:
        """Where in the spec a stretch of the text, or all of it, was written."""
        if not self.text:
            return self.sql.text.span
        last = len(self.text)
        start, end = where or (0, last)
        start = min(start, last - 1)
        return Span(self.origins[start], self._end(max(start + 1, min(end, last))))

    def respelling(self, word: str, found: Sequence[str], where: tuple[int, int] | None) -> tuple[Edit, ...]:
        """The one name that is near a misspelt one, if the word stands there as such: unquoted, and of no param."""
        span = self.place(where)
        if where is None or text_at(self.unit.source, span).casefold() != word.casefold():
            return ()
        return respelling(span, word, [name if _PLAIN.fullmatch(name) else f'"{name}"' for name in found])

    def _end(self, end: int) -> int:
        """Where in the spec a stretch of the text ends: behind its last character, not before the next one."""
        origin, character = self.origins[end - 1], self.text[end - 1]
        if origin in self.filled or character in _ESCAPED:
            return self.origins[end]
        return min(self.origins[end], origin + len(character.encode()))


def _literal(name: str, unit: Unit) -> str | None:
    """The value of `param.x` as one literal of SQL; none where there is no such value."""
    assert unit.tree is not None
    types: Mapping[str, str] = {f"param.{param.name.text}": param.type.text for param in unit.tree.parameters}
    value = unit.parameters.get(name.removeprefix("param."))
    if name not in types or value is None:
        return None
    match types[name]:
        case "string":
            return "'" + value.replace("'", "''") + "'"
        case "bool":
            return value
        case "duration":
            return f"to_microseconds({int(value.removesuffix('ns')) // 1000})"
        case "ratio" if "." not in value:
            return f"{value}.0"
    number = value.partition(" ")[0]
    return f"({number})" if number.startswith("-") else number
