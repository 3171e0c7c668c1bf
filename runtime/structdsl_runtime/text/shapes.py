"""The shapes that instructions and preferences come in, each told by the columns of a row and read row by row.

A shape is the `columns` that nobody had to write: where the spec maps one of the columns that decide, it is not asked
for. A column that is null is one that is not there, so that a table with the columns of several shapes works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from structdsl_runtime.text.conversations import TURN, Turn, UnfitError, plain, split, turns_of
from structdsl_runtime.text.normalise import normalise

Look = Callable[[str], object]
"""The value of a row under the name that it has there, None where there is none."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one shape name what we want of them."""

    name: str  # as `corpus.<c>` shows it
    columns: Mapping[str, str]  # our name -> theirs, all of which a row must have
    context: tuple[str, ...] = ()  # columns that belong to the conversation where they are there


MAPPED: Final = "columns"  # the name of the shape that the spec spells out
SHAPES: Final[Mapping[str, tuple[Shape, ...]]] = {
    "instruction": (
        Shape("messages", {"messages": "messages"}, ("system", "tools")),
        Shape("sharegpt", {"messages": "conversations"}, ("system", "tools")),
        Shape("question/answer", {"question": "question", "answer": "answer"}),
        Shape("prompt/completion", {"question": "prompt", "answer": "completion"}, ("tools",)),
        Shape("alpaca", {"question": "instruction", "answer": "output"}, ("input", "system", "history")),
    ),
    "preference": (
        Shape("prompt/chosen/rejected", {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}, ("tools",)),
        Shape("chosen/rejected", {"chosen": "chosen", "rejected": "rejected"}, ("tools",)),
    ),
}
"""By role, the most telling first."""

DECIDING: Final = {
    role: tuple(dict.fromkeys(name for shape in shapes for name in shape.columns)) for role, shapes in SHAPES.items()
}
"""Our columns that a shape is told by."""

KNOWN: Final = {
    role: ", ".join("/".join(shape.columns.values()) for shape in shapes) for role, shapes in SHAPES.items()
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a row says in our terms; `messages` is None where it is no conversation."""

    values: Mapping[str, str]
    text: str  # the row as plain text, every token of which may be learnt
    messages: list[Turn] | None = field(default=None)


def recognise(role: str, columns: Mapping[str, str], look: Look) -> Shape:
    """The shape of a row; where none fits, the one that most of its columns speak for.

    Raises `UnfitError` where nothing speaks for any.
    """
    if set(columns) & set(DECIDING[role]):
        return _mapped(role, columns)
    there = [sum(look(theirs) is not None for theirs in shape.columns.values()) for shape in SHAPES[role]]
    for shape, count in zip(SHAPES[role], there, strict=True):
        if count == len(shape.columns):
            return shape
    if not any(there):
        raise UnfitError("unknown shape", f"none of {KNOWN[role]}")
    return SHAPES[role][there.index(max(there))]


def required(role: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Our columns that some row must have, for the corpus to have rows at all."""
    return tuple(_mapped(role, columns).columns)


def _mapped(role: str, columns: Mapping[str, str]) -> Shape:
    if role == "preference":
        names: tuple[str, ...] = ("prompt", "chosen", "rejected")
    else:
        names = ("messages",) if "messages" in columns else ("question", "answer")
    return Shape(MAPPED, {name: columns.get(name, name) for name in names})


def fields_of(shape: Shape, given: Mapping[str, Any], look: Look) -> Fields:
    """A row in our terms, from its values by our names; raises `UnfitError`."""
    extra = {name: value for name in shape.context if (value := look(name)) not in (None, "", [], "[]")}
    if "tools" in extra:
        raise UnfitError("tools", "`tools` describes calls, which are no text")
    if "chosen" in shape.columns:
        return _pair(shape, given)
    if "messages" in shape.columns:
        return _conversation(_system(extra) + turns_of(given["messages"], shape.columns["messages"]), shape)
    question, answer = given["question"], given["answer"]
    if "input" in extra:
        question = _text(question, shape.columns["question"]) + TURN + _text(extra["input"], "input")
    before = _system(extra) + _history(extra.get("history"))
    if not before and isinstance(question, str) and isinstance(answer, str):
        return Fields({"question": question, "answer": answer}, f"{question}\n{answer}")
    return _conversation(
        [
            *before,
            *_said(question, "user", shape.columns["question"]),
            *_said(answer, "assistant", shape.columns["answer"]),
        ],
        shape,
    )


def _conversation(turns: list[Turn], shape: Shape) -> Fields:
    if [turn["role"] for turn in turns].count("system") > 1:
        raise UnfitError("two systems", "more than one turn is of the role system")
    question, answer = split(turns, list(shape.columns.values())[-1])
    return Fields({"question": question, "answer": answer}, plain(turns), turns)


def _pair(shape: Shape, given: Mapping[str, Any]) -> Fields:
    """Two replies to one prompt, which is a column of its own or what both begin with."""
    prompt, chosen, rejected = given.get("prompt"), given["chosen"], given["rejected"]
    theirs = shape.columns
    if isinstance(chosen, str) and isinstance(rejected, str):
        if prompt is None:
            parted = _shared(chosen, rejected)
            start = max((place + 1 for place in range(parted) if chosen[place].isspace()), default=0)
            values = {"prompt": chosen[:start], "chosen": chosen[start:], "rejected": rejected[start:]}
            values = {name: text.strip() for name, text in values.items()}
            _none_empty(values)
            return Fields(values, chosen)
        if isinstance(prompt, str):
            values = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
            return Fields(values, f"{prompt}\n{chosen}")
    better, worse = (_said(given[name], "assistant", theirs[name]) for name in ("chosen", "rejected"))
    shared = min(_shared(better, worse), len(better) - 1, len(worse) - 1)
    before, better, worse = better[:shared], better[shared:], worse[shared:]
    asked = _said(prompt, "user", theirs["prompt"]) if prompt is not None else []
    if not before:
        before = asked
    elif asked and plain(asked) not in (plain(before), *(turn["content"] for turn in before)):
        raise UnfitError("two prompts", f"`{theirs['prompt']}` is not what the two replies begin with")
    if [turn["role"] for turn in (*better, *worse)] != ["assistant", "assistant"]:
        raise UnfitError("no pair", "the two are not one reply each to the same turns")
    question, answer = split([*before, *better], theirs["chosen"])
    values = {"prompt": question, "chosen": answer, "rejected": worse[0]["content"]}
    _none_empty(values)
    return Fields(values, plain([*before, *better]), [*before, *better])


def _shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items, or characters, two begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))


def _none_empty(values: Mapping[str, str]) -> None:
    for name, text in values.items():
        if not text.strip():
            raise UnfitError("empty", f"`{name}` has no text")


def _said(value: object, role: str, name: str) -> list[Turn]:
    return [{"role": role, "content": value}] if isinstance(value, str) else turns_of(value, name)


def _system(extra: Mapping[str, Any]) -> list[Turn]:
    return [{"role": "system", "content": _text(extra["system"], "system")}] if "system" in extra else []


def _history(value: object) -> list[Turn]:
    """Pairs of what was said before, as Alpaca's followers write them."""
    pairs = [] if value is None else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise UnfitError("wrong type", "`history` is no list of pairs")
    roles = ("user", "assistant")
    turns = [{"role": role, "content": content} for pair in pairs for role, content in zip(roles, pair, strict=True)]
    return turns_of(turns, "history") if turns else []


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UnfitError("wrong type", f"`{name}` is no text")
    return normalise(value)
