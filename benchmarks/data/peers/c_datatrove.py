# mypy: ignore-errors
"""Job (c) in datatrove: token files a task, merged to one; rows are cut from it when it is read."""

import sys
from pathlib import Path

from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.tokens import DocumentTokenizer, DocumentTokenizerMerger

from benchmarks.data.peers.trove import files, reader, run

END = "</s>"


def pack(steps: list[PipelineStep], out: str, tokenizer: str, tasks: int) -> None:
    make = DocumentTokenizer(f"{out}/tokens", tokenizer, eos_token=END, shuffle_documents=False)
    run([*steps, make], tasks)
    run([DocumentTokenizerMerger(f"{out}/tokens", f"{out}/merged", save_filename="all", shuffle=False)], 1)
    print(f"{sum(path.stat().st_size for path in Path(out, 'merged').glob('*.ds')) // 2} tokens")


def main() -> None:
    corpus, out, tokenizer = sys.argv[1:]
    pack([reader(corpus)], out, tokenizer, files(corpus))


if __name__ == "__main__":
    main()
