"""`defaults corpus { … }`: what the blocks of a kind in the same file have unless they say otherwise.

A default is passed over where the variant of a block has no such attribute, or its role no use for it; one that is
used nowhere is a warning, since it is often a mistake about the kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest, removal, respelling
from structdsl.passes.merge import marked, merged
from structdsl.schema.block import Schema
from structdsl.schema.kinds import KINDS, USELESS
from structdsl.schema.reader import choice_word
from structdsl.syntax.tree import Attribute, Block, Name
from structdsl.unit import Unit


def apply_defaults(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    found = [block for block in unit.tree.blocks if block.kind.text == "defaults"]
    if not found:
        return unit
    applier = _Applier(unit, sink)
    defaults: dict[tuple[int, str], Block] = {}
    for block in found:
        if (checked := applier.check(block)) is not None:
            defaults[unit.source.index(block.span.start), _kind(checked)] = checked
    blocks = tuple(
        applier.apply(block, defaults[key])
        if (key := (unit.source.index(block.span.start), block.kind.text)) in defaults
        else block
        for block in unit.tree.blocks
        if block.kind.text != "defaults"
    )
    shadows = tuple(applier.unused(defaults.values()))
    tree = dataclasses.replace(unit.tree, blocks=blocks)
    return dataclasses.replace(unit, tree=tree, shadows=(*unit.shadows, *shadows))


@dataclasses.dataclass(slots=True)
class _Applier:
    unit: Unit
    sink: Sink
    used: set[int] = dataclasses.field(default_factory=set)  # ids of items of defaults
    seen: dict[tuple[int, str], Block] = dataclasses.field(default_factory=dict)

    def check(self, block: Block) -> Block | None:
        """Defaults of a kind that exists, with attributes that some variant of it has; none after a report."""
        if block.name is None or block.name.text not in KINDS:
            self._no_kind(block)
            return None
        if block.variant is not None:
            message = "`defaults` is for a kind, not for one of its variants"
            label = Label(span=block.variant.span, text="a variant")
            helps = ("leave it out: variants without an attribute pass over its default",)
            self._add("E0205", message, label, helps=helps)
        key = (self.unit.source.index(block.span.start), block.name.text)
        if key in self.seen:
            first = self.seen[key]
            self._add(
                "E0202",
                f"`defaults {block.name.text}` stands twice in this file",
                Label(span=block.name.span, text="declared again here"),
                Label(span=first.head, text="first declared here", primary=False),
            )
            return None
        self.seen[key] = block
        read = [item if isinstance(item, Block) else self._respelt(item, block.name.text) for item in block.body]
        body = tuple(item for item in read if item is not None)
        return dataclasses.replace(block, body=body, damaged=block.damaged or len(body) < len(read))

    def _no_kind(self, block: Block) -> None:
        if block.name is None:
            label = Label(span=block.kind.span, text="of which kind?")
            self._add("E0402", "`defaults` needs the name of a kind", label, helps=("write `defaults corpus { … }`",))
            return
        near = nearest(block.name.text, list(KINDS))
        taken = {other.name.text for other in self._beside(block) if other.name is not None}
        self._add(
            "E0203",
            f"unknown kind `{block.name.text}`",
            Label(span=block.name.span, text="no kind of this name"),
            helps=did_you_mean(near),
            fixes=respelling(block.name.span, block.name.text, near, taken),
        )

    def _beside(self, block: Block) -> Iterator[Block]:
        """All defaults of the file that a block stands in."""
        assert self.unit.tree is not None
        index = self.unit.source.index
        for other in self.unit.tree.blocks:
            if other.kind.text == "defaults" and index(other.span.start) == index(block.span.start):
                yield other

    def _respelt(self, item: Attribute, kind: str) -> Attribute | None:
        """An attribute of some variant of the kind, under the name that was meant; none after a report."""
        known = list(dict.fromkeys(name for schema in KINDS[kind].variants.values() for name in _names(schema)))
        if item.name.text in known:
            return item
        near = nearest(item.name.text, known)
        self._add(
            "E0204",
            f"unknown attribute `{item.name.text}` of `{kind}`",
            Label(span=item.name.span, text="no attribute of this name"),
            notes=() if near else (f"`{kind}` has: {', '.join(known)}",),
            helps=did_you_mean(near),
            fixes=respelling(item.name.span, item.name.text, near),
        )
        return dataclasses.replace(item, name=Name(near[0], item.name.span)) if len(near) == 1 else None

    def apply(self, block: Block, defaults: Block) -> Block:
        """The block with the defaults that it has a use for below what it says itself."""
        schema = KINDS[block.kind.text].variants.get(block.variant.text if block.variant else None)
        if schema is None:  # an unknown variant, reported where it is declared
            self.used.update(id(item) for item in defaults.body)
            return block
        fitting = [item for item in defaults.body if _fits(item, block, schema)]
        own = {item.name.text for item in block.body if isinstance(item, Attribute)}
        self.used.update(id(i) for i in fitting if isinstance(i, Block) or i.name.text not in own)
        via = f"defaults {block.kind.text}"
        body = merged(marked(fitting, via), block.body)
        return dataclasses.replace(block, body=body, damaged=block.damaged or defaults.damaged)

    def unused(self, defaults: Iterable[Block]) -> Iterator[Block]:
        """Defaults that no block took, reported; they are still to be checked, each in the variant that has it.

        Of an imported file only those blocks are here that the spec uses, so that nothing is said of its defaults.
        """
        for block in defaults:
            if self.unit.source.index(block.span.start) != 0:
                continue
            kind = _kind(block)
            for item in block.body:
                if id(item) in self.used:
                    continue
                name = item.kind.text if isinstance(item, Block) else item.name.text
                span = item.kind.span if isinstance(item, Block) else item.name.span
                message = f"no {kind} of this file takes `{name}` from its defaults"
                fixes = removal(self.unit.source, item.span)
                self._add("W0404", message, Label(span=span, text="used nowhere"), helps=("remove it",), fixes=fixes)
                for variant, schema in KINDS[kind].variants.items():
                    if name in (*_names(schema), *schema.nested()):
                        head = Name(variant, block.head) if variant else None
                        shadow = Name(kind, block.head)
                        yield dataclasses.replace(block, kind=shadow, variant=head, body=(item,), damaged=True)
                        break

    def _add(
        self,
        code: str,
        message: str,
        *labels: Label,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> None:
        self.sink.add(
            Diagnostic(
                code=code,
                message=message,
                source=self.unit.source,
                labels=labels,
                notes=notes,
                helps=helps,
                fixes=fixes,
            )
        )


def _kind(block: Block) -> str:
    assert block.name is not None
    return block.name.text


def _names(schema: type[Schema]) -> list[str]:
    return [info.alias or name for name, info in schema.attributes().items()]


def _fits(item: Attribute | Block, block: Block, schema: type[Schema]) -> bool:
    if isinstance(item, Block):
        return item.kind.text in schema.nested()
    role = next((i.value for i in block.body if isinstance(i, Attribute) and i.name.text == "role"), None)
    useless = USELESS.get((block.kind.text, item.name.text), frozenset())
    own = {choice_word(role) if role is not None else None, block.variant.text if block.variant else None}
    return item.name.text in _names(schema) and not own & useless
