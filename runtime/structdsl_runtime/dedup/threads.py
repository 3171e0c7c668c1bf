"""The same for one thing after the other, in a few threads: for kernels over arrays, during which others may run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from structdsl_runtime.machine import processors

MOST: Final = 4  # threads: one that reads feeds no more, and each holds what it was given

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_threads(function: Callable[[Given], Made], things: Iterable[Given]) -> Iterator[Made]:
    """What is made of each, in their order; of the things, one more than there are threads is taken at a time."""
    number = min(processors(), MOST)
    ahead: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(number) as threads:
        for thing in things:
            ahead.append(threads.submit(function, thing))
            if len(ahead) > number:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
