"""Types of text that means something: paths on disk and in a taxonomy, patterns, secrets, local names, queries."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from structdsl.diagnostics import Edit
from structdsl.plan.addresses import FILE, database_of, has_no_path, mistaken_stars, other_host
from structdsl.schema.reader import ERROR, Reader, Type, choice_word
from structdsl.schema.scalars import String
from structdsl.syntax.tree import Call, Expression, Keyword, Sql, Text


@dataclass(frozen=True, slots=True)
class FilePath:
    """The path or glob of something on disk, relative to the file that declares it."""

    def read(self, value: Expression, at: Reader) -> Any:
        path = String(minimum=1).read(value, at)
        return path if path is ERROR else at.resolve(path, value.span)

    def describe(self) -> str:
        return "a path in double quotes"


@dataclass(frozen=True, slots=True)
class SourcePattern:
    """The path, glob or address of what is read as rows or documents, relative to the file that declares it."""

    is_table: bool = False  # whether it may be a table of a database, which is no pattern behind its `#`

    def read(self, value: Expression, at: Reader) -> Any:
        pattern = String(minimum=1).read(value, at)
        if pattern is ERROR or _is_elsewhere(pattern, value, at):
            return ERROR
        place = (database_of(pattern) if self.is_table else None) or pattern
        if (found := mistaken_stars(place)) is None:
            return at.resolve(pattern, value.span)
        part, patterns = found
        message = f"`**` crosses folders where it stands alone between two `/`, and not in `{part}`"
        meant = [f"{each}{pattern.removeprefix(place)}" for each in patterns]
        match meant:
            case [one]:
                help_ = f'write `"{one}"`'
            case [below, beside]:
                help_ = (
                    f'write `"{below}"` for all below folders of such names, `"{beside}"` for such names in all folders'
                )
            case _:
                help_ = "`*` is any part of one name: `a*b/**/*.md`"
        fixes = (Edit(span=value.span, text=f'"{meant[0]}"'),) if len(meant) == 1 and at.unquoted(value) else ()
        return at.report("E0303", message, value.span, "this would stay within a folder", helps=(help_,), fixes=fixes)

    def describe(self) -> str:
        return "a path in double quotes"


def _is_elsewhere(address: str, value: Expression, at: Reader) -> bool:
    """Whether it is a file of another machine, which is reported."""
    host, path = other_host(address), address.removeprefix(FILE)
    if host is None and not has_no_path(address):
        return False
    helps: tuple[str, ...] = ()
    if path:
        from_root = f"`{FILE}/{path}` is a path from the root of this machine, `{path}` one that is relative"
        helps = (f"write `{path}`" if path.startswith(("~", ".")) else from_root,)
    message = f"`{address}` is a file of the machine `{host}`" if host is not None else f"`{address}` has no path"
    at.report("E0303", message, value.span, "no file of this machine", helps=helps)
    return True


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A data set of the Hub, or a folder; one written as a path is relative to the file that declares it."""

    def read(self, value: Expression, at: Reader) -> Any:
        name = String(minimum=1).read(value, at)
        if name is not ERROR and _is_elsewhere(name, value, at):
            return ERROR
        return at.resolve(name, value.span, "./") if name is not ERROR and name.startswith(".") else name

    def describe(self) -> str:
        return "a name in double quotes"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, in the dialect of RE2; DuckDB says later whether it is one."""

    def read(self, value: Expression, at: Reader) -> Any:
        return String(minimum=1).read(value, at)

    def describe(self) -> str:
        return 'a regular expression, such as `r"\\d+ mg"`'


@dataclass(frozen=True, slots=True)
class NodePath:
    """The path of a node as the tables show it: slugs joined by `/`."""

    def read(self, value: Expression, at: Reader) -> Any:
        path = String(minimum=1).read(value, at)
        if path is ERROR:
            return ERROR
        wanted = "/".join(filter(None, map(slug, path.split("/"))))
        if path != wanted:
            helps = (f'write `"{wanted}"`',) if wanted else ()
            fixes = (Edit(span=value.span, text=f'"{wanted}"'),) if wanted and at.unquoted(value) else ()
            message = f"`{at.attribute}` expects slugs joined by `/`: letters, digits and `-`, in lower case"
            return at.report("E0303", message, value.span, "no path of a node", helps=helps, fixes=fixes)
        return path

    def describe(self) -> str:
        return 'the path of a node, such as `"heart/failure"`'


def slug(title: str) -> str:
    """`The Cell Cycle` as a part of a path: `the-cell-cycle`."""
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in unicodedata.normalize("NFKC", title).lower())
    return "-".join("".join(kept).split())


@dataclass(frozen=True, slots=True)
class Secret:
    """`secret("NAME")`: the name of an environment variable; what is in it never enters a spec or a plan."""

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Text):
            message = f"`{at.attribute}` expects {self.describe()}"
            helps = ('put it into an environment variable and write `secret("NAME")`',)
            return at.report("E0301", message, value.span, "a secret is not written into a spec", helps=helps)
        match value:
            case Call(name=called, arguments=(argument,)) if called.text == "secret" and argument.name is None:
                name = argument.value
                if not isinstance(name, Text):
                    return at.mismatch(self, name)
                if not _VARIABLE.fullmatch(name.value):
                    message = "a secret is called by the name of an environment variable"
                    return at.report("E0303", message, name.span, "no name of a variable")
                return name.value
        return at.mismatch(self, value)

    def describe(self) -> str:
        return '`secret("NAME")`'


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def bare(type_: Type, value: Expression, at: Reader) -> Any:
    """Report what should have been a bare name; a string that is one only has to lose its quotes."""
    helps = (f"write `{value.value}`",) if isinstance(value, Text) and value.value.isidentifier() else ()
    return at.mismatch(type_, value, helps=helps, fixes=at.unquoted(value) if helps else ())


@dataclass(frozen=True, slots=True)
class Word:
    """A bare name that is local to the block: a column of its table, a level, a task."""

    what: str = "a name, such as `path`"

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Keyword):
            return at.mismatch(self, value)
        return choice_word(value) or bare(self, value, at)

    def describe(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Query:
    """`sql \"\"\"SELECT …\"\"\"`: one query; analysed by a later pass, so its value is the tree's."""

    def read(self, value: Expression, at: Reader) -> Any:
        return value if isinstance(value, Sql) else at.mismatch(self, value)

    def describe(self) -> str:
        return '`sql """SELECT …"""`'


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """`"package.module:function"`."""

    def read(self, value: Expression, at: Reader) -> Any:
        name = String(minimum=1).read(value, at)
        if name is ERROR or _FUNCTION.fullmatch(name):
            return name
        message = f"`{at.attribute}` expects {self.describe()}"
        return at.report(
            "E0303", message, value.span, "names no function", helps=('write `"package.module:function"`',)
        )

    def describe(self) -> str:
        return "a function as `package.module:function`"


_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
