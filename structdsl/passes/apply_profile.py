"""`profile smoke { set = { param.budget: 2M tokens, cluster.h200.nodes: 1 } }`: a named overlay of params and clusters.

Every profile of the spec is checked, the one that was asked for is applied: `structdsl run --profile smoke`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from structdsl.diagnostics import (
    Diagnostic,
    Edit,
    Label,
    Sink,
    did_you_mean,
    nearest,
    readdressing,
    respelling,
    text_at,
)
from structdsl.passes.merge import marked, merged
from structdsl.schema.reader import UNKNOWN
from structdsl.syntax.tree import Attribute, Block, Expression, Mapping, Name, Reference, Span
from structdsl.unit import Unit


def apply_profile(unit: Unit, sink: Sink) -> Unit:
    assert unit.tree is not None
    profiles = [block for block in unit.tree.blocks if block.kind.text == "profile"]
    overlay = _Overlay(unit, sink)
    params: dict[str, dict[str, Expression]] = {}
    bodies: dict[str, dict[str, tuple[Attribute | Block, ...]]] = {}
    for profile in profiles:
        name = overlay.name(profile, params)
        if name is not None:
            params[name], bodies[name] = overlay.entries(profile)
    chosen = None if unit.profile is None else unit.profile.replace(".", "_")
    if chosen is not None and chosen not in params:
        _unknown(unit, chosen, list(params), sink)
    blocks, shadows = [], []
    for block in unit.tree.blocks:
        if block.kind.text == "profile":
            continue
        address = f"{block.kind.text}.{block.name.text if block.name else ''}"
        for name, by_cluster in bodies.items():
            over = marked(by_cluster.get(address, ()), f"profile {name}")
            if over and name == chosen:
                block = dataclasses.replace(block, body=merged(block.body, over))  # noqa: PLW2901 - one overlay at most
            elif over:
                shadows.append(dataclasses.replace(block, body=over, base=None, damaged=True))
        blocks.append(block)
    tree = dataclasses.replace(unit.tree, blocks=tuple(blocks))
    return dataclasses.replace(unit, tree=tree, profiles=params, profile=chosen, shadows=tuple(shadows))


def _unknown(unit: Unit, name: str, known: list[str], sink: Sink) -> None:
    helps = did_you_mean(nearest(name, known))
    if not helps:
        helps = (f"profiles: {', '.join(known)}",) if known else ("declare it: `profile smoke { set = { … } }`",)
    sink.add(
        Diagnostic(code="E0218", message=f"the spec declares no profile `{name}`", source=unit.source, helps=helps)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Overlay:
    unit: Unit
    sink: Sink

    def name(self, profile: Block, known: dict[str, dict[str, Expression]]) -> str | None:
        if profile.name is None:
            helps = ("name it: `profile smoke { … }`",)
            self._report("E0402", "`profile` needs a name", profile.kind.span, "unnamed", helps)
            return None
        name = profile.name
        if name.text in known:
            self._report("E0202", f"`profile.{name.text}` is declared twice", name.span, "declared again here")
            return None
        return name.text

    def entries(self, profile: Block) -> tuple[dict[str, Expression], dict[str, tuple[Attribute | Block, ...]]]:
        """What it sets: params by name, and bodies to be laid over clusters, by address."""
        params: dict[str, Expression] = {}
        bodies: dict[str, tuple[Attribute | Block, ...]] = {}
        seen: dict[str, Span] = {}
        for key, value in self._pairs(profile):
            written = str(key)
            if written in seen:
                self._report("E0208", f"`{written}` stands twice in `set`", key.span, "second time")
            seen[written] = key.span
            match key.parts:
                case ("param", name) if self._is_param(name, key.span):
                    params[name] = value
                case ("cluster", name, *path) if path and self._is_cluster(name, key.span):
                    address = f"cluster.{name}"
                    bodies[address] = merged(bodies.get(address, ()), (_item(path, value, key.span),))
                case ("param", _) | ("cluster", _, _, *_):
                    pass  # reported
                case _:
                    helps = ("write `param.budget: 2M tokens`, or `cluster.gpus.nodes: 1`",)
                    message = f"a profile sets params and fields of clusters, not `{written}`"
                    self._report("E0219", message, key.span, "cannot be set here", helps)
        if not seen and not profile.damaged:
            self._report("E0401", "`profile` needs `set`", profile.head, "sets nothing")
        return params, bodies

    def _pairs(self, profile: Block) -> Iterator[tuple[Reference, Expression]]:
        for item in profile.body:
            if isinstance(item, Block) or item.name.text != "set":
                name = item.kind if isinstance(item, Block) else item.name
                near = nearest(name.text, ["set"])
                fixes = respelling(name.span, name.text, near)
                message = f"unknown attribute `{name.text}` of `profile`"
                self._report("E0204", message, name.span, "no attribute of this name", did_you_mean(["set"]), fixes)
                if not near:
                    continue
            if isinstance(item, Block):
                continue
            if not isinstance(item.value, Mapping):
                self._report(
                    "E0301", "`set` expects a map, such as `{ param.budget: 2M tokens }`", item.value.span, "not a map"
                )
                continue
            for pair in item.value.pairs:
                if isinstance(pair.key, Reference):
                    yield pair.key, pair.value
                elif pair.key.span != UNKNOWN.span:
                    self._report("E0301", "keys of `set` are names, such as `param.budget`", pair.key.span, "no name")

    def _is_param(self, name: str, span: Span) -> bool:
        assert self.unit.tree is not None
        known = {parameter.name.text: parameter.name.span for parameter in self.unit.tree.parameters}
        if name not in known:
            near = nearest(name, known)
            found, place = [f"param.{each}" for each in near], known.get(near[0]) if near else None
            fixes = readdressing(self.unit.source, span, f"param.{name}", found, place)
            helps = did_you_mean([f"param.{each}" for each in near])
            self._report("E0209", f"unknown param `{name}`", span, "no param of this name", helps, fixes)
        return name in known

    def _is_cluster(self, name: str, span: Span) -> bool:
        assert self.unit.tree is not None
        known = {b.name.text: b.name.span for b in self.unit.tree.blocks if b.kind.text == "cluster" and b.name}
        if name not in known:
            found = [f"cluster.{each}" for each in nearest(name, known)]
            place = known.get(found[0].partition(".")[2]) if found else None
            head = self._head(span)
            fixes = readdressing(self.unit.source, head, f"cluster.{name}", found, place)
            label = "no cluster of this name"
            self._report("E0201", f"unknown cluster `{name}`", span, label, did_you_mean(found), fixes)
        return name in known

    def _head(self, span: Span) -> Span:
        """The address that a key begins with: `cluster.gpus` of `cluster.gpus.deepspeed.zero`."""
        parts = text_at(self.unit.source, span).split(".")
        begin = parts.index("cluster") if "cluster" in parts else 0
        return Span(span.start, span.start + len(".".join(parts[: begin + 2]).encode()))

    def _report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str,
        helps: tuple[str, ...] = (),
        fixes: tuple[Edit, ...] = (),
    ) -> None:
        labels = (Label(span=span, text=label),)
        source = self.unit.source
        self.sink.add(Diagnostic(code=code, message=message, source=source, labels=labels, helps=helps, fixes=fixes))


def _item(path: list[str], value: Expression, span: Span) -> Attribute | Block:
    """`deepspeed.zero: 3` as the attribute in the block that it would be written as."""
    name = Name(path[0], span)
    if len(path) == 1:
        return Attribute(name, value, (), "", span | value.span)
    return Block(name, None, None, None, (_item(path[1:], value, span),), (), "", span, span | value.span)
