"""Attributes to typed values: every attribute is known, stands once, is there if it must be, and has its type."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Collection, Container
from collections.abc import Set as AbstractSet
from typing import Any

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest, respelling, text_at
from structdsl.passes.declare import as_variant
from structdsl.passes.respell import is_respelt, strangers
from structdsl.schema.block import Nested, Schema, type_of
from structdsl.schema.kinds import HINTS, KINDS
from structdsl.schema.reader import ERROR, Reader
from structdsl.std import PREFIX
from structdsl.syntax.tree import Attribute, Block, Call, Mapping, Name, Reference, Span
from structdsl.unit import Unit


def check_types(unit: Unit, sink: Sink) -> Unit:
    blocks = {}
    paths: dict[Span, str] = {}
    strange = strangers(unit.tree)
    told: set[Span] = set()
    for address, declaration in unit.blocks.items():
        if declaration.schema is Schema:  # its variant is unknown
            blocks[address] = declaration
            continue
        checker = _Checker(unit, sink, declaration.kind, paths, strange, told)
        what = f"`{declaration.kind}: {declaration.variant}`" if declaration.variant else f"`{declaration.kind}`"
        values = checker.block(declaration.block, declaration.schema, what)
        blocks[address] = dataclasses.replace(declaration, values=values)
    for shadow in unit.shadows:
        schema = KINDS[shadow.kind.text].variants.get(shadow.variant.text if shadow.variant else None)
        if schema is not None:
            _Checker(unit, sink, shadow.kind.text, {}, strange, told).block(shadow, schema, f"`{shadow.kind.text}`")
    return dataclasses.replace(unit, blocks=blocks, paths=paths)


@dataclasses.dataclass(frozen=True, slots=True)
class _Checker:
    unit: Unit
    sink: Sink
    kind: str
    paths: dict[Span, str]  # filled as paths are read
    strangers: frozenset[str]  # names of blocks of unknown kinds
    told: set[Span]  # unknown names: what is inherited is read again, beside other names

    def block(self, block: Block, schema: type[Schema], what: str) -> Schema | None:
        """The values of a block, or none after a report."""
        fields = {info.alias or name: name for name, info in schema.attributes().items()}
        values: dict[str, Any] = {}
        seen: dict[str, Span] = {}
        spoilt: dict[str, tuple[Span, Any]] = {}  # what stands under a misspelt name
        strange = 0  # attributes that may be any of those that are missing
        for item in block.body:
            if isinstance(item, Block):
                self._nested(item, schema, what, values)
                continue
            name = self._attribute_name(item, schema, fields, what, block)
            if name is None:
                strange += not self._variants_with(item.name.text)
                continue
            type_ = type_of(schema.model_fields[fields[name]])
            if item.name.text != name or is_respelt(item.name, self.unit.source):
                spoilt[name] = (item.name.span, type_.read(item.value, self._reader(name)))
            elif not self._repeated(item.name, name, seen):
                values[name] = type_.read(item.value, self._reader(name))
        _add_spoilt(spoilt, seen, values)
        if block.base is not None or block.damaged:  # what is missing here may be inherited, or could not be read
            return None
        return self._filled(schema, values, seen, block.head, what, strange)

    def call(self, call: Call, schemas: dict[str, type[Schema]], at: Reader) -> Any:
        """The values of a call's arguments; positional ones come first, in the order of the schema."""
        name = call.name.text
        schema = schemas[name]
        names = {info.alias or name: name for name, info in schema.model_fields.items()}
        fields = list(names)
        values: dict[str, Any] = {}
        seen: dict[str, Span] = {}
        spoilt: dict[str, tuple[Span, Any]] = {}
        strange = 0
        for index, argument in enumerate(call.arguments):
            if argument.name is None:
                if index >= len(fields):
                    most = f"at most {len(fields)} argument{'s' * (len(fields) != 1)}" if fields else "no arguments"
                    at.report("E0301", f"`{name}` takes {most}", argument.span, "one too many")
                    values["?"] = ERROR
                    continue
                field = fields[index]
                written = Name(field, argument.span)
            else:
                written = argument.name
                others = {other.name.text for other in call.arguments if other.name is not None}
                known = self._known(written, fields, schema, f"argument of `{name}`", f"`{name}`", others)
                if known is None:
                    strange += 1
                    continue
                field = known
            reader = dataclasses.replace(at, attribute=field, hints={}, beside=frozenset())
            type_ = type_of(schema.model_fields[names[field]])
            if argument.name is not None and argument.name.text != field:
                spoilt[field] = (written.span, type_.read(argument.value, reader))
            elif not self._repeated(written, field, seen):
                values[field] = type_.read(argument.value, reader)
        _add_spoilt(spoilt, seen, values)
        result = self._filled(schema, values, seen, call.span, f"`{name}`", strange)
        return ERROR if result is None else result

    def _reader(self, attribute: str) -> Reader:
        return Reader(
            source=self.unit.source,
            sink=self.sink,
            attribute=attribute,
            blocks=self.unit.blocks,
            damaged=self.unit.tree is not None and self.unit.tree.damaged,
            hints=HINTS.get((self.kind, attribute), {}),
            read_call=self.call,
            resolve=self._path,
            strangers=self.strangers,
        )

    def _path(self, path: str, span: Span, opening: str = "") -> str:
        """A path of an imported file, which is relative to that file, as seen from the folder of the spec."""
        source = self.unit.source
        file, _ = source.locate(span)
        if file is source.files[0] or str(file.path).startswith(PREFIX) or "://" in path or path.startswith(("/", "~")):
            return path
        folder = posixpath.relpath(file.path.parent.as_posix() or ".", source.path.parent.as_posix() or ".")
        found = posixpath.normpath(f"{folder}/{path}")
        opening = "./" if found.startswith("~") else opening  # no home
        self.paths[span] = found if found.startswith(".") else f"{opening}{found}"
        return self.paths[span]

    def _attribute_name(
        self, item: Attribute, schema: type[Schema], names: Collection[str], what: str, block: Block
    ) -> str | None:
        if item.name.text in schema.nested() and item.name.text not in names:
            self._report(
                "E0402",
                f"`{item.name.text}` is a block",
                item.name.span,
                "not an attribute",
                helps=(f"write `{item.name.text} {{ … }}`, without `=`",),
                fixes=self._as_block(item),
            )
            return None
        others = {other.name.text for other in block.body if isinstance(other, Attribute)}
        return self._known(item.name, names, schema, "attribute", what, others)

    def _as_block(self, item: Attribute) -> tuple[Edit, ...]:
        """A map as the block that was meant: `deepspeed = { zero: 3 }` as `deepspeed { zero = 3 }`."""
        if text_at(self.unit.source, item.name.span) != item.name.text:  # the key of a profile
            return ()
        if not isinstance(item.value, Mapping) or not all(isinstance(p.key, Reference) for p in item.value.pairs):
            return ()
        text, at = " ", item.value.span.start
        for pair in item.value.pairs:
            text += text_at(self.unit.source, Span(at, pair.key.span.end)) + " = "
            at = pair.value.span.start
        text += text_at(self.unit.source, Span(at, item.value.span.end))
        return (Edit(span=Span(item.name.span.end, item.value.span.end), text=text),)

    def _known(
        self, name: Name, names: Collection[str], schema: type[Schema], what: str, where: str, written: AbstractSet[str]
    ) -> str | None:
        """The name if it is known, or its one neighbour after a report; `written` are the names beside it."""
        if name.text in names:
            return name.text
        others = self._variants_with(name.text)
        found = [] if others else nearest(name.text, [*names, *schema.nested()])
        if name.span not in self.told:
            self._report(
                "E0204",
                f"unknown attribute `{name.text}` of {where}"
                if what == "attribute"
                else f"unknown {what}: `{name.text}`",
                name.span,
                f"no {what} of this name",
                notes=() if found else (f"{where} has: {', '.join(names)}",),
                helps=(f"`{name.text}` belongs to {', '.join(f'`{v}`' for v in others)}",)
                if others
                else did_you_mean(found),
                fixes=self._respelling(name, found, written | schema.nested().keys()),
            )
        self.told.add(name.span)
        return found[0] if len(found) == 1 and found[0] in names else None

    def _variants_with(self, name: str) -> list[str]:
        """The variants of the kind that have an attribute."""
        return [v for v, schema in KINDS[self.kind].variants.items() if v and name in schema.model_fields]

    def _respelling(self, name: Name, found: list[str], refused: Container[str]) -> tuple[Edit, ...]:
        """A name respelt where it stands: that of an attribute may be the end of a key of a profile."""
        if not text_at(self.unit.source, name.span).endswith(name.text):
            return ()
        end = name.span.end
        return respelling(Span(end - len(name.text), end), name.text, found, refused)

    def _repeated(self, written: Name, name: str, seen: dict[str, Span]) -> bool:
        if name in seen:
            labels = (
                Label(span=written.span, text="second time"),
                Label(span=seen[name], text="first time", primary=False),
            )
            self.sink.add(
                Diagnostic(code="E0208", message=f"`{name}` is set twice", source=self.unit.source, labels=labels)
            )
            return True
        seen[name] = written.span
        return False

    def _nested(self, block: Block, schema: type[Schema], what: str, values: dict[str, Any]) -> None:
        """A block inside a block goes to the field that takes it."""
        nested = schema.nested()
        word = block.kind.text
        if word not in nested:
            found = nearest(word, list(nested))
            self._report(
                "E0402",
                f"no block `{word}` may stand in {what}",
                block.kind.span,
                "misplaced block",
                notes=(f"blocks here: {', '.join(nested) or 'none'}",),
                helps=did_you_mean(found),
                fixes=self._respelling(block.kind, found, values),
            )
            return
        field, place = nested[word]
        variant = self._nested_variant(block, place)
        if variant not in place.variants:
            values.setdefault(field, {})["?"] = None
            return
        result = self.block(block, place.variants[variant], f"`{word}`")
        if not place.many:
            if field in values:
                self._report("E0208", f"`{word}` is set twice", block.kind.span, "second time")
            values[field] = ERROR if result is None else result
            return
        if block.name is None:
            self._report(
                "E0402",
                f"`{word}` needs a name",
                block.kind.span,
                "unnamed",
                helps=(f"write `{word} name: {variant} {{ … }}`",),
            )
            return
        entries = values.setdefault(field, {})
        if block.name.text in entries:
            self._report(
                "E0202", f"`{word} {block.name.text}` is declared twice", block.name.span, "declared again here"
            )
        entries[block.name.text] = result

    def _nested_variant(self, block: Block, place: Nested) -> str | None:
        """The variant of a nested block, or "?" after a report."""
        names = [name for name in place.variants if name is not None]
        if block.variant is None:
            if names:
                message = f"`{place.word}` needs a variant: {', '.join(names)}"
                helps = (f"write `{as_variant(place.word, block.name, names)}`",)
                self._report("E0205", message, block.head, "no variant", helps=helps)
                return "?"
            return None
        if block.variant.text in names:
            return block.variant.text
        found = nearest(block.variant.text, names)
        self._report(
            "E0205",
            f"unknown variant of `{place.word}` `{block.variant.text}`",
            block.variant.span,
            "no variant of this name",
            notes=() if found else (f"known: {', '.join(names)}",),
            helps=did_you_mean(found),
            fixes=self._respelling(block.variant, found, ()),
        )
        return found[0] if found and found[0] in names else "?"

    def _filled(
        self, schema: type[Schema], values: dict[str, Any], seen: dict[str, Span], place: Span, what: str, strange: int
    ) -> Schema | None:
        """The schema with its values, or none if something is missing or could not be read.

        Each of the `strange` names that nobody knows may be meant for one that is missing, or change what others mean.
        """
        missing = [
            info.alias or name
            for name, info in schema.model_fields.items()
            if info.is_required() and (info.alias or name) not in seen and name not in values
        ]
        for name in missing if len(missing) > strange else ():
            info = next(i for n, i in schema.model_fields.items() if (i.alias or n) == name)
            notes = (f"`{name}`: {_as_note(info.description)}",) if info.description else ()
            self._report("E0401", f"{what} needs `{name}`", place, f"no `{name}` here", notes=notes)
        nested_failed = any(isinstance(v, dict) and None in v.values() for v in values.values())
        if missing or strange or nested_failed or ERROR in values.values():
            return None
        return schema.model_validate(values)

    def _report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str,
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> None:
        self.sink.add(
            Diagnostic(
                code=code,
                message=message,
                source=self.unit.source,
                labels=(Label(span=span, text=label),),
                notes=notes,
                helps=helps,
                fixes=fixes,
            )
        )


def _add_spoilt(spoilt: dict[str, tuple[Span, Any]], seen: dict[str, Span], values: dict[str, Any]) -> None:
    """Count what stands under misspelt names, but where the right name is written too, or inherited."""
    for name, (span, value) in spoilt.items():
        if name not in seen:
            seen[name], values[name] = span, value


def _as_note(description: str) -> str:
    """The description of an attribute in the voice of messages: lower-case, without a full stop."""
    first, rest = description[:1], description[1:]
    return ((first if rest[:1].isupper() else first.lower()) + rest).removesuffix(".")
