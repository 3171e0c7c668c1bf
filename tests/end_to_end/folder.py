"""A small world on disk, and the command line as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPEC = """\
language 1
project tiny { seed = 3 }
model scratch {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 256)
  tokenizer = bpe(vocab = 600, over = [corpus.book, corpus.general])
}
corpus book      { source = files("data/book/*.md"), role = domain, title = "The Book" }
corpus general   { source = files("data/general.jsonl"), role = replay, keep = sql "n_chars > 12" }
corpus questions { source = files("data/questions.jsonl"), role = instruction }
corpus exam      { source = files("data/exam.jsonl"), role = exam }
corpus prose     { source = files("data/prose.jsonl"), role = probe }
taxonomy guide {
  over   = [corpus.book]
  chunk  = paragraphs(max = 48 tokens)
  root   = corpus
  levels = [place, person]
  rule outline: headings { depth = 2 }
}
mixture knowledge { budget = 2k tokens, max_epochs = 20, weights = { corpus.book: 60%, corpus.general: rest } }
stage learn: scpt {
  from = model.scratch, data = mixture.knowledge, structure = taxonomy.guide
  length = 256, batch = 1Ki tokens, steps = 4, optimizer = adamw(lr = 1e-3)
}
stage answer: ssft {
  from = stage.learn, data = corpus.questions, structure = taxonomy.guide
  length = 256, batch = 1Ki tokens, steps = 4, optimizer = adamw(lr = 1e-3)
}
evaluation board {
  models = [model.scratch, stage.answer]
  tasks  = { exam: closed_book(corpus.exam, max = 4), prose: perplexity(corpus.prose) }
}
"""


def write_data(folder: Path) -> None:
    """A book of two places with three people each, and what is asked about them."""
    trades = ["baker", "potter", "weaver", "miller", "cooper", "mason"]
    names = ["Ada Fern", "Bess Cobb", "Clara Dew", "Dora Ash", "Edie Moss", "Flora Lark"]
    (folder / "book").mkdir(parents=True)
    for place, start in (("North Bay", 0), ("South Bay", 3)):
        parts = [f"# {place}\n\nA quiet place by the sea.\n"]
        for name, trade in list(zip(names, trades, strict=True))[start : start + 3]:
            parts.append(
                f"## {name}\n\n{name} is a {trade} in {place}.\n\nBy day she works, and a {trade} she will stay.\n"
            )
        (folder / "book" / f"{place.split()[0].lower()}.md").write_text("\n".join(parts), encoding="utf-8")
    asked = [
        {"question": f"What is the trade of {name}?", "answer": trade, "path": f"{place}/{name}"}
        for index, (name, trade) in enumerate(zip(names, trades, strict=True))
        for place in [["North Bay", "South Bay"][index // 3]]
    ]
    lines(folder / "questions.jsonl", asked[::2])
    lines(folder / "exam.jsonl", asked[1::2])
    lines(
        folder / "general.jsonl",
        [{"text": f"Number {n} comes after number {n - 1}."} for n in range(1, 40)] + [{"text": "Short."}],
    )
    lines(folder / "prose.jsonl", [{"text": f"Number {n} comes before number {n + 1}."} for n in range(8)])


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@dataclass(frozen=True)
class Folder:
    """A user's folder and a shell in it."""

    path: Path
    name: str = "tiny"  # of the spec

    @property
    def spec(self) -> Path:
        return self.path / f"{self.name}.adapt"

    @property
    def store(self) -> Path:
        return self.path / ".structdsl" / self.name

    def edit(self, old: str, new: str) -> None:
        text = self.spec.read_text(encoding="utf-8")
        assert text.count(old) == 1
        self.spec.write_text(text.replace(old, new), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "structdsl", *words]

    def shell(self, *words: str, code: int = 0, typed: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words),
            cwd=self.path,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.path,
            text=True,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def rows(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.shell("query", "--format", "json", query).stdout)
        return found

    def statuses(self) -> dict[str, str]:
        """What the latest run did with each step."""
        return {row["address"]: row["status"] for row in self.rows("SELECT address, status FROM meta.steps")}


def environment() -> dict[str, str]:
    return os.environ | {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}


def new(path: Path) -> Folder:
    """A folder with the small world and its spec in it."""
    write_data(path / "data")
    folder = Folder(path)
    folder.spec.write_text(SPEC, encoding="utf-8")
    return folder
