"""Types made of other values: lists, maps, alternatives, calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from structdsl.diagnostics import did_you_mean, nearest, respelling
from structdsl.schema.bare_sql import Instead, shown
from structdsl.schema.reader import ERROR, Reader, Type, choice_word, kind_of
from structdsl.schema.scalars import Choice, Predicate
from structdsl.schema.texts import bare
from structdsl.syntax.tree import (
    Call,
    Expression,
    Mapping,
    Name,
    Reference,
    Sequence,
    Text,
)


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Type
    unique: bool = True  # whether no name may stand in it twice
    empty: bool = False  # whether nothing may stand in it

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Sequence):
            return at.mismatch(self, value, helps=(f"write `[{value}]`",) if isinstance(value, Reference) else ())
        one = dataclasses.replace(at, beside=_names(value.items)) if self.unique else at
        items = [self.item.read(item, one) for item in value.items]
        if self.unique and ERROR not in items and _repeats(items, value, at):
            return ERROR
        if not items and not self.empty:
            return at.report("E0301", f"`{at.attribute}` expects at least one entry", value.span, "this list is empty")
        return ERROR if ERROR in items else tuple(items)

    def describe(self) -> str:
        return "a list, such as `[…, …]`"


def _names(written: Iterable[Expression]) -> frozenset[str]:
    return frozenset(str(each) for each in written if isinstance(each, Reference))


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
        names = [choice_word(item) or bare(self, item, at) for item in value.items]
        return ERROR if ERROR in names or _repeats(names, value, at) else tuple(names)

    def describe(self) -> str:
        return "a list of names, such as `[chapter, section]`"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map; keys are what the type `key` reads, such as references to blocks, else names that the user invents."""

    key: Type | None
    value: Type
    minimum: int = 0  # entries

    def read(self, value: Expression, at: Reader) -> Any:
        if not isinstance(value, Mapping):
            return at.mismatch(self, value)
        if len(value.pairs) < self.minimum:
            return at.report("E0301", f"`{at.attribute}` expects at least one entry", value.span, "this map is empty")
        result: dict[Any, Any] = {}
        failed = False
        one = dataclasses.replace(at, beside=_names(pair.key for pair in value.pairs))
        for pair in value.pairs:
            key = self.key.read(pair.key, one) if self.key else self._name(pair.key, at)
            if key is not ERROR and _folded(key) in {_folded(known) for known in result}:
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
        bare = isinstance(key, Text) and key.value.isidentifier() and key.value.isascii()
        return at.report(
            "E0301",
            f"keys of `{at.attribute}` are bare names",
            key.span,
            f"this is {kind_of(key)}",
            helps=(f"write `{key.value}: …`",) if isinstance(key, Text) and bare else (),
            fixes=at.unquoted(key) if bare else (),
        )

    def describe(self) -> str:
        return "a map, such as `{ …: … }`"


def _folded(key: Any) -> Any:
    return key.casefold() if isinstance(key, str) else key


@dataclass(frozen=True, slots=True)
class OneOf:
    """Alternatives that differ in the form of their expression; the first whose form fits reads the value."""

    fits: tuple[tuple[type[Any] | tuple[type[Any], ...], Type], ...]

    def read(self, value: Expression, at: Reader) -> Any:
        word = choice_word(value) if isinstance(value, Reference) else None
        calls = [type_ for _, type_ in self.fits if isinstance(type_, CallOf)]
        for call in calls:  # a call without arguments may drop its parentheses, whatever else may stand here
            if word in call.schemas:
                return call.read(value, at)
        for form, type_ in self.fits:
            if isinstance(value, form):
                if isinstance(type_, Choice):
                    known = tuple(name for call in calls for name in call.schemas)
                    return dataclasses.replace(type_, calls=known).read(value, at)
                return type_.read(value, at)
        asked = shown(value) if any(isinstance(type_, Predicate) for _, type_ in self.fits) else None
        return at.mismatch(self, value, () if asked is None else (f"write `{asked}`",))

    def describe(self) -> str:
        return " or ".join(type_.describe() for _, type_ in self.fits)


def _asks(names: list[str], schemas: dict[str, Any]) -> bool:
    """Whether one of these calls cannot stand without arguments, so that its name alone repairs nothing."""
    return any(info.is_required() for name in names for info in schemas[name].model_fields.values())


@dataclass(frozen=True, slots=True)
class CallOf:
    """A call of a closed set; its value is the schema of the call, filled. A bare name is a call without arguments."""

    schemas: dict[str, Any]  # name -> pydantic model
    of_sql: Instead | None = None  # the helps for SQL where a call belongs

    def read(self, value: Expression, at: Reader) -> Any:
        bare = isinstance(value, Reference) and len(value.parts) == 1
        if isinstance(value, Reference) and bare:
            value = Call(Name(value.parts[0], value.span), (), value.span)
        if not isinstance(value, Call):
            return at.mismatch(self, value, self.of_sql.of(value) if self.of_sql is not None else ())
        name = value.name.text
        if name not in self.schemas:
            near = nearest(name, self.schemas)
            at.report(
                "E0206",
                f"unknown `{at.attribute}` `{name}`",
                value.name.span,
                "no call of this name",
                notes=(f"calls here: {', '.join(self.schemas)}",),
                helps=did_you_mean(near),
                fixes=() if bare and _asks(near, self.schemas) else respelling(value.name.span, name, near),
            )
            return ERROR
        return at.read_call(value, self.schemas, at)

    def describe(self) -> str:
        return " or ".join(f"`{name}(…)`" for name in self.schemas)
