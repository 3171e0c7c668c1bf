"""What is held against what is measured, where one is made from the other: nobody waits for who waits for him."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.plan import Decontaminate

BLOCKS = {
    "base": 'model base { source = path("models/base") }',
    "a": 'corpus a { source = files("a/*.md"), role = domain }',
    "b": 'corpus b { source = files("b/*.md"), role = replay }',
    "m": "mixture m { budget = 1k tokens, weights = { corpus.a: 50%, corpus.b: rest } }",
    "s": "stage s: cpt { from = model.base, data = mixture.m }",
}


def probe(name: str, over: str) -> str:
    """A probe that is made from another table."""
    query = f"SELECT '{name}' AS doc_id, 'text' AS text FROM ${{{over}}}"
    return f'corpus {name}: derived {{ over = [{over}], role = probe, select = sql "{query}" }}'


OF_A, OF_B = probe("of_a", "corpus.a"), probe("of_b", "corpus.b")
HOLD = 'corpus {0} {{ source = files("{0}/*.md"), role = domain, holdout = 1%{1} }}'
CASES = {
    "nothing is made from what is trained on": (
        {"given": 'corpus given { source = files("g/*.md"), role = probe }'},
        {"a": ["given"], "b": ["given"]},
        [],
    ),
    "a probe made from what is trained on": (
        {"of_a": OF_A},
        {"a": [], "b": ["of_a"]},
        ["`corpus.a` cannot be held against `corpus.of_a`, made after it"],
    ),
    "two, and each other's text": (  # a waits for b's probe, so b cannot wait for a's
        {"of_a": OF_A, "of_b": OF_B},
        {"a": ["of_b"], "b": []},
        [
            "`corpus.a` cannot be held against `corpus.of_a`, made after it",
            "`corpus.b` cannot be held against `corpus.of_a`, `corpus.of_b`, made after it",
        ],
    ),
    "the circle closes through a stage": (
        {"of_a": probe("of_a", "stage.s_loss")},
        {"a": [], "b": []},
        [
            "`corpus.a` cannot be held against `corpus.of_a`, made after it",
            "`corpus.b` cannot be held against `corpus.of_a`, made after it",
        ],
    ),
    "what is said goes before what is not": (  # b asks for a's probe by name, so a cannot wait for b's
        {
            "of_a": OF_A,
            "of_b": OF_B,
            "b": BLOCKS["b"].replace(" }", ", decontaminate = ngrams(13, against = [corpus.of_a]) }"),
        },
        {"a": [], "b": ["of_a"]},
        ["`corpus.a` cannot be held against `corpus.of_a`, `corpus.of_b`, made after it"],
    ),
    "who goes without waits for nobody": (
        {"of_a": OF_A, "of_b": OF_B, "a": BLOCKS["a"].replace(" }", ", decontaminate = none }")},
        {"b": ["of_a"]},
        ["`corpus.b` cannot be held against `corpus.of_b`, made after it"],
    ),
    "each against what both hold out": (
        {"a": HOLD.format("a", ""), "b": HOLD.format("b", "")},
        {"a": ["a_heldout", "b_heldout"], "b": ["a_heldout", "b_heldout"]},
        [],
    ),
    "what is held out once the other is done": (  # b holds out what is no copy of a, so a is done first
        {"a": HOLD.format("a", ""), "b": HOLD.format("b", ", dedup = exact(against = [corpus.a])")},
        {"a": ["a_heldout"], "b": ["a_heldout", "b_heldout"]},
        ["`corpus.a` cannot be held against `corpus.b_heldout`, made after it"],
    ),
}


@pytest.mark.parametrize(("more", "held", "notes"), CASES.values(), ids=CASES)
def test_no_circle_is_closed_whatever_the_order_of_the_text(
    more: dict[str, str], held: dict[str, list[str]], notes: list[str]
) -> None:
    blocks = list((BLOCKS | more).values())
    recipes: set[str] = set()
    for order in (blocks, blocks[::-1], sorted(blocks, key=len)):
        plan, sink = compile_text("language 1\n" + "\n".join(order) + "\n", Path("spec.adapt"))
        assert plan is not None, [diagnostic.message for diagnostic in sink]
        found = {
            step.address.split(".")[1]: [name.removeprefix("corpus.") for name in step.operation.against[0]]
            for step in plan.steps
            if isinstance(step.operation, Decontaminate)
        }
        assert found == {name: tables for name, tables in held.items() if tables}
        assert sorted(note.message for note in plan.notes if note.code == "W0502") == notes
        recipes.add(str(sorted((step.address, step.recipe) for step in plan.steps)))
    assert len(recipes) == 1
