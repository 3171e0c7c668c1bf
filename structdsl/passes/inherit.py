"""`extends`: a block takes over what its base states or inherits, and says only what differs."""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest_address, readdressing
from structdsl.passes.merge import marked, merged
from structdsl.passes.reach import pruned
from structdsl.passes.respell import strangers
from structdsl.schema.kinds import KINDS
from structdsl.syntax.source import SourceMap
from structdsl.syntax.tree import Block, Span
from structdsl.unit import Unit


def inherit(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    if not any(block.base for block in unit.tree.blocks):
        return unit
    heir = _Heir(unit, sink)
    blocks = tuple(heir.complete(block) for block in unit.tree.blocks)
    unit = dataclasses.replace(unit, tree=dataclasses.replace(unit.tree, blocks=blocks))
    return pruned(unit, bases=False) if isinstance(unit.source, SourceMap) else unit


class _Heir:
    def __init__(self, unit: Unit, sink: Sink) -> None:
        assert unit.tree is not None
        self.unit, self.sink = unit, sink
        self.damaged = unit.tree.damaged
        self.strangers = strangers(unit.tree)
        self.blocks = {_address(block): block for block in unit.tree.blocks}
        self.done: dict[int, Block] = {}
        self.chain: list[Block] = []

    def complete(self, block: Block) -> Block:
        """The block with all that it inherits, and without a base."""
        if id(block) not in self.done:
            self.chain.append(block)
            self.done[id(block)] = self._complete(block)
            self.chain.pop()
        return self.done[id(block)]

    def _complete(self, block: Block) -> Block:
        base = self._base(block)
        if base is None:
            return dataclasses.replace(block, base=None, damaged=block.damaged or block.base is not None)
        base = self.complete(base)
        return dataclasses.replace(
            block,
            base=None,
            variant=block.variant or base.variant,
            body=merged(marked(base.body, f"extends {_address(base)}"), block.body),
            damaged=block.damaged or base.damaged,
        )

    def _base(self, block: Block) -> Block | None:
        """The block that another extends; none where there is none, or after a report."""
        if block.base is None:
            return None
        written = str(block.base)
        base = self.blocks.get(written)
        if base is None:
            self._unknown(block, written)
        elif not {base.kind.text, block.kind.text} <= KINDS.keys():
            return None  # was reported
        elif base.kind.text != block.kind.text:
            self.report(
                "E0215",
                f"a {block.kind.text} cannot extend a {base.kind.text}",
                block.base.span,
                f"this is a {base.kind.text}",
            )
        elif any(base is each for each in self.chain):
            start = next(index for index, each in enumerate(self.chain) if each is base)
            names = [_address(each) for each in self.chain[start:]]
            message = f"blocks extend each other: {' → '.join([*names, names[0]])}"
            self.report("E0216", message, block.base.span, "closes the circle")
        elif not _has_variant(self.complete(base)):
            return None
        elif block.variant is not None and _variant(self.complete(base)) != block.variant.text:
            of = _variant(self.complete(base))
            message = f"`{_address(block)}` and its base are of different variants"
            self.report("E0215", message, block.base.span, f"this is a `{base.kind.text}: {of}`" if of else "of none")
        else:
            return base
        return None

    def _unknown(self, block: Block, written: str) -> None:
        assert block.base is not None
        if block.base.parts[-1] in self.strangers or block.kind.text not in KINDS:
            return
        kind = block.kind.text
        wanted = written if "." in written else f"{kind}.{written}"
        found = nearest_address(
            wanted, [name for name in self.blocks if name.startswith(f"{kind}.") and name != _address(block)]
        )
        if self.damaged and not found:
            return
        base = self.blocks[found[0]].name if found else None
        fixes = readdressing(self.unit.source, block.base.span, wanted, found, base.span if base else None)
        helps = did_you_mean(found) or (f"a base is named with its kind, as in `extends {kind}.base`",)
        self.report("E0201", f"unknown {kind} `{written}`", block.base.span, "no block of this name", helps, fixes)

    def report(
        self, code: str, message: str, span: Span, label: str, helps: tuple[str, ...] = (), fixes: tuple[Edit, ...] = ()
    ) -> None:
        labels = (Label(span=span, text=label),)
        source = self.unit.source
        self.sink.add(Diagnostic(code=code, message=message, source=source, labels=labels, helps=helps, fixes=fixes))


def _address(block: Block) -> str:
    return f"{block.kind.text}.{block.name.text}" if block.name else block.kind.text


def _has_variant(block: Block) -> bool:
    """Whether its variant is one of its kind; what else it may be is reported where it is declared."""
    variants = KINDS[block.kind.text].variants
    return _variant(block) in variants or not any(variants)


def _variant(block: Block) -> str | None:
    return block.variant.text if block.variant else None
