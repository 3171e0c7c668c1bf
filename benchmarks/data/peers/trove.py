# mypy: ignore-errors
"""What the jobs in datatrove share: a reader, words at white space, and a run over the processors."""

import os
from pathlib import Path

from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.word_tokenizers import WordTokenizer

from benchmarks.data.rule import gopher

WORKERS = len(os.sched_getaffinity(0))


class WhiteSpace(WordTokenizer):
    """As its own splitters, of which none takes words as they stand."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return text.splitlines()

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def run(steps: list[PipelineStep], tasks: int) -> None:
    executor = LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=min(tasks, WORKERS), logging_dir=None)
    executor.run()


def reader(corpus: str) -> JsonlReader:
    return JsonlReader(corpus, glob_pattern="part-*.jsonl")


def files(corpus: str) -> int:
    return len(list(Path(corpus).glob("part-*.jsonl")))


def passes(document: Document) -> bool:
    return gopher(document.text)


def rules() -> LambdaFilter:
    """Its own `GopherQualityFilter` has no words at white space."""
    return LambdaFilter(passes)
