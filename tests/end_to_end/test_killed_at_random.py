"""The data plan, killed at any moment and run again, ends with the tables of a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from structdsl_runtime.store import Manifest

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SPEC = """\
language 1
project toy { seed = 1 }
corpus web {
  source  = files("data/*.jsonl")
  role    = domain
  keep    = sql "n_tokens > 20 AND text NOT LIKE '%heart heart heart%'"
  dedup   = exact
  holdout = 2%
}
corpus words { source = files("words.txt"), role = domain }
model m { source = scratch(hidden = 32, layers = 1, heads = 2), tokenizer = bpe(vocab = 300, over = [corpus.words]) }
mixture x { weights = natural(over = [corpus.web]), budget = 500k tokens }
stage s: cpt { from = model.m, data = mixture.x, length = 512, batch = 4Ki tokens }
"""
COMMAND = (sys.executable, "-m", "structdsl", "run", "toy.adapt", "--select", "stage.s.pack")
WORDS = "heart valve lung airway liver bile kidney salt bone marrow nerve skin".split()  # noqa: SIM905 - a list of words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of which one is large enough to be read by several processes; every tenth text is there twice."""
    rng = random.Random(7)
    root = tmp_path_factory.mktemp("killed")
    (root / "data").mkdir()
    (root / "toy.adapt").write_text(SPEC, encoding="utf-8")
    (root / "words.txt").write_text(" ".join(WORDS), encoding="utf-8")
    for name, documents in (("a", 12_000), ("b", 1_000)):
        with (root / "data" / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            text = "none"
            for number in range(documents):
                text = (
                    text
                    if number % 10 == 9
                    else ". ".join(" ".join(rng.choices(WORDS, k=8)) for _ in range(rng.randrange(1, 60)))
                )
                file.write(f'{{"id": "{name}{number}", "text": "{text}"}}\n')
    return root


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def digests(folder: Path) -> dict[str, str]:
    found = [
        Manifest.model_validate_json(path.read_bytes()) for path in folder.glob(".structdsl/toy/*/*/*/manifest.json")
    ]
    return {f"{manifest.address}:{name}": made.digest for manifest in found for name, made in manifest.outputs.items()}


def test_killed_at_random(folder: Path) -> None:
    began = time.monotonic()
    process = start(folder)
    assert process.wait() == 0, process.stdout and process.stdout.read()
    seconds = time.monotonic() - began
    undisturbed = digests(folder)
    (folder / ".structdsl").rename(folder / "undisturbed")

    rng = random.Random()
    left, ends = ROUNDS, count()
    while left:
        process = start(folder)
        try:
            process.wait(timeout=rng.uniform(0.2, 0.8 * seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL) if rng.random() < 0.5 else process.kill()
            process.wait()
            left -= 1
            continue
        assert process.returncode == 0, process.stdout and process.stdout.read()
        assert digests(folder) == undisturbed
        (folder / ".structdsl").rename(folder / f"finished-{next(ends)}")
    process = start(folder)
    assert process.wait() == 0, process.stdout and process.stdout.read()
    assert digests(folder) == undisturbed
