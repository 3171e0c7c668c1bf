# mypy: ignore-errors
"""Job (a) in HF datasets: a digest per row, duplicates in one process, rules in all."""

import os
import sys
from hashlib import md5
from pathlib import Path

from datasets import load_dataset

from benchmarks.data.rule import gopher


def digest(batch: dict[str, list[str]]) -> dict[str, list[bytes]]:
    return {"digest": [md5(text.encode(), usedforsecurity=False).digest() for text in batch["text"]]}


def main() -> None:
    corpus, out = sys.argv[1:]
    processes = len(os.sched_getaffinity(0))
    files = sorted(map(str, Path(corpus).glob("part-*.jsonl")))
    documents = load_dataset("json", data_files=files, split="train", cache_dir=f"{out}/cache")
    documents = documents.map(digest, batched=True, num_proc=processes)
    first = dict(zip(reversed(documents["digest"]), range(len(documents) - 1, -1, -1), strict=True))
    unique = documents.select(sorted(first.values()))
    kept = unique.filter(lambda batch: list(map(gopher, batch["text"])), batched=True, num_proc=processes)
    kept.remove_columns("digest").to_parquet(f"{out}/kept.parquet")


if __name__ == "__main__":
    main()
