"""The text of a lock, what is refused as one, and what two of them say of each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from structdsl.compile import compile_unit
from structdsl.diagnostics import Sink
from structdsl.lock import BadLock, Files, Folder, HubDataset, HubModel, Lock, Shape, changes, model_shapes, read, write
from structdsl.passes.read_lock import read_lock
from structdsl.plan import ReadDataset
from structdsl.syntax.source import Source
from structdsl.unit import Unit

SHAPE = Shape(parameters=494_032_768, hidden=896, layers=24, heads=14, vocab=151_936)
NOTES = Files(files=2, bytes=30, digest="d1", listing={"notes/a.md": "1" * 16, "notes/b.md": "2" * 16})
LOCK = Lock(
    compiler="1.0.0",
    edition=1,
    parameters={"seed": "3"},
    pins={
        "model.base.load": HubModel(repository="acme/tiny", asked="main", revision="a" * 40, shape=SHAPE),
        "corpus.notes.read": NOTES,
        "corpus.web.read": HubDataset(repository="acme/web", revision="b" * 40, columns={"text": "string"}),
        "model.small.load": Folder(files=1, bytes=9, digest="d2", shape=Shape(hidden=8)),
    },
)


def test_text_and_back() -> None:
    text = write(LOCK)
    assert read(text) == LOCK
    assert write(read(text)) == text
    assert text.index("corpus.notes") < text.index("corpus.web") < text.index("model.base")
    assert "null" not in text


def test_shapes() -> None:
    assert model_shapes(LOCK) == {"model.base": SHAPE, "model.small": Shape(hidden=8)}
    assert LOCK.revision("model.base.load") == "a" * 40
    assert LOCK.revision("corpus.notes.read") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("<<<<<<< HEAD\n", "unresolved merge"),
        ("[]", "does not begin like a lock"),
        ('{"packages": []}', "does not begin like a lock"),
        ('{"lock": 2}', "its format is 2"),
        ('{"lock": 1}', "not what a lock holds"),
        (write(LOCK).replace('"files": 2', '"files": "many"'), "not what a lock holds"),
        (write(LOCK).replace('"edition"', '"editon"'), "not what a lock holds"),
    ],
)
def test_what_is_no_lock(text: str, says: str) -> None:
    with pytest.raises(BadLock) as caught:
        read(text)
    assert says in caught.value.reason
    sink = Sink()
    unit = read_lock(Unit(source=Source(Path("s.adapt"), ""), lock_text=text), sink)
    (diagnostic,) = sink
    assert (diagnostic.code, unit.lock) == ("E0810", None)
    assert "`s.adapt.lock` is no lock" in diagnostic.message


SPEC = """
language 1
model base { source = hf("acme/tiny", revision = "main") }
corpus web { source = hf_dataset("acme/web", split = "train"), role = replay }
mixture m { budget = 1k tokens, weights = { corpus.web: 100% } }
stage s: cpt { from = model.base, data = mixture.m }
"""


@pytest.mark.parametrize(
    ("spec", "revision"),
    [
        (SPEC, "b" * 40),
        (SPEC.replace('split = "train"', 'split = "train", revision = "v2"'), "v2"),
        (SPEC.replace("acme/web", "acme/other"), None),
    ],
    ids=["as asked", "another revision", "another dataset"],
)
def test_a_dataset_is_read_at_the_commit_that_is_pinned(spec: str, revision: str | None) -> None:
    unit, sink = compile_unit(spec, Path("s.adapt"), lock=write(LOCK))
    assert unit.plan is not None, [diagnostic.message for diagnostic in sink]
    (found,) = [step.operation for step in unit.plan.steps if isinstance(step.operation, ReadDataset)]
    assert found.revision == revision


def test_the_pass_reads_it() -> None:
    unit = Unit(source=Source(Path("s.adapt"), ""))
    assert read_lock(unit, Sink()).lock is None
    assert read_lock(dataclasses.replace(unit, lock_text=write(LOCK)), Sink()).lock == LOCK


def forgotten(digest: str) -> None:
    """The memory of a store that has none."""
    del digest


def with_pin(address: str, **values: Any) -> Lock:
    return LOCK.model_copy(update={"pins": LOCK.pins | {address: LOCK.pins[address].model_copy(update=values)}})


NEW = {"notes/a.md": "9" * 16, "notes/c.md": "3" * 16}
CHANGES = [
    (LOCK, []),
    (LOCK.model_copy(update={"compiler": "1.1.0"}), ["compiler 1.0.0 → 1.1.0"]),
    (LOCK.model_copy(update={"edition": 2}), ["edition 1 → 2"]),
    (LOCK.model_copy(update={"parameters": {"seed": "4", "x": "1"}}), ["param `seed` 3 → 4", "param `x` is new: 1"]),
    (
        with_pin("corpus.notes.read", digest="d9", listing=NEW),
        ["corpus.notes.read: sources +1 ~1 −1 (notes/c.md, notes/a.md, notes/b.md)"],
    ),
    (
        with_pin("corpus.notes.read", digest="d9", files=900, bytes=7, listing=None),
        ["corpus.notes.read: sources 2 files, 30 bytes → 900 files, 7 bytes"],
    ),
    (with_pin("model.base.load", revision="c" * 40), ["model.base.load: revision aaaaaaaaaaaa → cccccccccccc"]),
    (
        with_pin("model.base.load", asked="v2"),
        ["model.base.load: the spec asks for revision v2 in place of main"],
    ),
    (
        with_pin("corpus.web.read", columns={"body": "string"}),
        ["corpus.web.read: column `text` is gone", "corpus.web.read: column `body` is new: string"],
    ),
    (with_pin("model.small.load", shape=Shape(hidden=16)), ["model.small.load: shape `hidden` 8 → 16"]),
    (
        LOCK.model_copy(update={"pins": {n: p for n, p in LOCK.pins.items() if n != "corpus.web.read"}}),
        ["corpus.web.read is pinned and no longer in the plan"],
    ),
    (LOCK.model_copy(update={"pins": LOCK.pins | {"corpus.x.read": NOTES}}), ["corpus.x.read is not pinned"]),
    (LOCK.model_copy(update={"pins": LOCK.pins | {"model.base.load": NOTES}}), ["model.base.load: hub model → files"]),
]


@pytest.mark.parametrize(("now", "said"), CHANGES, ids=range(len(CHANGES)))
def test_changes(now: Lock, said: list[str]) -> None:
    assert changes(LOCK, now, forgotten) == said


def test_a_run_may_be_given_other_params() -> None:
    assert changes(LOCK, LOCK.model_copy(update={"parameters": {}}), forgotten, params=False) == []


def test_many_files_are_named_where_the_store_remembers_them() -> None:
    listings = {"d1": {"a": "1" * 64}, "d9": {"a": "1" * 64, "b": "2" * 64}}
    before = with_pin("corpus.notes.read", files=1, listing=None)
    now = with_pin("corpus.notes.read", digest="d9", listing=None)
    assert changes(before, now, listings.get) == ["corpus.notes.read: sources +1 ~0 −0 (b)"]
