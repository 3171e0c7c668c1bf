"""Exam items as prompts: the form that training used, after worked examples from the same exam where asked for.

A model that was trained in a chat template is asked in it, and examples are earlier turns of the conversation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from structdsl_runtime.text.chat import Asked, Chat
from structdsl_runtime.text.conversations import Turn
from structdsl_runtime.text.prompts import question_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    item: str  # its doc_id
    question: str
    answer: str
    aliases: tuple[str, ...]
    path: str | None

    @property
    def accepted(self) -> tuple[str, ...]:
        return (self.answer, *self.aliases)


def item_of(row: dict[str, Any]) -> Item:
    """An item from a row of the exam."""
    return Item(
        item=row["doc_id"],
        question=row["question"],
        answer=row["answer"],
        aliases=tuple(row["aliases"] or ()),
        path=row["path"],
    )


def prompts(items: Sequence[Item], *, shots: int, seed: int) -> list[str]:
    """The prompt of each item; examples are drawn per item from the others, by the seed and the item's id alone."""
    return [
        "".join((*map(_worked, _others(items, place, shots, seed)), question_prompt(item.question)))
        for place, item in enumerate(items)
    ]


def chats(items: Sequence[Item], template: Chat, *, shots: int, seed: int) -> list[Asked]:
    """What `prompts` asks, in a chat template; raises Fault E0731 where that refuses an item."""
    return [
        template.ask(
            [*_turns(_others(items, place, shots, seed)), {"role": "user", "content": item.question}], item.item
        )
        for place, item in enumerate(items)
    ]


def _turns(examples: Sequence[Item]) -> Iterator[Turn]:
    for item in examples:
        yield {"role": "user", "content": item.question}
        yield {"role": "assistant", "content": item.answer}


def _others(items: Sequence[Item], place: int, shots: int, seed: int) -> list[Item]:
    count = min(shots, len(items) - 1)
    drawn = random.Random(f"{seed}:{items[place].item}").sample(range(len(items) - 1), count)  # noqa: S311 - no secret
    return [items[number + (number >= place)] for number in drawn]


def _worked(item: Item) -> str:
    return f"{question_prompt(item.question)}{item.answer}\n\n"
