"""A misspelt word is one message, which names what was meant, and has no consequences: for each word of a schema.

`everything.adapt` has every kind, variant, attribute, call and argument; a test holds that none is missing.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from structdsl.compile import compile_text
from structdsl.diagnostics import Sink
from structdsl.schema.block import Nested, Schema
from structdsl.schema.containers import CallOf
from structdsl.schema.kinds import KINDS
from structdsl.syntax import parse
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Attribute, Block, Call, Name

NOWHERE = {
    ("attribute", "corpus: synthetic", "chunk"),
    *(("attribute", f"stage: {v}", "distill") for v in ("sft", "ssft", "dpo")),
}
"""Attributes that a schema inherits, and that no valid spec can have."""

SPEC = Path(__file__).with_name("everything.adapt")
TEXT = SPEC.read_text(encoding="utf-8")


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """A word of the language where it stands: what it is, of what, and where."""

    what: str
    of: str
    name: Name

    @property
    def key(self) -> tuple[str, str, str]:
        return self.what, self.of, self.name.text


def words(node: Any, of: str = "") -> Iterator[Word]:
    """The words of a tree that a schema names."""
    match node:
        case Block():
            within = f"{of} {node.kind.text}".strip()
            yield Word("kind", of, node.kind)
            if node.variant is not None:
                yield Word("variant", within, node.variant)
                within += f": {node.variant.text}"
            for item in node.body:
                yield from words(item, within)
        case Attribute():
            yield Word("attribute", of, node.name)
            yield from words(node.value, of)
        case Call():
            yield Word("call", "", node.name)
            for argument in node.arguments:
                if argument.name is not None:
                    yield Word("argument", node.name.text, argument.name)
                yield from words(argument.value, of)
        case tuple():
            for item in node:
                yield from words(item, of)
        case _ if dataclasses.is_dataclass(node):
            for field in dataclasses.fields(node):
                yield from words(getattr(node, field.name), of)


TREE = parse(Source(SPEC, TEXT), Sink())
WORDS = {word.key: word for word in words(TREE.blocks)}
# The neighbours of one letter are all letters.
MISSPELT = [word for word in WORDS.values() if len(word.name.text) > 1]


def known(schema: type[Schema], of: str) -> Iterator[tuple[str, str, str]]:
    """The words that a schema names, as keys of `WORDS`."""
    for field, info in schema.model_fields.items():
        type_ = info.metadata[-1]
        if isinstance(type_, Nested):
            yield "kind", of, type_.word
            for variant, nested in type_.variants.items():
                within = f"{of} {type_.word}"
                if variant is not None:
                    yield "variant", within, variant
                yield from known(nested, f"{within}: {variant}" if variant else within)
        else:
            yield "attribute", of, info.alias or field
            yield from calls(type_, set())


def calls(type_: Any, seen: set[int]) -> Iterator[tuple[str, str, str]]:
    """The calls that a type has somewhere in it, and their arguments."""
    if id(type_) in seen:
        return
    seen.add(id(type_))
    if isinstance(type_, CallOf):
        for name, schema in type_.schemas.items():
            if len(schema.model_fields):
                yield "call", "", name
            for field, info in schema.model_fields.items():
                yield "argument", name, info.alias or field
                yield from calls(info.metadata[-1], seen)
    if isinstance(type_, list | tuple):
        for item in type_:
            yield from calls(item, seen)
    elif type(type_).__module__.startswith("structdsl."):
        for name in dir(type_):
            if not name.startswith("__") and not isinstance(value := getattr(type_, name), type | BaseModel):
                yield from calls(value, seen)


def test_everything_is_in_the_spec() -> None:
    wanted = set()
    for kind, entry in KINDS.items():
        wanted.add(("kind", "", kind))
        for variant, schema in entry.variants.items():
            wanted |= {("variant", kind, variant)} if variant else set()
            same = variant is None or schema is entry.variants.get(None)
            wanted |= set(known(schema, kind if same else f"{kind}: {variant}"))
    assert sorted(wanted - set(WORDS) - NOWHERE) == []


def test_the_spec_is_without_fault() -> None:
    assert [diagnostic.message for diagnostic in compile_text(TEXT, SPEC)[1]] == []


def rounds() -> list[list[Word]]:
    """All words, at most one of each block in a round: mistakes in several blocks know nothing of each other."""
    by_block = [[w for w in MISSPELT if w.name.span.start in spread(block)] for block in TREE.blocks]
    return [[word for word in row if word] for row in itertools.zip_longest(*by_block)]


def spread(block: Block) -> range:
    return range(block.span.start, block.span.end)


SLIPS: dict[str, Callable[[str], str]] = {
    "doubled": lambda word: word + word[-1],
    "dropped": lambda word: word[1:],
    "swapped": lambda word: word[1] + word[0] + word[2:],
    "another": lambda _: "qqxxqq",
}
VOCABULARY = {word.name.text for word in WORDS.values()}


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("row", rounds(), ids=lambda row: f"{len(row)}_words")
def test_a_misspelt_word_is_one_message(row: list[Word], slip: str) -> None:
    """The message stands at the word and names what was meant, if that can be told; it has no consequences."""
    wrong = SLIPS[slip]
    wanted = [w for w in row if slip == "doubled" or (len(w.name.text) > 3 and wrong(w.name.text) not in VOCABULARY)]
    spoilt = TEXT.encode()
    meant: dict[int, str] = {}
    grown = 0
    for word in sorted(wanted, key=lambda word: word.name.span.start):
        meant[word.name.span.start + grown] = word.name.text
        grown += len(wrong(word.name.text)) - len(word.name.text)
    for word in sorted(wanted, key=lambda word: -word.name.span.start):
        spoilt = spoilt[: word.name.span.start] + wrong(word.name.text).encode() + spoilt[word.name.span.end :]
    found = list(compile_text(spoilt.decode(), SPEC)[1])
    places = {diagnostic.labels[0].span.start: diagnostic for diagnostic in found}
    assert [f"{d.code} {d.message}" for d in found if d.labels[0].span.start not in meant] == []
    assert len(found) == len(wanted)
    for start, name in meant.items() if slip != "another" else ():
        told = " ".join([places[start].message, *places[start].helps])
        assert f"`{name}" in told


@pytest.mark.parametrize("head", ["anguage 1", "langauge 1", "Language 1"])
def test_a_misspelt_head_is_one_message(head: str) -> None:
    found = list(compile_text(TEXT.replace("language 1", head, 1), SPEC)[1])
    assert [(d.code, d.helps, d.fixes[0].text) for d in found] == [("E0106", ("did you mean `language`?",), "language")]


@pytest.mark.parametrize("name", ["headings", "haedings"])
def test_a_rule_without_a_name_is_told_how_it_is_written(name: str) -> None:
    corpus = 'corpus n { source = files("n"), role = domain }'
    spec = f"language 1\n{corpus}\ntaxonomy t {{ over = [corpus.n], rule {name} {{ }} }}\n"
    found = list(compile_text(spec, SPEC)[1])
    assert [(d.code, d.helps) for d in found] == [("E0205", ("write `rule name: headings { … }`",))]
