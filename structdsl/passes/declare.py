"""Blocks to declarations: every kind, variant and name is known and stands once."""

from __future__ import annotations

import dataclasses

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest, respelling
from structdsl.schema.kinds import KINDS, OVERLAYS, Kind
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
    word = _known(block.kind, "kind", "E0203", list(KINDS), OVERLAYS, unit, sink)
    if word is None:
        return None
    kind = KINDS[word]
    variant = _variant(block, word, kind, unit, sink)
    if variant is _UNKNOWN:
        return None
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
        schema=kind.variants[variant],
    )


_UNKNOWN = "?"


def _variant(block: Block, word: str, kind: Kind, unit: Unit, sink: Sink) -> str | None:
    names = [name for name in kind.variants if name is not None]
    if block.variant is None:
        if None in kind.variants:
            return None
        help_ = f"write `{word} {block.name.text if block.name else 'name'}: {names[0]} {{ … }}`"
        _report(
            unit, sink, "E0205", f"`{word}` needs a variant: {', '.join(names)}", block.head, "no variant", help_=help_
        )
        return _UNKNOWN
    if not names:
        before = block.name.span.end if block.name else block.kind.span.end
        fixes = (Edit(span=Span(before, block.variant.span.end), text=""),)
        message, help_ = f"`{word}` has no variants", f"remove `: {block.variant.text}`"
        _report(unit, sink, "E0205", message, block.variant.span, f"`{word}` has none", help_=help_, fixes=fixes)
        return None
    return _known(block.variant, f"variant of `{word}`", "E0205", names, (), unit, sink) or _UNKNOWN


def _known(
    name: Name, what: str, code: str, names: list[str], others: tuple[str, ...], unit: Unit, sink: Sink
) -> str | None:
    """The name if it is known; a near neighbour after a report, so that what follows is still checked."""
    if name.text in names:
        return name.text
    found = nearest(name.text, [*names, *others])
    sink.add(
        Diagnostic(
            code=code,
            message=f"unknown {what} `{name.text}`",
            source=unit.source,
            labels=(Label(span=name.span, text=f"no {what} of this name"),),
            notes=() if found else (f"known: {', '.join([*names, *others])}",),
            helps=did_you_mean(found),
            fixes=respelling(name.span, name.text, found, others),
        )
    )
    return found[0] if found and found[0] in names else None


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
