"""Recall samples: the tree itself as what is to be predicted.

A small tree is recalled whole. A book is recalled by chapter (the contents page of the book, this chapter marked, and
the chapter's full map as the response) and by section (the contents page of the chapter, this section marked, and the
same page with the section opened). Only what a pass visited is recalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from structdsl_runtime.operation import Fault
from structdsl_runtime.structure.mindmap import (
    WINDOWS,
    View,
    clean,
    draw,
    first_children,
    is_tried,
    siblings,
    small,
    whole,
)
from structdsl_runtime.structure.templates import DEFAULT, TEMPLATES, recall_prompt
from structdsl_runtime.structure.tree import Node
from structdsl_runtime.structure.ways import Way
from structdsl_runtime.text import stable
from structdsl_runtime.text.prompts import question_prompt


@dataclass(frozen=True, slots=True)
class Recall:
    node: Node
    prompt: str
    response: str

    @property
    def sample_id(self) -> str:
        return sample_id_of(self.node.node_id)

    def row(self) -> dict[str, Any]:
        """The sample as the operations that render write it."""
        return {
            "sample_id": self.sample_id,
            "kind": "recall",
            "prompt": self.prompt,
            "response": self.response,
            "corpus": self.node.corpus,
            "doc_id": self.node.doc_id,
            "chunk_id": None,
            "node_id": self.node.node_id,
            "marks": None,
        }


def recall(node: Node, most: int) -> Iterator[Way]:
    """The ways to recall a node in a sample of at `most` so many tokens."""
    root = node.root
    sample_id = sample_id_of(node.node_id)
    field, aspect = clean((node.parent or root).title), clean(node.title)  # the field is what the page is of
    if small(root):
        return _ways([tree_prompt(sample_id, field, aspect)], _depths(root, most))
    if node is node.chapter:
        ask = _ask("recall_chapter" if node is not root else "recall_tree", sample_id, field, aspect)
        responses = _depths(node, most)
    else:
        ask = _ask("recall_section", sample_id, field, aspect)
        responses = _opened(node, most)
    prompts = (
        recall_prompt(ask, None if node is root else draw(page, node), field=field, sample_id=sample_id)
        for page in _pages(node, most)
    )
    return _ways(prompts, responses)


def tree_prompt(sample_id: str, field: str, aspect: str) -> str:
    """What asks for a whole tree, where no map is shown."""
    return recall_prompt(_ask("recall_tree", sample_id, field, aspect), None, field=field, sample_id=sample_id)


def outline_question(root: Node, most: int) -> Iterator[Way]:
    """The ways to ask for the structure of a whole tree, in the form in which every question is asked."""
    question = _ask("questions", sample_id_of(root.node_id), clean(root.title), "")
    return _ways([question_prompt(question)], _depths(root, most))


def too_long(node: Node, room: int, prompt: int, response: int) -> Fault:
    """Fault E0710: no way to recall a node has at most `room` tokens."""
    return Fault(
        "E0710",
        f"the recall sample of `{clean(node.title)}` does not fit",
        notes=(f"prompt {prompt} + response {response} tokens, at its shortest; there is room for {room}",),
        helps=("raise `length` of the stage",),
    )


def sample_id_of(node_id: str) -> str:
    return f"recall:{node_id}"


def _ask(kind: str, sample_id: str, field: str, aspect: str) -> str:
    options: tuple[str, ...] = getattr(TEMPLATES[DEFAULT], kind)
    return stable.pick(options, kind, sample_id).format(field=field, aspect=aspect)


def _pages(node: Node, most: int) -> Iterator[View]:
    if is_tried(1 + len((node.parent or node).children), most):
        yield siblings(node)
    for window in WINDOWS:
        yield siblings(node, window)


def _depths(node: Node, most: int) -> Iterator[View]:
    """The map of a node, whole, then with its deepest level left out, and so on; at last with its first children."""
    lines = list(accumulate(node.levels))
    for levels in range(max(1, len(lines) - 1), 0, -1):
        if is_tried(lines[min(levels, len(lines) - 1)], most):
            yield whole(node, levels)
    for window in WINDOWS:
        if 0 < window < len(node.children):
            yield first_children(node, window)


def _opened(section: Node, most: int) -> Iterator[View]:
    """The chapter with this section opened, whole, then less and less deep, then with fewer siblings."""
    for page in _pages(section, most):
        for opened in _depths(section, most):
            below = tuple(opened if view.node is section else view for view in page.below)
            yield View(page.node, below)


def _ways(prompts: Iterable[str], responses: Iterable[View]) -> Iterator[Way]:
    """Each prompt with each response: the response is cut before the prompt."""
    drawn: list[str] = []
    for number, prompt in enumerate(prompts):
        for response in drawn if number else map(draw, responses):
            if not number:
                drawn.append(response)
            yield prompt, response
