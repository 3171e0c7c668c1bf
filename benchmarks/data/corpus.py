"""A corpus with known answers: Markov text in Markdown, and planted in it exact and near duplicates, and junk.

`python -m benchmarks.data.corpus --into DIR [--mb 240] [--text GLOB]`. The text is a walk over an invented vocabulary,
or over the bigrams of the paragraphs that GLOB finds. Blocks are seeded one by one: a larger corpus begins with the
smaller one, and memory is that of a block. `truth.parquet` has every planted pair with its true Jaccard similarity
(shingles of five words at white space); what is not planted shares next to nothing.

Written: `part-*.jsonl` (`id`, `text`, `url`, `date`), `truth.parquet` (`a`, `b`, `kind`, `jaccard`), `corpus.json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Ids = np.typing.NDArray[np.int32]

DOCUMENTS: Final = 2500  # of a block
EXACT, NEAR, JUNK = 0.06, 0.10, 0.04  # shares of a block: copies, edited copies, what rules should drop
STREAMS: Final = 2048  # walks side by side
WORDS: Final = 20_000  # of the invented vocabulary
FOLLOWERS: Final = 48  # of each of its words
SHINGLE: Final = 5
BREAK, TITLE, HEADING = 0, 1, 2
MARKS: Final = ("\n\n", "#", "##")
STOP: Final = ("the", "of", "and", "to", "that", "be", "have", "with")
SYLLABLES: Final = (
    "ka",
    "lo",
    "mi",
    "ren",
    "tu",
    "sa",
    "vel",
    "or",
    "ni",
    "est",
    "ra",
    "dun",
    "fi",
    "pol",
    "an",
    "ges",
)


@dataclass(frozen=True, slots=True)
class Language:
    """Words, and of each the run of `followers` that may come next; those drawn often stand there often."""

    words: np.typing.NDArray[np.object_]
    first: Ids
    count: Ids
    followers: Ids


@dataclass(slots=True)
class Planted:
    """What is known of the corpus so far; `bases` are earlier documents that later ones may copy, each once."""

    pairs: list[tuple[str, str, str, float]] = field(default_factory=list)
    bases: list[tuple[str, Ids]] = field(default_factory=list)


def invented(seed: int) -> Language:
    """Words of one to four syllables, their frequencies as Zipf has them; some end a clause or a sentence."""
    generator = np.random.default_rng([seed, 0])
    made: dict[str, None] = dict.fromkeys(STOP)
    while len(made) < WORDS:
        made["".join(generator.choice(SYLLABLES, generator.integers(1, 5)))] = None
    words = list(made)
    ends = generator.random(WORDS)
    ends[: len(STOP)] = 1
    words = [word + ("." if end < 0.08 else "," if end < 0.14 else "") for word, end in zip(words, ends, strict=True)]
    followers = (generator.zipf(1.25, WORDS * FOLLOWERS) - 1) % WORDS
    stop = generator.random(WORDS * FOLLOWERS) < 0.25
    followers[stop] = generator.integers(len(STOP), size=int(stop.sum()))
    count = np.full(WORDS, FOLLOWERS, np.int32)
    return _language(words, count, followers)


def read(pattern: str) -> Language:
    """The bigrams of the paragraphs of at least twenty words in the files of a glob; raises SystemExit for none."""
    paragraphs: list[list[str]] = []
    for path in sorted(glob(pattern, recursive=True)):  # noqa: PTH207 - the pattern may be absolute
        for paragraph in re.split(r"\n\s*\n", Path(path).read_text("utf-8")):
            found = paragraph.split()
            if len(found) >= 20 and not paragraph.startswith(("#", "|", "```")):
                paragraphs.append(found)
    if not paragraphs:
        raise SystemExit(f"no paragraph of twenty words in {pattern}")
    number = {word: place for place, word in enumerate(dict.fromkeys(itertools.chain.from_iterable(paragraphs)))}
    chain = np.array([number[word] for paragraph in paragraphs for word in paragraph], np.int32)
    before, after = np.append(chain, chain[0]), np.append(chain[1:], [chain[0], chain[0]])
    order = np.argsort(before, kind="stable")
    return _language(list(number), np.bincount(before, minlength=len(number)), after[order])


def _language(words: list[str], count: Any, followers: Any) -> Language:
    marks = len(MARKS)
    counts = np.concatenate((np.zeros(marks, np.int32), count)).astype(np.int32)
    return Language(
        words=np.array([*MARKS, *words], dtype=object),
        first=(np.cumsum(counts) - counts).astype(np.int32),
        count=counts,
        followers=(np.asarray(followers) + marks).astype(np.int32),
    )


def walk(language: Language, size: int, generator: np.random.Generator) -> Ids:
    """`size` words, the walks of all streams one behind the other."""
    state = generator.integers(len(MARKS), len(language.words), STREAMS)
    steps = -(-size // STREAMS)
    taken = np.empty((steps, STREAMS), np.int32)
    for step in range(steps):
        state = language.followers[
            language.first[state] + (generator.random(STREAMS) * language.count[state]).astype(int)
        ]
        taken[step] = state
    flat: Ids = taken.T.reshape(-1)[:size]
    return flat


def compose(words: Ids, generator: np.random.Generator) -> Ids:
    """A document of these words: a title, paragraphs, a heading before every few of them."""
    parts: list[Any] = [[TITLE], words[:3], [BREAK]]
    start, number = 3, 0
    while start < len(words):
        if number and number % 4 == 0:
            parts += [[HEADING], words[start : start + 3], [BREAK]]
            start += 3
        stop = start + int(generator.integers(40, 120))
        parts += [words[start:stop], [BREAK]]
        start, number = stop, number + 1
    document: Ids = np.concatenate([np.asarray(part, np.int32) for part in parts if len(part)])[:-1]
    return document


def edited(document: Ids, jaccard: float, pool: Ids, generator: np.random.Generator) -> Ids:
    """A copy of which about this much is left: with a share s of shingles untouched, J is s / (2 − s)."""
    untouched = 2 * jaccard / (1 + jaccard)
    changed = (generator.random(len(document)) < 1 - untouched ** (1 / SHINGLE)) & (document >= len(MARKS))
    copy = document.copy()
    copy[changed] = generator.choice(pool, int(changed.sum()))
    return copy


def similarity(one: Ids, other: Ids) -> float:
    """The true Jaccard similarity of their shingles."""
    first, second = (_shingles(document) for document in (one, other))
    return len(first & second) / len(first | second)


def _shingles(document: Ids) -> set[bytes]:
    words = np.ascontiguousarray(document[document != BREAK])
    runs = np.lib.stride_tricks.sliding_window_view(words, SHINGLE)
    return {run.tobytes() for run in np.ascontiguousarray(runs)}


def junk(language: Language, words: Ids, kind: int, generator: np.random.Generator) -> str:
    """Text that one rule or another drops: too short, bullets, hashes, cut-off lines, digits, no common word."""
    plain = language.words[words]
    match kind % 6:
        case 0:
            return " ".join(plain[:30])
        case 1:
            return "\n".join(f"- {' '.join(plain[start : start + 8])}" for start in range(0, 200, 8))
        case 2:
            return " ".join(f"# {word}" if place % 3 == 0 else word for place, word in enumerate(plain[:200]))
        case 3:
            return "\n".join(f"{' '.join(plain[start : start + 10])} ..." for start in range(0, 200, 10))
        case 4:
            return " ".join(map(str, generator.integers(10_000, 10**7, 200)))
        case _:
            return " ".join(word for word in plain[:300] if word not in STOP)


def block(language: Language, seed: int, number: int, planted: Planted) -> Iterator[tuple[str, str]]:
    """Ids and texts of a block; what is planted in it is noted in `planted`."""
    generator = np.random.default_rng([seed, 1, number])
    exact, near, useless = (int(share * DOCUMENTS) for share in (EXACT, NEAR, JUNK))
    lengths = generator.lognormal(6.0, 0.85, DOCUMENTS - exact - near - useless).clip(60, 12_000).astype(int)
    pool = walk(language, int(lengths.sum()) + 300 * useless, generator)
    bounds = np.cumsum(lengths)
    documents = [compose(words, generator) for words in np.split(pool[: bounds[-1]], bounds[:-1])]
    names = iter(generator.permutation(DOCUMENTS))
    made = [(f"d{number:05d}-{next(names):05d}", document) for document in documents]
    texts = [(name, _render(language, document)) for name, document in made]
    bases = [*planted.bases, *(each for each in made if len(each[1]) > 120)]
    bases = [bases[place] for place in generator.permutation(len(bases))]
    while near > 0:
        copies = min(near, int(generator.choice([1, 2, 3, 4], p=[0.6, 0.2, 0.1, 0.1])))
        near -= copies
        group = [bases.pop()]
        for _ in range(copies):
            name = f"d{number:05d}-{next(names):05d}"
            copy = edited(group[0][1], float(generator.uniform(0.55, 0.99)), pool, generator)
            planted.pairs += [(other, name, "near", similarity(document, copy)) for other, document in group]
            group.append((name, copy))
            texts.append((name, _render(language, copy)))
    for name, document in [bases.pop() for _ in range(exact)]:
        copied = f"d{number:05d}-{next(names):05d}"
        planted.pairs.append((name, copied, "exact", 1.0))
        texts.append((copied, _render(language, document)))
    for kind, start in enumerate(range(int(bounds[-1]), len(pool), 300)):
        name = f"d{number:05d}-{next(names):05d}"
        texts.append((name, junk(language, pool[start : start + 300], kind, generator)))
    planted.bases = bases[:200]
    for place in generator.permutation(len(texts)):
        yield texts[place]


def _render(language: Language, document: Ids) -> str:
    text = " ".join(language.words[document].tolist())
    return text.replace(f" {MARKS[BREAK]} ", MARKS[BREAK])


def write(folder: Path, *, megabytes: float, seed: int, text: str | None) -> dict[str, Any]:
    """The corpus, unless it is there already; what `corpus.json` says of it. A block is a file."""
    asked = {"mb": megabytes, "seed": seed, "text": text}
    note = folder / "corpus.json"
    if note.exists() and asked.items() <= json.loads(note.read_text("utf-8")).items():
        found: dict[str, Any] = json.loads(note.read_text("utf-8"))
        return found
    folder.mkdir(parents=True, exist_ok=True)
    language = read(text) if text else invented(seed)
    planted = Planted()
    size = documents = number = 0
    while size < megabytes * 1e6:
        with (folder / f"part-{number:05d}.jsonl").open("wb") as file:
            for name, body in block(language, seed, number, planted):
                row = {"id": name, "text": body, "url": f"https://example.org/{name}", "date": "2026-01-01"}
                size += file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                documents += 1
        number += 1
    names = ("a", "b", "kind", "jaccard")
    pq.write_table(
        pa.table(dict(zip(names, map(list, zip(*planted.pairs, strict=True)), strict=True))), folder / "truth.parquet"
    )
    made = {**asked, "bytes": size, "documents": documents, "files": number, "pairs": len(planted.pairs)}
    note.write_text(json.dumps(made), encoding="utf-8")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--mb", type=float, default=240)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--text", metavar="GLOB", help="files whose paragraphs the text walks over [an invented language]"
    )
    asked: Any = parser.parse_args()
    print(json.dumps(write(asked.into, megabytes=asked.mb, seed=asked.seed, text=asked.text)))


if __name__ == "__main__":
    main()
