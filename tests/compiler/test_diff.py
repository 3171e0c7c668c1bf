"""What differs between two plans: what is computed again and why, and what changes nothing."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.compile import compile_unit
from structdsl.diff import Difference, changed_values, compare
from structdsl.unit import Unit
from tests.compiler.test_identity import SPEC

ROOT = Path(__file__).parents[2]
SPECS = {
    path.relative_to(ROOT).as_posix(): path
    for path in [
        ROOT / "examples" / "quickstart" / "quickstart.adapt",
        *sorted((ROOT / "specs").glob("*.adapt")),
        *sorted((ROOT / "specs" / "std").glob("structtuning_m*.adapt")),
    ]
}


def unit(text: str, path: Path = Path("spec.adapt")) -> Unit:
    overrides = {
        name: '"x"' for name, line in re.findall(r"^param (\w+): \w+([^#\n]*)", text, re.MULTILINE) if "=" not in line
    }
    compiled, sink = compile_unit(text, path, overrides)
    assert compiled.plan is not None, [diagnostic.message for diagnostic in sink]
    return compiled


def difference(old: str, new: str, text: str = SPEC) -> Difference:
    assert text.count(old) == 1
    return compare(unit(text).plan, unit(text.replace(old, new)).plan)


def told(found: Difference, sort: str) -> dict[str, list[str]]:
    return {step.address: [change.text for change in step.own] for step in found.steps if step.sort == sort}


def values(old: str, new: str) -> dict[str, list[tuple[str, str | None, str | None]]]:
    blocks = changed_values(unit(SPEC), unit(SPEC.replace(old, new)))
    return {block.address: [(value.name, value.before, value.after) for value in block.values] for block in blocks}


def test_the_same_spec() -> None:
    assert not compare(unit(SPEC).plan, unit(SPEC).plan).steps


def test_a_chain_leads_to_what_was_changed() -> None:
    found = difference("n_chars > 10", "n_chars > 11")
    steps = {step.address: step for step in found.of_sort("recomputed")}
    assert [change.text for change in steps["corpus.notes.keep"].own] == ["its SQL changed"]
    assert "n_chars > 11" in steps["corpus.notes.keep"].own[0].after
    assert steps["corpus.notes.chunk"].chain == ("corpus.notes.kept", "corpus.notes.keep")
    assert steps["stage.learn.train"].chain[0] == "stage.learn.pack"
    assert steps["stage.learn.train"].chain[-1] == "corpus.notes.keep"
    assert steps["stage.learn.train"].origins == ("corpus.notes.keep",)
    assert found.recomputes
    assert "corpus.web.chunk" not in steps


CHANGES = {
    "argument": ("root = corpus", "root = document", "taxonomy.topics.nodes", "argument `root` corpus → document"),
    "nested argument": ("lr = 1e-3", "lr = 2e-3", "stage.learn.train", "argument `optimizer.lr` 0.001 → 0.002"),
    "source": ("web/*.md", "web/*.txt", "corpus.web.read", "argument `pattern` web/*.md → web/*.txt"),
    "SQL": ("80%", "70%", "mixture.knowledge", "its SQL changed"),
    "guard": ("budget = 1M tokens,", "budget = 1M tokens, max_epochs = 9,", "mixture.knowledge", "its guard changed"),
    "absent before": ("over = [corpus.notes]\n", "over = [corpus.notes, corpus.web]\n", "taxonomy.topics.nodes", None),
}


@pytest.mark.parametrize(("old", "new", "address", "text"), CHANGES.values(), ids=CHANGES)
def test_what_differs_in_a_step_itself(old: str, new: str, address: str, text: str | None) -> None:
    changes = told(difference(old, new), "recomputed")[address]
    assert changes
    assert text is None or text in changes


LABELS = {
    "processes": ("processes = 1", "processes = 2", {"stage.learn.train": ["argument `processes` 1 → 2"]}),
    "zero": (
        "processes = 1",
        "processes = 1, deepspeed { zero = 3 }",
        {"stage.learn.train": ["argument `deepspeed.zero_optimization.stage` 2 → 3"]},
    ),
    "owner": ('owner = "me"', 'owner = "you"', {}),
    "comment": ("project town", "# about\n\nproject town", {}),
}


@pytest.mark.parametrize(("old", "new", "labels"), LABELS.values(), ids=LABELS)
def test_labels_and_costs(old: str, new: str, labels: dict[str, list[str]]) -> None:
    found = difference(old, new)
    assert not found.recomputes
    assert told(found, "label") == labels
    assert {step.sort for step in found.steps} <= {"label"}


def test_a_description_is_a_label() -> None:
    found = difference("corpus notes {", "## What we know.\ncorpus notes {")
    assert not found.recomputes
    assert all(changes == ["its description changed"] for changes in told(found, "label").values())
    assert "corpus.notes" in told(found, "label")


def test_new_and_retired() -> None:
    more = SPEC + 'corpus more { source = files("more/*.md"), role = domain }\n'
    plans = [unit(text).plan for text in (SPEC, more)]
    added, gone = compare(*plans), compare(*reversed(plans))
    names = {"corpus.more.read", "corpus.more.count", "corpus.more", "corpus.more.dropped", "corpus.more.chunk"}
    assert {step.address for step in added.of_sort("new")} >= names - {"corpus.more.chunk"}
    assert told(added, "new").keys() == told(gone, "retired").keys()
    assert not added.recomputes
    everything = compare(None, plans[0])
    assert plans[0] is not None
    assert [step.address for step in everything.of_sort("new")] == [step.address for step in plans[0].steps]
    assert {step.sort for step in compare(plans[0], None).steps} == {"retired"}


def test_what_authors_changed() -> None:
    assert values("1M tokens", "2M tokens") == {"mixture.knowledge": [("budget", "1M tokens", "2M tokens")]}
    assert values("1M tokens", "1_000k tokens") == {}
    assert values('owner = "me"', 'owner = "you"') == {"project": [("owner", '"me"', '"you"')]}
    assert values("depth = 2", "depth = 3") == {"taxonomy.topics": [("rule outline.depth", "2", "3")]}
    assert values("processes = 1", "processes = 1, deepspeed { zero = 3 }") == {
        "cluster.here": [("deepspeed.zero", "2", "3")]
    }
    assert values("corpus web", "## The rest.\ncorpus web") == {"corpus.web": [("##", None, "The rest.")]}
    assert values("language 1\n", "language 1\nparam extra: ratio = 5%\n") == {"param.extra": []}


COMMENTS = re.compile(r"^( *)## .*$", re.MULTILINE)
MEANT = (
    (re.compile(r"\b5M tokens"), "5_000k tokens"),
    (re.compile(r"\b2M,"), "2000k,"),
    (re.compile(r"\b300M tokens"), "0.3B tokens"),
    (re.compile(r"\b2e-5\b"), "0.00002"),
    (re.compile(r"\b3e-3\b"), "0.003"),
    (re.compile(r"\b80%"), "0.8"),
    (re.compile(r"= 4Ki tokens"), "= 4096"),
)


def reworded(text: str, chance: random.Random) -> str:
    """A spec that says the same: other comments, descriptions, owner, spelling, white space and order of blocks."""
    text = COMMENTS.sub(lambda line: f"{line[1]}## {chance.choice(['Other words.', 'More of the same.'])}", text)
    for pattern, spelling in MEANT:
        if chance.random() < 0.5:
            text = pattern.sub(spelling, text)
    text = re.sub(r'owner( *)= "[^"]*"', 'owner = "somebody@else.org"', text)
    text = re.sub(r"(?<=\w) = (?=[\w\[{\"])", lambda _: chance.choice([" = ", "  =  ", " =   "]), text)
    head, *blocks = declarations(text)
    chance.shuffle(blocks)
    return "\n".join([f"# {chance.random()}", head, *blocks]) + "\n"


def declarations(text: str) -> list[str]:
    """What stands before the first block, then each block with the comments and annotations before it."""
    found, waiting = [""], list[str]()
    for line in text.splitlines():
        if line.startswith(("#", "@")):
            waiting.append(line)
        elif re.match(r"[a-z]+ *[\w: .]*\{", line):
            found.append("\n".join([*waiting, line]))
            waiting = []
        else:
            found[-1] += "\n".join(["", *waiting, line])
            waiting = []
    return found


@pytest.mark.parametrize("path", SPECS.values(), ids=SPECS)
@settings(max_examples=3)
@given(chance=st.randoms(use_true_random=False))
def test_other_words_compute_nothing_again(path: Path, chance: random.Random) -> None:
    text = path.read_text(encoding="utf-8")
    said = reworded(text, chance)
    before, after = unit(text, path).plan, unit(said, path).plan
    found = compare(before, after)
    assert {step.sort for step in found.steps} <= {"label"}, [step for step in found.steps if step.sort != "label"][:3]
    assert before is not None
    assert after is not None
    assert {step.address: step.recipe for step in before.steps} == {step.address: step.recipe for step in after.steps}
