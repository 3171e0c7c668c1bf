"""What a runtime says that it cannot do, before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from structdsl.compile import compile_text
from structdsl.plan import Operation, Plan
from structdsl_runtime.ability import CARRIED_OUT, WORDS, missing
from structdsl_runtime.operations import OPERATIONS

SPEC = """\
language 1
model base { source = path("models/base") }
model tiny { source = scratch(hidden = 64, layers = 2, heads = 4), tokenizer = of(model.base) }
corpus notes { source = files("notes/*.md"), role = domain }
corpus web { source = files("web/*.md"), role = replay }
corpus asked { source = files("q/*.jsonl"), role = instruction }
corpus rated { source = files("r/*.jsonl"), role = preference }
corpus prose { source = files("p/*.md"), role = probe }
corpus exam { source = files("e/*.jsonl"), role = exam }
taxonomy t { over = [corpus.notes], rule outline: headings { depth = 2 } }
mixture m { budget = 1M tokens, weights = { corpus.notes: 80%, corpus.web: rest } }
stage learn: cpt { from = model.base, data = mixture.m }
"""


def plan_of(more: str) -> Plan:
    plan, sink = compile_text(SPEC + more, Path("spec.adapt"))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    return plan


def test_the_names_are_those_of_the_operations() -> None:
    assert CARRIED_OUT - {"view"} == OPERATIONS.keys()


def test_every_operation_of_the_plan_is_there_or_has_words() -> None:
    union, _ = get_args(Operation)
    known = {model.model_fields["op"].default for model in get_args(union)}
    assert known == CARRIED_OUT | WORDS.keys()
    assert not CARRIED_OUT & WORDS.keys()


LEARN = "from = model.base, data = mixture.m"
STAGE = f"stage s: cpt {{ {LEARN}, cluster = cluster.c }}"
CASES = {
    "nothing": ("", []),
    "structure": (f"stage s: scpt {{ {LEARN}, structure = taxonomy.t, length = 4Ki }}", []),
    "options": ("cluster c { processes = 2, precision = bf16, deepspeed { overlap = true, bucket = 1MB } }", []),
    "distill": (f"stage s: cpt {{ {LEARN}, distill = lssd(swap = top(5)) }}", []),
    "on": (f"stage s: cpt {{ {LEARN}, distill = lssd(on = [replay]) }}", []),
    "cache": (
        f"stage s: cpt {{ {LEARN}, distill = lssd(cache = topk(8)) }}",
        ["`cache = topk`"],
    ),
    "hidden": (f"stage s: cpt {{ {LEARN}, distill = kd(cache = hidden) }}", []),
    "adapter": (f"stage s: cpt {{ {LEARN}, adapter = lora(rank = 8) }}", []),
    "track": (f"stage s: cpt {{ {LEARN}, track = [wandb, corpus.prose] }}", []),
    "pack": (f"stage s: cpt {{ {LEARN}, pack = none }}", []),
    "about a multiple": (f"stage s: cpt {{ {LEARN}, batch = about(64Ki tokens) }}", []),
    "about": (
        f"cluster c {{ processes = 3 }}\nstage s: cpt {{ {LEARN}, batch = about(64Ki), cluster = cluster.c }}",
        [],
    ),
    "fp16": (
        "cluster c { precision = fp16 }\n" + STAGE,
        [],
    ),
    "offload": (
        "cluster c { deepspeed { offload = cpu } }\n" + STAGE,
        [],
    ),
    "nodes": (
        "cluster c { nodes = 2, gpus = 1, checkpoint { every = 9h } }\n" + STAGE,
        [],
    ),
    "placement": (
        """
        cluster c { processes = 4 }
        corpus more { source = files("m/*.md"), role = domain, cluster = cluster.c }
        """,
        ["making data on several processes (`cluster`)"],
    ),
    "launcher": (
        "cluster c { nodes = 2, gpus = 2, launcher = torchrun }\n" + STAGE,
        [],
    ),
    "template": (
        "stage s: sft { from = model.base, data = corpus.asked, template = chatml }",
        [],
    ),
    "choice": (
        "stage s: sft { from = model.base, data = easiest(corpus.asked, take = 9) }",
        ["choosing rows by a model (`easiest`, `fas`)"],
    ),
    "dpo": (
        "stage s: dpo { from = model.base, data = corpus.rated, optimizer = adamw(lr = 5e-7) }",
        ["a stage of variant dpo"],
    ),
    "merge": ("stage s: merge { base = model.base, tuned = stage.learn }", []),
    "tokenizer": (
        'model b { source = path("x"), tokenizer = of(model.base) }\nstage s: cpt { from = model.b, data = mixture.m }',
        [],
    ),
    "hub": (
        'model h { source = hf("a/b") }\nevaluation e { models = [model.h], tasks = { x: closed_book(corpus.exam) } }',
        [],
    ),
    "tasks": (
        "evaluation e { models = [model.base], tasks = { x: multiple_choice(corpus.exam) } }",
        ["the task `multiple_choice`"],
    ),
    "files of rows": ('corpus far { source = table("s3://house/*.parquet"), role = domain }', []),
    "a database": (
        'corpus far { source = table("postgres://house/articles"), role = domain }',
        ["reading a table of a database (`postgres://`)"],
    ),
    "loss": ("check c: rows { over = stage.learn_loss, expect = not_null(loss) }", []),
    "checkpoints": (
        "check c: rows { over = stage.learn_checkpoints, expect = not_null(path) }",
        [],
    ),
}


@pytest.mark.parametrize(("more", "expected"), CASES.values(), ids=CASES)
def test_what_is_missing(more: str, expected: list[str]) -> None:
    assert sorted({found.what for found in missing(plan_of(more))}) == sorted(expected)


def test_only_what_is_selected_is_asked() -> None:
    plan = plan_of(f"stage s: cpt {{ {LEARN}, distill = lssd(cache = topk(64)) }}")
    assert {found.address for found in missing(plan)} == {"stage.s.teacher"}
    assert missing(plan, ["stage.s.pack"]) == ()


def test_it_asks_nothing_heavy() -> None:
    code = "import sys, structdsl_runtime.ability; print({'torch', 'duckdb', 'pyarrow'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_command_line_refuses_every_place_at_once(command: str, tmp_path: Path) -> None:
    lines = [
        'corpus made: derived { over = corpus.web, role = replay, python = "house.clean:shorten", version = 1 }',
        "stage s: dpo { from = model.base, data = corpus.rated, optimizer = adamw(lr = 5e-7) }",
    ]
    (tmp_path / "spec.adapt").write_text(SPEC + "\n".join(lines), encoding="utf-8")
    asked = [sys.executable, "-m", "structdsl", command, "spec.adapt", "--diagnostics", "concise"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "spec.adapt:13:67: error[E0801]: a corpus made in Python (`python`) is not built yet",
        "spec.adapt:14:1: error[E0801]: a stage of variant dpo is not built yet",
        "error: 2 errors",
    ]
    assert not (tmp_path / ".structdsl").exists()
