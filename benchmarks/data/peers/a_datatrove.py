# mypy: ignore-errors
"""Job (a) in datatrove: signatures, duplicates, then a pass that leaves them out and asks the rules."""

import sys

from datatrove.data import Document
from datatrove.pipeline.dedup.exact_dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
)
from datatrove.pipeline.writers.jsonl import JsonlWriter

from benchmarks.data.peers.trove import WORKERS, files, reader, rules, run


def text(document: Document) -> str:
    return document.text


def main() -> None:
    corpus, out = sys.argv[1:]
    config, tasks = ExactDedupConfig(content_getter=text), files(corpus)
    run([reader(corpus), ExactDedupSignature(f"{out}/signatures", config, finder_workers=WORKERS)], tasks)
    run([ExactFindDedups(f"{out}/signatures", f"{out}/duplicates", config)], WORKERS)
    writer = JsonlWriter(out, output_filename="kept-${rank}.jsonl", compression=None)
    run([reader(corpus), ExactDedupFilter(f"{out}/duplicates", config), rules(), writer], tasks)


if __name__ == "__main__":
    main()
