"""Same text, same plan; a recipe changes with what is computed and with nothing else."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from structdsl.compile import compile_text
from structdsl.emit.build import artefacts
from structdsl.identity import Effect, effective
from structdsl.plan import Plan
from structdsl.plan.operations import training

SPEC = """\
language 1
project town { seed = 7, owner = "me" }
model tiny { source = scratch(hidden = 64, layers = 2, heads = 4), tokenizer = bpe(vocab = 1000, over = [corpus.web]) }
corpus notes {
  source = files("notes/*.md")
  role = domain
  keep = sql "n_chars > 10 AND title IS NOT NULL"
}
corpus web { source = files("web/*.md"), role = replay }
corpus exam { source = files("exam.jsonl"), role = exam }
taxonomy topics {
  over = [corpus.notes]
  root = corpus
  rule outline: headings { depth = 2 }
}
mixture knowledge { budget = 1M tokens, weights = { corpus.notes: 80%, corpus.web: rest } }
cluster here { processes = 1 }
stage learn: scpt {
  from = model.tiny
  data = mixture.knowledge
  structure = taxonomy.topics
  optimizer = adamw(lr = 1e-3)
  cluster = cluster.here
}
evaluation board { models = [model.tiny, stage.learn], tasks = { exam: closed_book(corpus.exam) } }
"""


def compiled(text: str, path: str = "spec.adapt") -> Plan:
    plan, sink = compile_text(text, Path(path))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    return plan


def recipes(text: str) -> dict[str, str]:
    return {step.address: step.recipe for step in compiled(text).steps}


BASE = recipes(SPEC)

LABELS = {
    "comment": ("project town", "# a remark\nproject town"),
    "doc comment": ("corpus notes {", "## What we know.\ncorpus notes {"),
    "owner": ('owner = "me"', 'owner = "you"'),
    "spaces": ("role = domain", "role     =     domain   # why not"),
    "unit spelt out": ("1M tokens", "1_000k"),
    "number": ("1e-3", "0.001"),
    "SQL layout": ("n_chars > 10 AND title", "n_chars>10   and   title"),
    "processes": ("processes = 1", "processes = 2"),
    "zero": ("processes = 1", "processes = 1, deepspeed { zero = 0 }"),
    "one line": ("\n  role = domain\n", ", role = domain\n"),
    "explicit default": ("root = corpus", "root = corpus, resolve = first"),
    "params": ("language 1\n", "language 1\nparam unused: ratio = 5%\n"),
    "nodes": ("processes = 1", "nodes = 2, gpus = 8, launcher = slurm"),
    "checkpoint": ("processes = 1", "checkpoint { every = 30min, keep = 2 }"),
    "offload": ("processes = 1", "deepspeed { offload = cpu, bucket = 1MB, overlap = true }"),
    "track": ("cluster = cluster.here", "cluster = cluster.here, track = [wandb, tensorboard]"),
    "default of an argument": ("lr = 1e-3", "lr = 1e-3, weight_decay = 0"),
}


@pytest.mark.parametrize(("old", "new"), LABELS.values(), ids=LABELS)
def test_labels_and_placement_change_no_recipe(old: str, new: str) -> None:
    assert SPEC.count(old) == 1
    assert recipes(SPEC.replace(old, new)) == BASE


DATA = {
    "keep": ("n_chars > 10", "n_chars > 11", "corpus.notes.keep", "corpus.web.chunk"),
    "weight": ("80%", "70%", "mixture.knowledge", "taxonomy.topics"),
    "lr": ("1e-3", "2e-3", "stage.learn.train", "stage.learn.pack"),
    "depth": ("depth = 2", "depth = 1", "taxonomy.topics.nodes", "corpus.notes.chunk"),
    "seed": ("seed = 7", "seed = 8", "mixture.knowledge", "corpus.notes.chunk"),
    "track": ("cluster = cluster.here", "track = [corpus.web]", "stage.learn.train", "stage.learn.pack"),
    "adapter": ("cluster = cluster.here", "adapter = lora()", "stage.learn.train", "stage.learn.pack"),
    "distill": ("cluster = cluster.here", "distill = lssd()", "stage.learn.train", "stage.learn.pack"),
    "source": ("web/*.md", "web/*.txt", "corpus.web.read", "corpus.notes.read"),
}


@pytest.mark.parametrize(("old", "new", "changed", "unchanged"), DATA.values(), ids=DATA)
def test_data_changes_the_recipes_that_depend_on_it(old: str, new: str, changed: str, unchanged: str) -> None:
    found = recipes(SPEC.replace(old, new))
    assert found[changed] != BASE[changed]
    assert found[unchanged] == BASE[unchanged]
    assert found["evaluation.board.scores"] != BASE["evaluation.board.scores"]


@given(st.randoms(use_true_random=False))
def test_order_of_blocks_and_attributes_changes_no_recipe(chance: random.Random) -> None:
    blocks = re.split(r"\n(?=[a-z])", SPEC.removeprefix("language 1\n").rstrip("\n"))
    chance.shuffle(blocks)
    shuffled = []
    for block in blocks:
        head, *lines = block.split("\n")
        if lines:
            *attributes, close = lines
            chance.shuffle(attributes)
            lines = [*attributes, close]
        shuffled.append("\n".join([head, *lines]))
    assert recipes("language 1\n" + "\n".join(shuffled) + "\n") == BASE


class Inner(BaseModel):
    kind: str
    size: int = 3


class Toy(BaseModel):
    op: str = "toy"
    version: int = 1
    threshold: float
    method: str = "fast"
    inner: Inner | None = None
    workers: Annotated[int, Effect.COST] = 1
    name: Annotated[str, Effect.LABEL] = ""


def test_an_argument_at_its_default_is_left_out() -> None:
    assert effective(Toy(threshold=0.5)) == {"op": "toy", "version": 1, "threshold": 0.5}
    assert effective(Toy(threshold=0.5, method="fast", workers=8, name="x")) == effective(Toy(threshold=0.5))
    assert effective(Toy(threshold=0.5, method="slow"))["method"] == "slow"
    assert effective(Toy(threshold=0.5, inner=Inner(kind="a")))["inner"] == {"kind": "a"}
    assert effective(Toy(threshold=0.5, inner=Inner(kind="a", size=4)))["inner"] == {"kind": "a", "size": 4}


def test_a_field_that_is_added_with_a_default_changes_no_recipe() -> None:
    class Later(Toy):
        added: int | None = None

    assert effective(Later(threshold=0.5)) == effective(Toy(threshold=0.5))


def test_no_nested_value_of_the_plan_is_told_apart_by_a_default() -> None:
    nested = [value for value in vars(training).values() if isinstance(value, type) and issubclass(value, BaseModel)]
    for model in (m for m in nested if "op" not in m.model_fields):
        for name in ("kind", "name", "method", "where", "shape"):
            assert name not in model.model_fields or model.model_fields[name].is_required(), (model, name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('hf("a/b", token = secret("ONE"))', 'hf("a/b", token = secret("TWO"))', True),
        ('hf("a/b", token = secret("ONE"))', 'hf("a/b")', True),
        ('hf("a/b")', 'hf("a/b", revision = "v1")', False),
    ],
)
def test_a_secret_is_a_label(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a case
    tiny = SPEC.splitlines()[2]
    found = [compiled(SPEC.replace(tiny, f"model tiny {{ source = {source} }}")) for source in (one, other)]
    steps = [[(step.address, step.recipe) for step in plan.steps] for plan in found]
    assert (steps[0] == steps[1]) is same


def test_artefacts_are_the_same_bytes_everywhere(tmp_path: Path) -> None:
    builds = []
    for number, (zone, seed, name) in enumerate([("UTC", "0", "a"), ("Asia/Kolkata", "1234", "deep/er")]):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "spec.adapt").write_text(SPEC, encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "structdsl", "compile", "spec.adapt" if number else str(folder / "spec.adapt")],
            cwd=folder if number else tmp_path,
            env=os.environ | {"TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C"},
            check=True,
            capture_output=True,
        )
        build = folder / "build" / "spec"
        builds.append(
            {path.relative_to(build): path.read_bytes() for path in sorted(build.rglob("*")) if path.is_file()}
        )
    assert builds[0] == builds[1]
    assert Path("plan.json") in builds[0]
    assert Path("training/learn/deepspeed.json") in builds[0]


def test_a_plan_survives_json() -> None:
    plan = compiled(SPEC)
    assert Plan.model_validate_json(artefacts(plan)["plan.json"]) == plan
