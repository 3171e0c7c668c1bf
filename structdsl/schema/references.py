"""References to blocks, and to the tables that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from structdsl.diagnostics import Edit, nearest_address, readdressing
from structdsl.schema.reader import ERROR, Reader
from structdsl.schema.tables import INNER_TABLES, OTHER_KINDS, PROMISED_TABLES, RECORDS
from structdsl.syntax.tree import Expression, Reference, Text


@dataclass(frozen=True, slots=True)
class RefTo:
    """A reference to a block of one of some kinds, or to one of its tables; its value is the address or the name.

    `tables` are the suffixes that are welcome: `RefTo(("corpus",), tables=("heldout",))` reads `corpus.web_heldout`.
    """

    kinds: tuple[str, ...]
    tables: tuple[str, ...] = ()

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Text) and value.value in at.blocks and value.value.partition(".")[0] in self.kinds:
            at_home = at.source.index(value.span.start) == 0  # elsewhere names have another spelling
            fixes = at.unquoted(value) if at_home else ()
            return at.mismatch(self, value, (f"references are written without quotes: `{value.value}`",), fixes)
        if not isinstance(value, Reference):
            return at.mismatch(self, value)
        address = str(value)
        schema, _, name = address.partition(".")
        if self.tables and schema in OTHER_KINDS and f"{OTHER_KINDS[schema]}.{name}" in at.blocks:
            return address
        if address in at.blocks:
            if value.parts[0] in self.kinds:
                return address
            return at.report(
                "E0301", f"`{at.attribute}` expects {self.describe()}", value.span, f"this is a {value.parts[0]}"
            )
        return self._unknown(value, at)

    def _unknown(self, value: Reference, at: Reader) -> Any:
        address = str(value)
        if len(value.parts) > 2 and value.parts[1] in self.kinds:  # imports that are there were resolved before
            helps = ('import it first: `import "./lib/….adapt" as …`',)
            message = f"unknown import `{value.parts[0]}`"
            return at.report("E0211", message, value.span, "no import of this name", helps=helps)
        owner, suffix = _owner(address, at)
        if owner is not None:
            kind = owner.partition(".")[0]
            if suffix in self.tables and suffix in PROMISED_TABLES.get(kind, ()) and kind in self.kinds:
                return address
            if suffix in (*PROMISED_TABLES.get(kind, ()), *INNER_TABLES.get(kind, ())):
                return at.report(
                    "E0301",
                    f"`{at.attribute}` expects {self.describe()}",
                    value.span,
                    f"this is a table of `{owner}`",
                    helps=(f"write `{owner}`",) if kind in self.kinds and not self.tables else (),
                )
        if value.parts[0] in RECORDS and len(value.parts) == 2:
            message = f"`{address}` is a record of runs"
            helps = (f'ask with `structdsl query "FROM {address}"`',)
            notes = ("no step makes it: it grows while the steps run",)
            return at.report("E0301", message, value.span, "not a table of the spec", notes=notes, helps=helps)
        kind = value.parts[0] if len(value.parts) > 1 else self.kinds[0]
        same = [known for known in at.blocks if known.partition(".")[0] in self.kinds]
        tables = [f"{b}_{s}" for b in same for s in self.tables if s in PROMISED_TABLES.get(b.partition(".")[0], ())]
        wanted = address if len(value.parts) > 1 else f"{self.kinds[0]}.{address}"
        found = nearest_address(wanted, same + tables) or nearest_address(wanted, list(at.blocks))
        if (at.damaged and not found) or _strange(value, at):
            return ERROR
        names = " or ".join(f"`{name}`" for name in found)
        known_kind = kind if kind in {name.partition(".")[0] for name in at.blocks} | set(self.kinds) else "block"
        what = "table" if found and found[0] in tables else known_kind
        similar = "table" if found and found[0] in tables else found[0].partition(".")[0] if found else ""
        return at.report(
            "E0201",
            f"unknown {what} `{value.parts[-1]}`",
            value.span,
            f"no {what} of this name",
            helps=(f"a {similar} with a similar name exists: {names}",) if found else (),
            fixes=self._respelt(value, wanted, found, at),
        )

    @staticmethod
    def _respelt(value: Reference, wanted: str, found: list[str], at: Reader) -> tuple[Edit, ...]:
        if not found or found[0] in at.beside:
            return ()
        owner, suffix = (found[0], "") if found[0] in at.blocks else _owner(found[0], at)
        if owner is None:
            return ()
        name = at.blocks[owner].block.name
        span = name.span if name is not None else None
        return readdressing(at.source, value.span, wanted, found, span, suffix and f"_{suffix}")

    def describe(self) -> str:
        kinds = " or ".join(f"`{kind}.…`" for kind in self.kinds)
        return f"{kinds}, or one of its tables" if self.tables else kinds


def _strange(value: Reference, at: Reader) -> bool:
    """Whether a name is that of a block of an unknown kind, or of one of its tables."""
    name = value.parts[-1]
    return name in at.strangers or any(name.startswith(f"{other}_") for other in at.strangers)


def _owner(address: str, at: Reader) -> tuple[str | None, str]:
    """The block that a table belongs to, and the table's suffix; the longest name wins."""
    stem, suffix = address, ""
    while "_" in stem:
        stem, _, last = stem.rpartition("_")
        suffix = f"{last}_{suffix}" if suffix else last
        if stem in at.blocks:
            return stem, suffix
    return None, ""
