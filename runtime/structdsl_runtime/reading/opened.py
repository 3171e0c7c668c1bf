"""A data set that the library `datasets` has opened, and what is said where it cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from structdsl.plan import ReadDataset
from structdsl_runtime.operation import Fault

_MOST_SAID: Final = 300  # characters of what the library says


@dataclass(frozen=True, slots=True)
class Opened:
    """The rows of a split."""

    rows: Any  # of the library `datasets`
    wanted: int | None = None  # how many there must be to be all of it, where they may be fewer
    cache: Path | None = None  # the folder that they come from, where no Hub gives them


@contextmanager
def telling(arguments: ReadDataset, folder: Path | None, cache: Path | None = None) -> Iterator[None]:
    """What the library raises within is a Fault E0830 that says so."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__  # the first line alone may be but a heading
        reason = said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}…"
        raise fault(arguments, folder, reason, cache=cache) from error


def fault(
    arguments: ReadDataset, folder: Path | None, reason: str, help_: str | None = None, cache: Path | None = None
) -> Fault:
    if folder is not None:
        helps = (help_,) if help_ is not None else ()
        return Fault("E0830", f"`{arguments.id}` cannot be read: {reason}", notes=(f"looked in {folder}",), helps=helps)
    at = f" at `{arguments.revision}`" if arguments.revision is not None else ""
    asked = "no folder of this name is below the folder of the spec, so it was asked of the Hub"
    return Fault(
        "E0830",
        f"`{arguments.id}`{at} cannot be read: {reason}",
        notes=(f"read from the cache: {cache}" if cache is not None else asked,),
        helps=(help_ or "the page of the data set on the Hub lists its configurations and splits",),
    )


def quiet() -> None:
    """Have the libraries keep to themselves that a card says nothing, and that a cache is read."""
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one

    datasets.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
