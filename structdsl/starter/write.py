"""A first spec for the files of a folder: small, honest about what it measures, and run in about a minute on a CPU.

It shows the whole path in the fewest words. Its budget is below what the text can fill: words are the least that a
byte-level tokenizer can make of it.
"""

from __future__ import annotations

import glob
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from structdsl.format import format_text
from structdsl.starter.look import ASKED, Found, Text
from structdsl.syntax.source import Source
from structdsl.syntax.spell import quoted

MOST_TOKENS = 150_000  # of a budget: about a minute on a laptop
EPOCHS = (4, 40)  # of the mixture: more where there is little text
ENOUGH_WORDS = 60_000  # all epochs together
SAFETY = 0.8
WORDS = frozenset({"extends"})  # of the grammar, where a name would stand


def identifier(name: str) -> str:
    """A name of the language made of any text: `2024 Lab-Notes` becomes `spec_2024_lab_notes`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    word = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return word if word[:1].isalpha() and word not in WORDS else f"spec_{word}".rstrip("_")


def starter(name: str, found: Found) -> str:
    """The text of a spec for what was found; it compiles without a word."""
    head = "## Small enough to run on a laptop in about a minute; every number is there to be changed."
    parts = [f"language 1\n\n{head}\nproject {name} {{ seed = 1 }}", _model(found), *_corpora(found)]
    parts += [*_structure(found), *_mixture(found), *_stages(found), *_evaluation(found)]
    return format_text(Source(Path(f"{name}.adapt"), "\n\n".join(parts) + "\n"))


def _model(found: Found) -> str:
    over = [f"corpus.{c}" for c, there in (("documents", found.text), ("questions", found.questions)) if there]
    words = found.text.words if found.text else found.questions.words if found.questions else 0
    vocab = 512 if words < 5_000 else 2048 if words < 100_000 else 4096
    return f"""\
## From scratch and tiny, to see every step. For a real one: source = hf("Qwen/Qwen2.5-0.5B"), and no tokenizer.
model tiny {{
  source    = scratch(hidden = 128, layers = 2, heads = 4, positions = 512)
  tokenizer = bpe(vocab = {vocab}, over = [{", ".join(over)}])
}}"""


def _corpora(found: Found) -> Iterator[str]:
    if (text := found.text) is not None:
        lines = [f"  source = files({quoted(text.group.pattern)})", "  role   = domain"]
        lines += [f"  columns = {{ text: {quoted(text.column)} }}"] if text.column != "text" else []
        lines += _limit(text.limit)
        yield from _documents(text, lines)
    if (questions := found.questions) is not None:
        lines = [f"  source = files({quoted(questions.group.pattern)})"]
        pairs = zip(ASKED[0], questions.names, strict=True)
        columns = [f"{ours}: {quoted(theirs)}" for ours, theirs in pairs if ours != theirs]
        lines += [f"  columns = {{ {', '.join(columns)} }}"] if columns else []
        lines += _limit(questions.limit)
        if not questions.examined:
            yield _block("corpus questions", [*lines, "  role = instruction"])
        else:
            trained, asked = quoted("md5(question) >= '4'"), quoted("md5(question) < '4'")
            head = "## Three questions of four train, the others examine; which ones follows from their text."
            yield _block(f"{head}\ncorpus questions", [*lines, "  role = instruction", f"  keep = sql {trained}"])
            yield _block("corpus exam", [*lines, "  role = exam", f"  keep = sql {asked}"])
    for group in found.others:
        count = "a file" if len(group.files) == 1 else f"{len(group.files)} files"
        yield f"# Also here, and not used yet: {group.pattern} ({count})."


def _limit(rows: int | None) -> list[str]:
    return [f"  limit = {rows} docs   # what a minute is enough for"] if rows else []


def _documents(text: Text, lines: list[str]) -> Iterator[str]:
    """What is read, and what of it only measures."""
    measures = "## Never trained on: how well it is predicted shows what carries over.\ncorpus unseen"
    if text.probe is not None:
        shown = text.probe.as_posix().replace("'", "''")
        keep = quoted(f"source <> '{shown}'")
        yield _block(
            "## What is to be learned: all but the file below.\ncorpus documents", [*lines, f"  keep = sql {keep}"]
        )
        source = quoted(glob.escape(text.probe.as_posix()))
        yield _block(measures, [f"  source = files({source})", "  role   = probe"])
    elif text.split:
        learned, kept = quoted("md5(text) >= '2'"), quoted("md5(text) < '2'")
        head = "## What is to be learned: seven rows of eight; which ones follows from their text.\ncorpus documents"
        yield _block(head, [*lines, f"  keep = sql {learned}"])
        rows = [line.replace("domain", "probe") if "role" in line else line for line in lines]
        yield _block(measures, [*rows, f"  keep = sql {kept}"])
    else:
        yield _block("## What is to be learned.\ncorpus documents", lines)


def _structure(found: Found) -> Iterator[str]:
    if found.text is not None and found.text.depth:
        yield f"""\
## Headings give every piece of text its place; it is learned under the map of where it stands.
taxonomy outline {{
  over  = [corpus.documents]
  chunk = paragraphs(max = 128 tokens)
  rule headings: headings {{ depth = {found.text.depth} }}
}}"""


def _mixture(found: Found) -> Iterator[str]:
    if found.text is not None:
        words = found.text.words
        epochs = min(EPOCHS[1], max(EPOCHS[0], -(-ENOUGH_WORDS // words)))
        budget = max(1, min(MOST_TOKENS, int(words * epochs * SAFETY)))
        yield f"""\
## For a real model mix in general text as well (`role = replay`), or it forgets what it knew.
@allow(W0501, reason = "a model from scratch has nothing to forget")
mixture reading {{
  budget     = {budget} tokens
  max_epochs = {epochs}
  weights    = {{ corpus.documents: 100% }}
}}"""


def _stages(found: Found) -> Iterator[str]:
    if found.text is not None:
        structured = bool(found.text.depth)
        yield _stage("learn", "scpt" if structured else "cpt", "model.tiny", "mixture.reading", structured=structured)
    if found.questions is not None:
        from_ = "stage.learn" if found.text is not None else "model.tiny"
        yield _stage("answer", "sft", from_, "corpus.questions", structured=False)


def _stage(name: str, variant: str, from_: str, data: str, *, structured: bool) -> str:
    lines = [f"  from      = {from_}", f"  data      = {data}"]
    lines += ["  structure = taxonomy.outline"] if structured else []
    lines += ["  length    = 512", "  batch     = 4Ki tokens", "  optimizer = adamw(lr = 1e-3)"]
    return _block(f"stage {name}: {variant}", lines)


def _evaluation(found: Found) -> Iterator[str]:
    tasks = []
    if found.text is not None and (found.text.probe is not None or found.text.split):
        tasks.append("text: perplexity(corpus.unseen)")
    if found.questions is not None and found.questions.examined:
        tasks.append("exam: closed_book(corpus.exam, max = 16)")
    last = "answer" if found.questions is not None else "learn"
    if tasks:
        yield _block(
            "## The model before and after.\nevaluation board",
            [f"  models = [model.tiny, stage.{last}]", f"  tasks  = {{ {', '.join(tasks)} }}"],
        )
    else:
        few = "few questions for an exam" if found.questions is not None else "little text to keep some of it apart"
        yield (
            f"# Nothing is measured: there is too {few}. With more of it, give a corpus `role = probe` or\n"
            "# `role = exam`, and ask for `perplexity(…)` or `closed_book(…)` of it in an `evaluation`."
        )


def _block(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head} {{", *lines, "}"])
