"""Misspelt kinds and variants give way to the ones that were meant, before any pass goes by them.

`defaulst stage { … }` lends its attributes to stages, and `ocrpus x extends corpus.y` has a base of its kind: the
report is the one that is made here. What is near nothing stays as it is, and nothing is said of references to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Sequence

from structdsl.diagnostics import Diagnostic, Label, Sink, did_you_mean, nearest, respelling, text_at
from structdsl.schema.kinds import KINDS, OVERLAYS
from structdsl.syntax.source import Source, Sources
from structdsl.syntax.tree import Block, File, Name


def respell(tree: File, source: Source, sink: Sink) -> File:
    """The tree of one file with kinds and variants that are known, as far as it can be told which were meant."""
    return dataclasses.replace(tree, blocks=tuple(_respelt(block, source, sink) for block in tree.blocks))


def strangers(tree: File | None) -> frozenset[str]:
    """The names of blocks of unknown kinds: what they are was reported, so that no reference to them can be judged."""
    blocks = () if tree is None else tree.blocks
    return frozenset(b.name.text for b in blocks if b.name and b.kind.text not in KINDS and b.kind.text not in OVERLAYS)


def is_respelt(name: Name, source: Sources) -> bool:
    """Whether a name is not the one that stands in the text; that of an attribute may end a key of a profile."""
    return not text_at(source, name.span).endswith(name.text)


def _respelt(block: Block, source: Source, sink: Sink) -> Block:
    if block.kind.text in OVERLAYS:
        return block
    known = [*KINDS, *OVERLAYS]
    block = dataclasses.replace(block, kind=_known(block.kind, "kind", "E0203", known, OVERLAYS, source, sink))
    kind = KINDS.get(block.kind.text)
    variants = [variant for variant in kind.variants if variant is not None] if kind else []
    if block.variant is None or not variants:
        return block
    variant = _known(block.variant, f"variant of `{block.kind.text}`", "E0205", variants, (), source, sink)
    return dataclasses.replace(block, variant=variant)


def _known(
    name: Name, what: str, code: str, known: Sequence[str], refused: Container[str], source: Source, sink: Sink
) -> Name:
    """The name if it is known; after a report its neighbour where there is one, else the name itself."""
    if name.text in known:
        return name
    found = nearest(name.text, known)
    sink.add(
        Diagnostic(
            code=code,
            message=f"unknown {what} `{name.text}`",
            source=source,
            labels=(Label(span=name.span, text=f"no {what} of this name"),),
            notes=() if found else (f"known: {', '.join(known)}",),
            helps=did_you_mean(found),
            fixes=respelling(name.span, name.text, found, refused),
        )
    )
    return dataclasses.replace(name, text=found[0]) if len(found) == 1 else name
