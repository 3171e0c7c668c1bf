"""A spec with nothing left to look up: every attribute of every block with its value and where that came from.

`inspect` shows it block by block, and `compile` writes it whole as `resolved.adapt`: one file without imports,
`extends`, `defaults` or profiles, which compiles to the same recipes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from structdsl.schema.block import Nested, Schema
from structdsl.schema.spell import default_text
from structdsl.syntax.spell import quoted, spell
from structdsl.syntax.tree import Attribute, Block, Parameter, Text
from structdsl.syntax.walk import rebuild
from structdsl.unit import Declaration, Unit

WIDEST = 60  # of a line that comments are aligned behind
PARAM = re.compile(r"\bparam\.(\w+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One attribute: its value as text of the language, and where that came from."""

    name: str
    value: str
    file: str = ""  # empty for a default of the language
    line: int = 0
    own: bool = False  # whether the block itself says it, in the spec and without a param
    via: str = ""  # "extends corpus.base", "defaults corpus", "profile smoke", "param.budget"

    @property
    def origin(self) -> str:
        """As people read it: `lib/clinical.adapt:12, extends corpus.base`."""
        return ", ".join(filter(None, (f"{self.file}:{self.line}" if self.file else "default", self.via)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A block with all its attributes, those that nobody wrote included."""

    head: str  # "stage learn: scpt"
    doc: str = ""
    written: bool = True  # whether anybody wrote it
    entries: tuple[Entry | Section, ...]


def resolved(unit: Unit) -> str:
    """The whole spec as text."""
    lines = ["language 1"]
    declared = [line for parameter in parameters(unit) for line in parameter]
    lines += ["", *declared] if declared else []
    for declaration in unit.blocks.values():
        lines += ["", *_lines(section(declaration, unit), "", spec=True)]
    return "\n".join(lines) + "\n"


def parameters(unit: Unit) -> Iterator[list[str]]:
    """Each param with its value and where that came from."""
    assert unit.tree is not None
    for parameter in unit.tree.parameters:
        name = parameter.name.text
        text = unit.parameters[name]
        value = quoted(text) if parameter.type.text == "string" else text
        comment = _param_origin(parameter, unit)
        doc = [f"## {line}" for line in parameter.doc.splitlines()]
        yield [*doc, f"param {name}: {parameter.type.text} = {value}{f'  # {comment}' if comment else ''}"]


def _param_origin(parameter: Parameter, unit: Unit) -> str:
    name = parameter.name.text
    if name in {written.replace(".", "_") for written in unit.overrides}:
        return f"-p {name}"
    if unit.profile is not None and name in unit.profiles.get(unit.profile, {}):
        return f"profile {unit.profile}"
    return "" if unit.source.index(parameter.span.start) == 0 else _place(parameter, unit)[0]


def section(declaration: Declaration, unit: Unit) -> Section:
    """A block as it is compiled."""
    block = declaration.block
    name = declaration.name or (block.name.text if block.name else "")
    kind = f"{declaration.kind} {name}".strip()
    head = f"{kind}: {declaration.variant}" if declaration.variant else kind
    return Section(head=head, doc=block.doc, entries=tuple(_entries(block, declaration.schema, unit)))


def _entries(block: Block, schema: type[Schema], unit: Unit) -> Iterator[Entry | Section]:
    written = {}
    for item in block.body:
        if isinstance(item, Attribute):
            written[item.name.text] = item
            yield _entry(item, unit)
    for field, info in schema.attributes().items():
        name = info.alias or field
        if name not in written and (text := default_text(schema, field)) is not None:
            yield Entry(name=name, value=text)
    blocks = [item for item in block.body if isinstance(item, Block)]
    for item in blocks:
        yield _nested(item, schema.nested()[item.kind.text][1], unit)
    for word, (_, place) in schema.nested().items():
        if not place.many and word not in {item.kind.text for item in blocks}:
            entries = tuple(_defaults(place.variants[None]))
            if entries:
                yield Section(head=word, written=False, entries=entries)


def _defaults(schema: type[Schema]) -> Iterator[Entry]:
    for field, info in schema.attributes().items():
        if (text := default_text(schema, field)) is not None:
            yield Entry(name=info.alias or field, value=text)


def _nested(block: Block, place: Nested, unit: Unit) -> Section:
    variant = block.variant.text if block.variant else None
    name = f"{block.kind.text} {block.name.text}" if block.name else block.kind.text
    head = f"{name}: {variant}" if variant else name
    return Section(head=head, doc=block.doc, entries=tuple(_entries(block, place.variants[variant], unit)))


def _entry(item: Attribute, unit: Unit) -> Entry:
    def at_home(node: object) -> object:
        """A path of an imported file, as seen from the folder of the spec."""
        if isinstance(node, Text) and node.span in unit.paths:
            return dataclasses.replace(node, value=unit.paths[node.span])
        return node

    file, line, text = _place(item, unit)
    params = ", ".join(dict.fromkeys(f"param.{name}" for name in PARAM.findall(text)))
    via = ", ".join(filter(None, (item.via, params)))
    own = not via and unit.source.index(item.span.start) == 0
    value = spell(rebuild(item.value, at_home), "  ")
    return Entry(name=item.name.text, value=value, file=file, line=line, own=own, via=via)


def _place(item: Attribute | Parameter, unit: Unit) -> tuple[str, int, str]:
    """File, line, and the text as it stands there."""
    file, span = unit.source.locate(item.span)
    return unit.source.shown(file), file.position(span.start)[0], file.data[span.start : span.end].decode()


def _lines(section: Section, indent: str, *, spec: bool) -> Iterator[str]:
    """A block; in a spec, what was written there goes without saying, and defaults of the language are comments."""
    yield from (f"{indent}## {line}" for line in section.doc.splitlines())
    if not section.entries:
        yield f"{indent}{section.head} {{ }}"
        return
    yield f"{indent}{section.head} {{"
    width = max((len(entry.name) for entry in section.entries if isinstance(entry, Entry)), default=0)
    texts = {
        id(entry): f"{indent}  {entry.name:<{width}} = {entry.value.replace(chr(10), chr(10) + indent)}"
        for entry in section.entries
        if isinstance(entry, Entry)
    }
    column = max((size for text in texts.values() if (size := _last(text)) <= WIDEST), default=0)
    for entry in section.entries:
        if isinstance(entry, Section):
            inner = _lines(entry, indent + "  ", spec=spec and entry.written)
            yield from (_commented(line) for line in inner) if spec and not entry.written else inner
        elif spec and not entry.file:
            yield _commented(texts[id(entry)])
        elif spec and entry.own:
            yield texts[id(entry)]
        else:
            text = texts[id(entry)]
            yield f"{text}{' ' * max(column - _last(text), 0)}  # {entry.origin}"
    yield f"{indent}}}"


def _commented(line: str) -> str:
    text = line.lstrip(" ")
    return f"{line[: len(line) - len(text)]}# {text}"


def _last(text: str) -> int:
    """The width of the last line."""
    return len(text.rsplit("\n", 1)[-1])


def shown(section: Section) -> str:
    """A block as `inspect` prints it: every value with its origin."""
    return "\n".join(_lines(section, "", spec=False))
