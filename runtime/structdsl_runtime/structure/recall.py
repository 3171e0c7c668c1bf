"""Recall samples: the tree itself as what is to be predicted.

A small tree is recalled whole. A book is recalled by chapter (the contents page of the book, this chapter marked, and
the chapter's full map as the response) and by section (the contents page of the chapter, this section marked, and the
same page with the section opened). Only what a pass visited is recalled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from structdsl_runtime.operation import Fault
from structdsl_runtime.structure.mindmap import WINDOWS, View, clean, draw, first_children, siblings, small, whole
from structdsl_runtime.structure.templates import DEFAULT, TEMPLATES, recall_prompt
from structdsl_runtime.structure.tree import Node
from structdsl_runtime.text import stable
from structdsl_runtime.text.prompts import question_prompt

CountOne = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Recall:
    node: Node
    prompt: str
    response: str

    @property
    def sample_id(self) -> str:
        return _sample_id(self.node)

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


def recalled(visited: Iterable[Node]) -> dict[Node, list[Node]]:
    """The nodes to recall, each with the visited nodes at or below it, in the order of `visited`."""
    found: dict[Node, list[Node]] = {}
    for node in visited:
        for target in _targets(node):
            found.setdefault(target, []).append(node)
    return found


def recall(node: Node, room: int, count: CountOne) -> Recall:
    """The sample that recalls a node in at most `room` tokens; raises Fault E0710 where even its shortest is longer."""
    root = node.root
    sample_id = _sample_id(node)
    field, aspect = clean((node.parent or root).title), clean(node.title)  # the field is what the page is of
    if small(root):
        ask = _ask("recall_tree", sample_id, field, aspect)
        return _fit(node, [recall_prompt(ask, None, field=field, sample_id=sample_id)], _depths(root), room, count)
    if node is node.chapter:
        ask = _ask("recall_chapter" if node is not root else "recall_tree", sample_id, field, aspect)
        responses = _depths(node)
    else:
        ask = _ask("recall_section", sample_id, field, aspect)
        responses = _opened(node)
    prompts = (
        recall_prompt(ask, None if node is root else draw(page, node), field=field, sample_id=sample_id)
        for page in _pages(node)
    )
    return _fit(node, prompts, responses, room, count)


def outline_question(root: Node, room: int, count: CountOne) -> Recall:
    """The question for the structure of a whole tree, in the form in which every question is asked."""
    question = _ask("questions", _sample_id(root), clean(root.title), "")
    return _fit(root, [question_prompt(question)], _depths(root), room, count)


def _sample_id(node: Node) -> str:
    return f"recall:{node.node_id}"


def _targets(node: Node) -> Iterator[Node]:
    """What is recalled when this node was visited: its tree where that is small, else its chapter and section."""
    line = node.line
    if small(line[0]):
        yield line[0]
        return
    first = 0 if line[0].depth > 0 else 1
    yield from line[first : first + 2]


def _ask(kind: str, sample_id: str, field: str, aspect: str) -> str:
    options: tuple[str, ...] = getattr(TEMPLATES[DEFAULT], kind)
    return stable.pick(options, kind, sample_id).format(field=field, aspect=aspect)


def _pages(node: Node) -> Iterator[View]:
    yield siblings(node)
    for window in WINDOWS:
        yield siblings(node, window)


def _depths(node: Node) -> Iterator[View]:
    """The map of a node, whole, then with its deepest level left out, and so on; at last with its first children."""
    below = max(len(part.line) for part in node.walk()) - len(node.line)
    for levels in range(max(1, below), 0, -1):
        yield whole(node, levels)
    for window in WINDOWS:
        if 0 < window < len(node.children):
            yield first_children(node, window)


def _opened(section: Node) -> Iterator[View]:
    """The chapter with this section opened, whole, then less and less deep, then with fewer siblings."""
    for window in (None, *WINDOWS):
        page = siblings(section, window)
        for opened in _depths(section):
            below = tuple(opened if view.node is section else view for view in page.below)
            yield View(page.node, below)


def _fit(node: Node, prompts: Iterable[str], responses: Iterable[View], room: int, count: CountOne) -> Recall:
    """The first of the prompts and of the responses that fit together, the response being cut before the prompt."""
    least = (0, 0)
    drawn = [draw(view) for view in responses]
    for prompt in prompts:
        used = count(prompt)
        for response in drawn:
            needed = count(response)
            least = (used, needed)
            if used + needed <= room:
                return Recall(node, prompt, response)
    raise Fault(
        "E0710",
        f"the recall sample of `{clean(node.title)}` does not fit",
        notes=(f"prompt {least[0]} + response {least[1]} tokens, at its shortest; there is room for {room}",),
        helps=("raise `length` of the stage",),
    )
