"""Blocks to declarations: every kind, variant and name is known and stands once."""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, nearest
from structdsl.passes.respell import is_respelt
from structdsl.schema.block import Schema
from structdsl.schema.kinds import KINDS, Kind
from structdsl.syntax.tree import Block, Name, Span
from structdsl.unit import Declaration, Unit


def declare(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    blocks: dict[str, Declaration] = {}
    known: dict[str, Declaration] = {}  # by casefolded address
    for block in unit.tree.blocks:
        declaration = _declaration(block, unit, sink)
        if declaration is None:
            continue
        if declaration.address.casefold() in known:
            first = known[declaration.address.casefold()].block
            if is_respelt(block.kind, unit.source) or is_respelt(first.kind, unit.source):
                continue  # perhaps it is of another kind
            labels = (
                Label(span=(block.name or block.kind).span, text="declared again here"),
                Label(span=(first.name or first.kind).span, text="first declared here", primary=False),
            )
            sink.add(
                Diagnostic(
                    code="E0202",
                    message=f"`{declaration.address}` is declared twice",
                    notes=("names that differ only by case are one name in SQL",)
                    if declaration.address not in blocks
                    else (),
                    source=unit.source,
                    labels=labels,
                )
            )
            continue
        blocks[declaration.address] = known[declaration.address.casefold()] = declaration
    _refuse_names_of_tables(blocks, unit, sink)
    return dataclasses.replace(unit, blocks=blocks)


def _declaration(block: Block, unit: Unit, sink: Sink) -> Declaration | None:
    word = block.kind.text
    if word not in KINDS:  # reported where kinds are respelt
        return None
    kind = KINDS[word]
    variant = _variant(block, word, kind, unit, sink)
    if kind.many and block.name is None:
        _report(
            unit,
            sink,
            "E0402",
            f"`{word}` needs a name",
            block.kind.span,
            "unnamed",
            help_=f"name it: `{word} my_{word} {{ … }}`",
        )
        return None
    name = block.name.text if block.name else ""
    return Declaration(
        kind=word,
        name=name if kind.many else "",
        variant=variant,
        block=block,
        schema=kind.variants.get(variant, Schema),
    )


def _variant(block: Block, word: str, kind: Kind, unit: Unit, sink: Sink) -> str | None:
    """The variant of a block; one that the kind does not have after a report."""
    names = [name for name in kind.variants if name is not None]
    if block.variant is None:
        if None in kind.variants:
            return None
        if not block.damaged:  # else it may be that of a base that could not be found
            help_ = f"write `{as_variant(word, block.name, names)}`"
            message = f"`{word}` needs a variant: {', '.join(names)}"
            _report(unit, sink, "E0205", message, block.head, "no variant", help_=help_)
        return None
    if not names:
        before = block.name.span.end if block.name else block.kind.span.end
        fixes = (Edit(span=Span(before, block.variant.span.end), text=""),)
        message, help_ = f"`{word}` has no variants", f"remove `: {block.variant.text}`"
        _report(unit, sink, "E0205", message, block.variant.span, f"`{word}` has none", help_=help_, fixes=fixes)
        return None
    return block.variant.text


def as_variant(word: str, name: Name | None, variants: list[str]) -> str:
    """How to write a block that lacks its variant; `rule headings { … }` lacks its name."""
    meant = nearest(name.text, variants) if name else []
    if name is None or meant:
        return f"{word} name: {(meant or variants)[0]} {{ … }}"
    return f"{word} {name.text}: {variants[0]} {{ … }}"


def _refuse_names_of_tables(blocks: dict[str, Declaration], unit: Unit, sink: Sink) -> None:
    """`corpus.notes_chunks` is a table of `corpus.notes`; no block may take its name."""
    known = {address.casefold(): declaration for address, declaration in blocks.items()}
    for declaration in blocks.values():
        for suffix in KINDS[declaration.kind].derived:
            owner = known.get(declaration.address.casefold().removesuffix(f"_{suffix}"))
            if owner is not None and owner is not declaration:
                span = declaration.block.name.span if declaration.block.name else declaration.block.head
                message = f"`{declaration.address}` is the name of a table of `{owner.address}`"
                _report(unit, sink, "E0207", message, span, "taken", help_="choose another name")


def _report(
    unit: Unit,
    sink: Sink,
    code: str,
    message: str,
    span: Span,
    label: str,
    *,
    help_: str = "",
    fixes: tuple[Edit, ...] = (),
) -> None:
    sink.add(
        Diagnostic(
            code=code,
            message=message,
            source=unit.source,
            labels=(Label(span=span, text=label),),
            helps=(help_,) if help_ else (),
            fixes=fixes,
        )
    )
