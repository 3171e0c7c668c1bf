"""A spec and all that it imports, as one tree: after this pass there is one file, and no other pass knows of several.

What an import declares takes the alias into its name: `clinical.corpus.pubmed` is `corpus.clinical_pubmed` from here
on, in tables and messages as well, and the same inside the imported file, which is renamed as a whole. Spans move to
offsets of their own (see `structdsl.syntax.source`). Imported blocks stay only where something reaches them.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from structdsl.diagnostics import Diagnostic, Edit, Label, Sink, did_you_mean, nearest, respelling, text_at
from structdsl.passes.reach import HEADS, pruned
from structdsl.passes.respell import respell
from structdsl.schema.reader import UNKNOWN
from structdsl.schema.tables import OTHER_KINDS
from structdsl.std import PREFIX, names, read_std
from structdsl.syntax import parse as parse_text
from structdsl.syntax.source import Source, SourceMap
from structdsl.syntax.tree import Block, File, Import, Parameter, Reference, Span, Text
from structdsl.syntax.walk import moved, rebuild
from structdsl.unit import Unit

HOLE = re.compile(r"\$\{([^}]*)\}")
MOST = 200  # files of one spec


def load_imports(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    assert isinstance(unit.source, Source)
    if not unit.tree.imports:
        return unit
    loader = _Loader(unit, sink, [unit.source], [])
    loader.take(unit.tree, "", (_identity(unit.source.path),))
    sink.order = list(loader.files)
    whole = dataclasses.replace(
        unit.tree,
        imports=(),
        parameters=tuple(p for tree in loader.trees for p in tree.parameters),
        blocks=tuple(b for tree in loader.trees for b in tree.blocks),
        damaged=any(tree.damaged for tree in loader.trees),
    )
    source = SourceMap(tuple(loader.files))
    return pruned(dataclasses.replace(unit, source=source, tree=whole), bases=True)


def _identity(path: Path) -> str:
    return path.as_posix() if str(path).startswith(PREFIX) else posixpath.normpath(path.as_posix())


@dataclasses.dataclass(slots=True)
class _Loader:
    unit: Unit
    sink: Sink
    files: list[Source]  # of the map, in its order
    trees: list[File]  # the same, moved and renamed
    declared: list[str] = dataclasses.field(default_factory=list)  # addresses of what was loaded so far

    def take(self, tree: File, prefix: str, chain: tuple[str, ...]) -> None:
        """Add a tree, whose names get this prefix, and all that it imports; `chain` holds the files on the way."""
        source = self.files[-1]
        start = SourceMap(tuple(self.files)).starts[-2]
        tree = moved(tree, start) if start else tree
        aliases = self._aliases(tree.imports, prefix)
        place = len(self.trees)
        self.trees.append(tree)  # of the spec itself first: below it stands what it imports
        damaged = tree.damaged
        for import_ in tree.imports:
            if import_.alias.text in aliases:
                before = len(self.trees)
                self._load(import_, source, aliases[import_.alias.text], chain)
                damaged = damaged or any(loaded.damaged for loaded in self.trees[before:])
        self.trees[place] = _Renamer(self, aliases, prefix, damaged).file(tree)
        for block in self.trees[place].blocks:
            if block.name is not None:
                self.declared.append(f"{block.kind.text}.{block.name.text}")
        self.declared += [f"param.{parameter.name.text}" for parameter in self.trees[place].parameters]

    def _aliases(self, imports: Iterable[Import], prefix: str) -> dict[str, str]:
        """From each alias to the prefix that names behind it get."""
        found: dict[str, str] = {}
        for import_ in imports:
            name, span = import_.alias.text, import_.alias.span
            if name in HEADS:
                help_ = "choose another name after `as`"
                self.report(
                    "E0213",
                    f"`{name}` is a word of the language, and no name of an import",
                    span,
                    help_,
                    label="a word of the language",
                )
            elif name in found:
                self.report(
                    "E0202",
                    f"two imports are called `{name}`",
                    span,
                    "choose another name after `as`",
                    label="second time",
                )
            else:
                found[name] = f"{prefix}{name}_"
        return found

    def _load(self, import_: Import, by: Source, prefix: str, chain: tuple[str, ...]) -> None:
        path = self._path(import_, by)
        if path is not None and _identity(path) in chain:
            circle = " → ".join([*chain[chain.index(_identity(path)) :], _identity(path)])
            self.report("E0212", f"files import each other: {circle}", import_.path.span, label="closes the circle")
            return
        read = None if path is None else self._read(import_, path)
        if path is None or read is None:
            self.trees.append(File(None, (), (), (), Span(0, 0), damaged=True))
            return
        if len(self.files) >= MOST:
            self.report("E0212", f"a spec is made of at most {MOST} files", import_.path.span, label="one too many")
            return
        self.files.append(read)
        self.take(respell(parse_text(read, self.sink), read, self.sink), prefix, (*chain, _identity(path)))

    def _path(self, import_: Import, by: Source) -> Path | None:
        """The file that an import names, or none after a report."""
        target, span = import_.path.value, import_.path.span
        if str(by.path).startswith(PREFIX) and target.startswith("./"):
            target = PREFIX + target.removeprefix("./").removesuffix(".adapt")
        if target.startswith(PREFIX):
            name, known = target.removeprefix(PREFIX).removesuffix(".adapt"), names()
            if name in known:
                return Path(PREFIX + name)
            near = nearest(name, known)
            helps = did_you_mean([PREFIX + each for each in near])
            fixes = tuple(Edit(span=span, text=f'"{PREFIX}{edit.text}"') for edit in respelling(span, name, near))
            notes = () if helps else (f"the library holds: {', '.join(PREFIX + each for each in known)}",)
            self.report(
                "E0210",
                f"no spec `{target}` in the standard library",
                span,
                *helps,
                label="no spec of this name",
                notes=notes,
                fixes=fixes,
            )
            return None
        if "://" in target or any(mark in target for mark in "*?[") or not target.endswith(".adapt"):
            help_ = 'write a relative path, `import "./lib/clinical.adapt" as clinical`, or `"std:…"`'
            self.report(
                "E0210",
                f"`{target}` is no file that can be imported",
                span,
                help_,
                label="neither a relative path nor `std:…`",
            )
            return None
        return Path(posixpath.normpath((by.path.parent / target).as_posix()))

    def _read(self, import_: Import, path: Path) -> Source | None:
        """The text of a file, or none after a report."""
        target, span = import_.path.value, import_.path.span
        try:
            std = str(path).startswith(PREFIX)
            return Source(path, read_std(str(path).removeprefix(PREFIX)) if std else self.unit.read(path))
        except OSError as error:
            self.report(
                "E0210",
                f"`{target}` cannot be read: {(error.strerror or str(error)).lower()}",
                span,
                label="imported here",
            )
        except UnicodeDecodeError as error:
            byte = f"byte {error.start} is {error.object[error.start]:#04x}"
            self.report("E0210", f"`{target}` is not UTF-8: {byte}", span, label="imported here")
        return None

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *helps: str,
        label: str = "",
        notes: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> None:
        source = SourceMap(tuple(self.files))
        labels = (Label(span=span, text=label),)
        self.sink.add(
            Diagnostic(
                code=code,
                message=message,
                source=source,
                labels=labels,
                notes=notes,
                helps=tuple(helps),
                fixes=fixes,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Renamer:
    """Names of one file as the whole spec knows them."""

    loader: _Loader
    aliases: dict[str, str]
    prefix: str
    damaged: bool

    def file(self, tree: File) -> File:
        blocks = tuple(self._block(block) for block in tree.blocks)
        if self.prefix:
            blocks = tuple(block for block in blocks if block.kind.text != "project")  # each spec has its own
        return dataclasses.replace(tree, blocks=blocks, parameters=tuple(map(self._parameter, tree.parameters)))

    def _parameter(self, parameter: Parameter) -> Parameter:
        renamed = rebuild(parameter, self._node)
        name = dataclasses.replace(parameter.name, text=self.prefix + parameter.name.text)
        return dataclasses.replace(renamed, name=name)

    def _block(self, block: Block) -> Block:
        base = block.base
        bare = rebuild(dataclasses.replace(block, base=None), self._node)
        renamed = self._reference(base) if base is not None else None
        if base is not None and not isinstance(renamed, Reference):  # reported
            bare, renamed = dataclasses.replace(bare, damaged=True), None
        name = block.name
        if name is not None and block.kind.text != "defaults":
            name = dataclasses.replace(name, text=self.prefix + name.text)
        return dataclasses.replace(bare, base=renamed, name=name)

    def _node(self, node: Any) -> Any:
        match node:
            case Reference():
                return self._reference(node)
            case Text(raw=False) if "${" in node.value:
                return self._text(node)
            case _:
                return node

    def _reference(self, reference: Reference) -> Any:
        parts = self._parts(reference.parts, reference.span)
        return UNKNOWN if parts is None else dataclasses.replace(reference, parts=parts)

    def _parts(self, parts: tuple[str, ...], span: Span) -> tuple[str, ...] | None:
        """A dotted name as the whole spec knows it; none after a report."""
        head, *rest = parts
        if head in self.aliases and rest:
            if len(rest) > 1 and rest[0] in HEADS:
                known = self._is_declared(head, rest[0], rest[1], span)
                return (rest[0], self.aliases[head] + rest[1], *rest[2:]) if known else None
            help_ = f"name the kind as well, as in `{head}.corpus.{rest[-1]}`"
            self.loader.report(
                "E0211",
                f"`{'.'.join(parts)}` names no kind of the import `{head}`",
                span,
                help_,
                label="a name without its kind",
            )
            return None
        if len(rest) > 1 and rest[0] in HEADS and head not in HEADS:
            if not self.damaged:
                near = nearest(head, list(self.aliases))
                message, label = f"unknown import `{head}`", "no import of this name"
                begin = span.start + text_at(SourceMap(tuple(self.loader.files)), span).find(head)  # behind `${`
                fixes = respelling(Span(begin, begin + len(head)), head, near)
                self.loader.report("E0211", message, span, *did_you_mean(near), label=label, fixes=fixes)
            return None
        return (head, self.prefix + rest[0], *rest[1:]) if rest and head in HEADS else parts

    def _is_declared(self, alias: str, kind: str, name: str, span: Span) -> bool:
        """Whether an import declares a block or a param, or a block with a table, of this name; reported if not."""
        before = f"{OTHER_KINDS.get(kind, kind)}.{self.aliases[alias]}"
        names = [address.removeprefix(before) for address in self.loader.declared if address.startswith(before)]
        if self.damaged or any(name == known or name.startswith(f"{known}_") for known in names):
            return True
        near = nearest(name, names)
        helps = did_you_mean([f"{alias}.{kind}.{each}" for each in near])
        code, what = ("E0209", "param") if kind == "param" else ("E0201", kind)
        begin = span.start + text_at(SourceMap(tuple(self.loader.files)), span).rfind(name)
        fixes = respelling(Span(begin, begin + len(name)), name, near)
        message, label = f"unknown {what} `{name}` of the import `{alias}`", f"no {what} of this name"
        self.loader.report(code, message, span, *helps, label=label, fixes=fixes)
        return False

    def _text(self, text: Text) -> Text:
        """The same with the names in `${…}` renamed; what is longer keeps the place of the hole."""
        value, origins, end = "", list[int](), 0
        for hole in HOLE.finditer(text.value):
            span = Span(text.origins[hole.start()], text.origins[hole.end()])
            parts = self._parts(tuple(hole[1].strip().split(".")), span)
            inserted = hole[0] if parts is None else "${" + ".".join(parts) + "}"
            value += text.value[end : hole.start()] + inserted
            places = text.origins[hole.start() : hole.end()]
            if len(inserted) != len(hole[0]):
                places = (*[span.start] * (len(inserted) - 1), places[-1])
            origins += [*text.origins[end : hole.start()], *places]
            end = hole.end()
        return dataclasses.replace(text, value=value + text.value[end:], origins=(*origins, *text.origins[end:]))
