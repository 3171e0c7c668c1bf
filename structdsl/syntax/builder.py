"""From the rules of the grammar to the tree: one small function a rule, called as the parser reduces it.

Lark calls each method with the children of its rule, so that no tree of Lark's own is ever built. The methods are
pure: all that they need to know is in the tokens.
"""

from __future__ import annotations

import re
from typing import Any, cast

from lark import Token, Transformer

from structdsl.syntax import strings
from structdsl.syntax.tree import (
    Argument,
    Attribute,
    Binary,
    Block,
    Call,
    Decorator,
    Expression,
    Import,
    Keyword,
    Mapping,
    Name,
    Negation,
    Pair,
    Parameter,
    Quantity,
    Reference,
    Sequence,
    Span,
    Sql,
    Text,
)

NUMBER = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(.*)", re.DOTALL)

Children = list[Any]  # tokens and what the methods below returned


class Builder(Transformer[Token, Any]):
    """The method `block` builds what the rule `block` of `grammar/adapt.lark` has read, and so on."""

    def file(self, children: Children) -> Children:
        return children

    def value(self, children: Children) -> Expression:
        return cast("Expression", children[0])

    def edition(self, children: Children) -> Quantity:
        return self.quantity(children)

    def import_(self, children: Children) -> Import:
        keyword, path, _, alias = children
        return Import(self.text([path]), _name(alias), Span(keyword.start_pos, alias.end_pos))

    # ── declarations ────────────────────────────────────────────────────────────────────────────────────────────

    def parameter(self, children: Children) -> Parameter:
        doc, decorators, rest = _lead(children)
        keyword, name, _, type_, *default = rest
        start = decorators[0].span.start if decorators else keyword.start_pos
        value: Expression | None = default[1] if default else None
        end = value.span.end if value else type_.end_pos
        return Parameter(_name(name), _name(type_), value, decorators, doc, Span(start, end))

    def block(self, children: Children) -> Block:
        doc, decorators, rest = _lead(children)
        body: tuple[tuple[Attribute | Block, ...], Span] = rest.pop()
        kind = _name(rest[0])
        name: Name | None = None
        variant: Name | None = None
        base: Reference | None = None
        end = kind.span.end
        for part in rest[1:]:
            if isinstance(part, Token):
                name = _name(part)
                end = name.span.end
            elif isinstance(part, Name):
                variant = part
                end = part.span.end
            else:
                base = part
                end = part.span.end
        items, braces = body
        head = Span(kind.span.start, end)
        start = decorators[0].span.start if decorators else head.start
        return Block(kind, name, variant, base, items, decorators, doc, head, Span(start, braces.end))

    def variant(self, children: Children) -> Name:
        return _name(children[0])

    def base(self, children: Children) -> Reference:
        return cast("Reference", children[0])

    def body(self, children: Children) -> tuple[tuple[Attribute | Block, ...], Span]:
        items = tuple(child for child in children if isinstance(child, Attribute | Block))
        return items, _brackets(children)

    def attribute(self, children: Children) -> Attribute:
        doc, decorators, (token, value) = _lead(children)
        name = _name(token)
        start = decorators[0].span.start if decorators else name.span.start
        return Attribute(name, value, decorators, doc, Span(start, value.span.end))

    def decorator(self, children: Children) -> Decorator:
        at, name, *rest = children
        if rest and isinstance(rest[0], tuple):
            arguments, span = rest[0]
            return Decorator(_name(name), arguments, Span(at.start_pos, span.end))
        return Decorator(_name(name), (), Span(at.start_pos, name.end_pos))

    # ── expressions ─────────────────────────────────────────────────────────────────────────────────────────────

    def binary(self, children: Children) -> Binary:
        left, operator, right = children
        return Binary(str(operator), left, right, left.span | right.span)

    def negation(self, children: Children) -> Negation:
        minus, operand = children
        return Negation(operand, Span(minus.start_pos, operand.span.end))

    def quantity(self, children: Children) -> Quantity:
        token = children[0]
        match = NUMBER.match(token)
        assert match, token
        number, suffix = match.groups()
        unit = str(children[1]) if len(children) > 1 else ""
        return Quantity(number.replace("_", ""), suffix, unit, Span(token.start_pos, children[-1].end_pos))

    def text(self, children: Children) -> Text:
        token = children[0]
        return strings.read(str(token), token.start_pos)

    def sql(self, children: Children) -> Sql:
        text = self.text(children[1:])
        return Sql(text, Span(children[0].start_pos, text.span.end))

    def keyword(self, children: Children) -> Keyword:
        return Keyword(str(children[0]), _span(children[0]))

    def soft(self, children: Children) -> Name:
        child = children[0]
        return Name(child.text, child.span) if isinstance(child, Keyword) else _name(child)

    def reference(self, children: Children) -> Reference:
        first, last = children[0], children[-1]
        if len(children) == 1:
            return Reference((str(first),), _span(first))
        if isinstance(first, Name):
            parts = (first.text, *map(str, children[1:]))
            return Reference(parts, Span(first.span.start, last.end_pos))
        return Reference(tuple(map(str, children)), Span(first.start_pos, last.end_pos))

    def call(self, children: Children) -> Call:
        name, (arguments, span) = children
        return Call(_name(name), arguments, Span(name.start_pos, span.end))

    def arguments(self, children: Children) -> tuple[tuple[Argument, ...], Span]:
        return tuple(child for child in children if isinstance(child, Argument)), _brackets(children)

    def named(self, children: Children) -> Argument:
        name, value = children
        name = name if isinstance(name, Name) else _name(name)
        return Argument(name, value, Span(name.span.start, value.span.end))

    def positional(self, children: Children) -> Argument:
        return Argument(None, children[0], children[0].span)

    def sequence(self, children: Children) -> Sequence:
        return Sequence(tuple(child for child in children if not isinstance(child, Token)), _brackets(children))

    def mapping(self, children: Children) -> Mapping:
        return Mapping(tuple(child for child in children if isinstance(child, Pair)), _brackets(children))

    def pair(self, children: Children) -> Pair:
        key, value = children
        return Pair(key, value, Span(key.span.start, value.span.end))


def _span(token: Token) -> Span:
    return Span(cast("int", token.start_pos), cast("int", token.end_pos))


def _name(token: Token) -> Name:
    return Name(str(token), _span(token))


def _brackets(children: Children) -> Span:
    """From the opening bracket to the closing one."""
    return Span(children[0].start_pos, children[-1].end_pos)


def _lead(children: Children) -> tuple[str, tuple[Decorator, ...], Children]:
    """The doc comment, the decorators, and the rest."""
    doc: list[str] = []
    decorators: list[Decorator] = []
    for index, child in enumerate(children):
        if isinstance(child, Decorator):
            decorators.append(child)
        elif isinstance(child, Token) and child.type == "DOC":
            doc.append(child.encode("latin-1").decode(errors="replace"))
        else:
            return "\n".join(doc), tuple(decorators), children[index:]
    raise AssertionError(children)
