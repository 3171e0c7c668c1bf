# mypy: ignore-errors
"""Job (b) in datatrove: its four MinHash stages, 14 bands of 8; similarity is not verified."""

import sys

from datatrove.pipeline.writers.jsonl import JsonlWriter

from benchmarks.data.peers.minhash import remove
from benchmarks.data.peers.trove import files, reader, run


def main() -> None:
    corpus, out = sys.argv[1:]
    left_out = remove(corpus, out)
    writer = JsonlWriter(out, output_filename="kept-${rank}.jsonl", compression=None)
    run([reader(corpus), left_out, writer], files(corpus))


if __name__ == "__main__":
    main()
