"""Types made of other values: references, lists, maps, alternatives, calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from structdsl.diagnostics import did_you_mean, nearest
from structdsl.schema.reader import ERROR, Error, Reader, Type, choice_word, kind_of, not_built
from structdsl.syntax.tree import Call, Expression, Mapping, Name, Reference, Sequence, Text


@dataclass(frozen=True, slots=True)
class RefTo:
    """A reference to a block of one of some kinds; its value is the block's address."""

    kinds: tuple[str, ...]

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Reference):
            return at.mismatch(self, value)
        address = str(value)
        if address in at.blocks:
            if value.parts[0] in self.kinds:
                return address
            return at.report(
                "E0301", f"`{at.attribute}` expects {self.describe()}", value.span, f"this is a {value.parts[0]}"
            )
        return self._unknown(value, at)

    def _unknown(self, value: Reference, at: Reader) -> Error:
        address = str(value)
        table = next((known for known in at.blocks if address.startswith(known + "_")), None)
        if table is not None:
            return not_built(f"a reference to the derived table `{address}`", value.span, at)
        kind = value.parts[0] if len(value.parts) > 1 else self.kinds[0]
        same = [known for known in at.blocks if known.partition(".")[0] in self.kinds]
        wanted = address if len(value.parts) > 1 else f"{self.kinds[0]}.{address}"
        found = nearest(wanted, same) or nearest(wanted, list(at.blocks))
        if at.damaged and not found:
            return ERROR
        names = " or ".join(f"`{name}`" for name in found)
        known_kind = kind if kind in {name.partition(".")[0] for name in at.blocks} | set(self.kinds) else "block"
        return at.report(
            "E0201",
            f"unknown {known_kind} `{value.parts[-1]}`",
            value.span,
            f"no {known_kind} of this name",
            helps=(f"a {found[0].partition('.')[0]} with a similar name exists: {names}",) if found else (),
        )

    def describe(self) -> str:
        return " or ".join(f"`{kind}.…`" for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Type

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Sequence):
            return at.mismatch(self, value)
        items = [self.item.read(item, at) for item in value.items]
        if ERROR not in items and _repeats(items, value, at):
            return ERROR
        if not items:
            return at.report("E0301", f"`{at.attribute}` expects at least one entry", value.span, "this list is empty")
        return ERROR if ERROR in items else tuple(items)

    def describe(self) -> str:
        return "a list, such as `[…, …]`"


def _repeats(items: list[Any], value: Sequence, at: Reader) -> bool:
    """Whether a name stands twice in a list, which is reported."""
    seen: set[str] = set()
    for item, written in zip(items, value.items, strict=True):
        if isinstance(item, str) and item.casefold() in seen:
            at.report("E0208", f"`{item}` stands twice in `{at.attribute}`", written.span, "second time")
            return True
        seen.add(item.casefold() if isinstance(item, str) else "")
    return False


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """One value or a list of them; always a tuple."""

    item: Type

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Sequence):
            return ListOf(self.item).read(value, at)
        one = self.item.read(value, at)
        return ERROR if one is ERROR else (one,)

    def describe(self) -> str:
        return f"{self.item.describe()}, or a list of them"


@dataclass(frozen=True, slots=True)
class Names:
    """A list of bare names that the user invents."""

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Sequence):
            return at.mismatch(self, value)
        names = [choice_word(item) or at.mismatch(self, item) for item in value.items]
        return ERROR if ERROR in names or _repeats(names, value, at) else tuple(names)

    def describe(self) -> str:
        return "a list of names, such as `[chapter, section]`"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map; keys are references to blocks where `key` is a type, else names that the user invents."""

    key: Type | None
    value: Type
    minimum: int = 0  # entries

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Mapping):
            return at.mismatch(self, value)
        if len(value.pairs) < self.minimum:
            return at.report("E0301", f"`{at.attribute}` expects at least one entry", value.span, "this map is empty")
        result: dict[str, Any] = {}
        failed = False
        for pair in value.pairs:
            key = self.key.read(pair.key, at) if self.key else self._name(pair.key, at)
            if key is not ERROR and key.casefold() in {known.casefold() for known in result}:
                at.report("E0208", f"`{key}` stands twice in `{at.attribute}`", pair.key.span, "second time")
                failed = True
            item = self.value.read(pair.value, at)
            failed = failed or key is ERROR or item is ERROR
            if key is not ERROR:
                result[key] = item
        return ERROR if failed else result

    @staticmethod
    def _name(key: Expression, at: Reader) -> Any:
        name = choice_word(key)
        if name is not None:
            return name
        helps = (f"write `{key.value}: …`",) if isinstance(key, Text) and key.value.isidentifier() else ()
        return at.report(
            "E0301", f"keys of `{at.attribute}` are bare names", key.span, f"this is {kind_of(key)}", helps=helps
        )

    def describe(self) -> str:
        return "a map, such as `{ …: … }`"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Alternatives that differ in the form of their expression; the first whose form fits reads the value."""

    fits: tuple[tuple[type[Any] | tuple[type[Any], ...], Type], ...]

    def read(self, value: Expression, at: Reader) -> Any:
        for form, type_ in self.fits:
            if isinstance(value, form):
                return type_.read(value, at)
        return at.mismatch(self, value)

    def describe(self) -> str:
        return " or ".join(type_.describe() for _, type_ in self.fits)


@dataclass(frozen=True, slots=True)
class CallOf:
    """A call of a closed set; its value is the schema of the call, filled. A bare name is a call without arguments."""

    schemas: dict[str, Any]  # name -> pydantic model
    planned: tuple[str, ...] = ()

    def read(self, value: Expression, at: Reader) -> Any:
        if isinstance(value, Reference) and len(value.parts) == 1:
            value = Call(Name(value.parts[0], value.span), (), value.span)
        if not isinstance(value, Call):
            return at.mismatch(self, value)
        name = value.name.text
        if name in self.planned:
            return not_built(f"`{at.attribute} = {name}(…)`", value.name.span, at)
        if name not in self.schemas:
            known = [*self.schemas, *self.planned]
            helps = did_you_mean(nearest(name, known))
            at.report(
                "E0206",
                f"unknown `{at.attribute}` `{name}`",
                value.name.span,
                "no call of this name",
                notes=(f"calls here: {', '.join(known)}",),
                helps=helps,
            )
            return ERROR
        return at.read_call(value, self.schemas, at)

    def describe(self) -> str:
        return " or ".join(f"`{name}(…)`" for name in self.schemas)
