"""What should be left of a corpus, by the plainest code there is: every contender's survivors are held against it.

Exact duplicates leave one copy, and what is left has to pass the rules (`rule`). Near duplicates are judged by the
pairs that were planted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.data.rule import gopher


def documents(corpus: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(corpus.glob("part-*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield row["id"], row["text"]


def digests(corpus: Path) -> dict[str, str]:
    """Of each document, by its id: those with one digest have one text."""
    return {name: blake2b(text.encode(), digest_size=16).hexdigest() for name, text in documents(corpus)}


def survivors(corpus: Path, digest: dict[str, str]) -> set[str]:
    """Digests of the texts that stay."""
    seen: set[str] = set()
    kept: set[str] = set()
    for name, text in documents(corpus):
        if digest[name] not in seen:
            seen.add(digest[name])
            if gopher(text):
                kept.add(digest[name])
    return kept


def against_reference(kept: Iterable[str], digest: dict[str, str], expected: set[str]) -> str:
    """In words how the ids of `kept` differ from what should be left."""
    texts = [digest[name] for name in kept]
    found = set(texts)
    if len(found) == len(texts) and found == expected:
        return "same"
    missing, surplus, twice = len(expected - found), len(found - expected), len(texts) - len(found)
    return f"{missing} missing, {surplus} too many, {twice} twice"


BANDS: Final = ((0.75, 0.80), (0.80, 0.85), (0.85, 0.90), (0.90, 1.01))


def near(kept: Iterable[str], corpus: Path, below: float = 0.75) -> str:
    """In words how well duplicates were found: of planted pairs by true Jaccard, the share of which one has left;
    documents dropped although nothing is that similar to them; documents lost with all that was made of them.
    """
    stayed, there = set(kept), {name for name, _ in documents(corpus)}
    table = pq.read_table(corpus / "truth.parquet").to_pydict()
    planted = zip(table["a"], table["b"], table["jaccard"], strict=True)
    pairs = [pair for pair in planted if pair[0] in there and pair[1] in there]
    best: dict[str, float] = {}
    for one, other, similarity in pairs:
        for name in (one, other):
            best[name] = max(best.get(name, 0.0), similarity)
    found = []
    for low, high in BANDS:
        inside = [not (one in stayed and other in stayed) for one, other, value in pairs if low <= value < high]
        found.append(f"{sum(inside) / len(inside):.3f}" if inside else "–")
    wrong = sum(name not in stayed and best.get(name, 0.0) < below for name in there)
    lost = sum(not stayed & group for group in _groups(pairs))
    return f"recall {' '.join(found)}; {wrong} wrongly, {lost} lost"


def _groups(pairs: list[tuple[str, str, float]]) -> list[set[str]]:
    """Documents that were made of one."""
    group: dict[str, set[str]] = {}
    for one, other, _ in pairs:
        joined = group.get(one, {one}) | group.get(other, {other})
        group.update(dict.fromkeys(joined, joined))
    return list({id(members): members for members in group.values()}.values())
