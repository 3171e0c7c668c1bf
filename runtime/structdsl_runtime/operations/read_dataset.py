"""Data sets of the Hugging Face Hub and folders of the library `datasets`, streamed: what is read goes into our tables
and into no cache beside them.

The library takes what is nearest where it cannot have what it is asked for. Here that is a fault: a folder is the one
below the folder of the spec, wherever the run was started; a revision is that revision.
"""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from structdsl.plan import ReadDataset
from structdsl_runtime import repository
from structdsl_runtime.files import data_set_folder
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.reading.found import check
from structdsl_runtime.reading.part import Sink
from structdsl_runtime.reading.rows import Row, rows_of_batches
from structdsl_runtime.reading.snapshots import PartialError, elsewhere, is_here, latest, pinned, snapshot_of
from structdsl_runtime.room import FULL
from structdsl_runtime.text.sources import CHANGED, below, check_listed, unreadable

BATCH: Final = 512
MOST_SAID: Final = 300  # characters of what the library says
SPLIT: Final = "train"
"""What `split` is where the spec does not say."""


def read_dataset(arguments: ReadDataset, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A document for each row of the split, up to `limit`.

    Raises Fault E0830 (no such data set, configuration or split, or no way to it), E0514 (a column that no row has),
    E0515 (a value that cannot be read, a folder that changes while it is), E0516 (nothing is left).
    """
    del inputs
    shown = "/".join(filter(None, [arguments.id, arguments.name, arguments.split]))
    folder = data_set_folder(arguments.id, context.root)
    files = below(arguments.place, context.root) if arguments.place is not None else []
    check_listed(files, context.listing(arguments.place) if arguments.place is not None else None)
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        sink = Sink(arguments, arguments.split, shown, documents, faults, redactions, None, None, arguments.limit)
        try:
            sink.take(_counted(rows_of_batches(_batches(arguments, folder, context)), context))
        except pa.ArrowInvalid as error:
            raise unreadable(shown, str(error)) from None
        found = sink.close()
    if arguments.place is not None and below(arguments.place, context.root) != files:
        raise unreadable(shown, "it changed while it was read", CHANGED)
    check(arguments, found, 1)


def _counted(rows: Iterator[Row], context: Context) -> Iterator[Row]:
    for row in rows:
        if row.number % BATCH == 0:
            context.progress(row.number, None, "rows")
        yield row


def _batches(arguments: ReadDataset, folder: Path | None, context: Context) -> Iterator[pa.RecordBatch]:
    """The rows of the split; raises Fault E0830, and `pa.ArrowInvalid` where values do not lie within their batch."""
    tables: Iterator[pa.Table] | None = None
    rows, wanted = 0, None
    while True:
        try:
            if tables is None:
                if folder is None:
                    opened, wanted = _of_hub(arguments, context)
                else:
                    opened = _of_folder(arguments, folder, context)
                tables = iter(opened.with_format("arrow").iter(batch_size=BATCH))
            table = next(tables, None)
        except Fault:
            raise
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__  # the first line alone may be but a heading
            reason = said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]}…"
            raise _fault(arguments, folder, reason) from error
        if table is None:
            break
        rows += table.num_rows
        table.validate(full=True)
        yield from table.to_batches()
    if wanted is not None and rows < wanted:
        raise _in_part(arguments, f"its card says {wanted:,} rows, and {rows:,} are there")


def _of_folder(arguments: ReadDataset, folder: Path, context: Context) -> Any:
    """The split of a folder: of data files, or of what `save_to_disk` of the library wrote."""
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one

    _quiet()
    if not folder.is_dir():
        if not folder.exists():
            raise _fault(arguments, folder, "there is no such folder")
        raise _fault(arguments, folder, "it is no folder", f'`files("{arguments.id}")` reads a file')
    if context.root.resolve().is_relative_to(folder.resolve()):
        raise _fault(arguments, folder, "the spec lies in it, and so does what runs write", "give the data a folder")
    for name in ("revision", "token"):
        if getattr(arguments, name) is not None:
            help_ = f"leave `{name}` out; a data set of the Hub is read where the folder has another name"
            raise _fault(arguments, folder, f"it is a folder here, which has no `{name}`", help_)
    several, one = folder / "dataset_dict.json", folder / "state.json"
    if not several.is_file() and not one.is_file():
        return _of_data_files(arguments, folder)
    if arguments.name is not None:
        raise _fault(arguments, folder, "what `save_to_disk` wrote has no configurations", "leave `name` out")
    if not several.is_file():
        if arguments.split != SPLIT:
            reason = f"it is one data set that `save_to_disk` wrote, which has no split `{arguments.split}`"
            raise _fault(arguments, folder, reason, "leave `split` out")
        return datasets.Dataset.load_from_disk(str(folder))
    splits = json.loads(several.read_bytes())["splits"]
    if arguments.split not in splits:
        raise _fault(arguments, folder, f"it has no split `{arguments.split}`", f"it has: {', '.join(splits)}")
    return datasets.Dataset.load_from_disk(str(folder / arguments.split))


def _of_data_files(arguments: ReadDataset, folder: Path) -> Any:
    import datasets  # noqa: PLC0415 - slow, as above

    if glob.has_magic(str(folder)):  # the library would read whatever matches it
        raise _fault(arguments, folder, "`*`, `?` or `[` is in its path", "rename the folder")
    builder = datasets.load_dataset_builder(str(folder), arguments.name)
    if (stray := elsewhere(builder, arguments.split, folder)) is not None:
        reason = f"its card names `{stray}`, which is not in it"
        raise _fault(arguments, folder, reason, "what changes there would not be seen: move it into the folder")
    return builder.as_streaming_dataset(split=arguments.split)


def _of_hub(arguments: ReadDataset, context: Context) -> tuple[Any, int | None]:
    """The split of a data set of the Hub, at the revision and no other; how many rows it must have to be all of it,
    where they may be fewer.
    """
    scheme = arguments.id.partition("://")[0]
    if "://" in arguments.id and scheme != "hf":
        help_ = f'`files("{scheme}://…")` reads the objects of a store'
        raise Fault(
            "E0830", f"`{arguments.id}` cannot be read: it is no data set of the Hub, and no folder", helps=(help_,)
        )
    import datasets  # noqa: PLC0415 - slow, and only for specs that name one
    from datasets.packaged_modules.cache.cache import Cache  # type: ignore[import-untyped]  # noqa: PLC0415

    _quiet()  # what is taken in place of the Hub is said below
    token = os.environ.get(arguments.token) if arguments.token is not None else None
    is_repository = "://" not in arguments.id
    if is_repository and is_here(arguments):
        if (builder := pinned(arguments, context.scratch)) is not None:
            return builder.as_streaming_dataset(split=arguments.split), None
        if (silence := _silence(arguments, token)) is not None:
            return _without_hub(arguments, silence, context)
    try:
        builder = datasets.load_dataset_builder(
            f"hf://datasets/{arguments.id}" if is_repository else arguments.id,  # no folder where the run is started
            arguments.name,
            revision=arguments.revision,
            token=token,
        )
    except Exception as error:
        if not _is_out_of_reach(error):
            raise
        return _without_hub(arguments, error, context)
    if not isinstance(builder, Cache):
        return builder.as_streaming_dataset(split=arguments.split), None
    return _of_cache(arguments, builder, context)  # the library had it not from the Hub, and says so nowhere else


def _silence(arguments: ReadDataset, token: str | None) -> Exception | None:
    """What happens to a single question to the Hub that nobody answers; none where it is answered, whatever is said.

    The library asks several times and with more patience: no use where the answer lies here.
    """
    import httpx2  # noqa: PLC0415 - what huggingface_hub speaks HTTP with
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, as above
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415 - slow, as above

    try:
        HfApi(token=token).dataset_info(arguments.id, revision=arguments.revision, timeout=repository.TIMEOUT)
    except (HfHubHTTPError, HFValidationError):
        return None
    except (httpx2.HTTPError, OSError) as error:
        return error
    return None


def _without_hub(arguments: ReadDataset, error: Exception, context: Context) -> tuple[Any, int | None]:
    """What a cache has of a data set; raises the error that kept the Hub from being read where there is nothing."""
    if "://" not in arguments.id:
        if (found := latest(arguments)) is not None:
            return _of_cache(arguments, found, context)
        if (snapshot := _of_snapshot(arguments, context)) is not None:
            return snapshot
    raise error


def _quiet() -> None:
    """Have the libraries keep to themselves that a card says nothing, and that a cache is read."""
    import datasets  # noqa: PLC0415 - slow, as above

    datasets.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _is_out_of_reach(error: Exception) -> bool:
    """Whether the Hub was not asked, or has not answered; what it denies is no file that was not found here."""
    import httpx2  # noqa: PLC0415 - what huggingface_hub speaks HTTP with
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415 - slow, as above

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code not in {401, 403, 404}
    if isinstance(error, FileNotFoundError):
        return isinstance(error, LocalEntryNotFoundError)
    here = isinstance(error, PermissionError) or getattr(error, "errno", None) in FULL  # what this machine denies
    return isinstance(error, (OSError, httpx2.HTTPError)) and not here


def _of_cache(arguments: ReadDataset, found: Any, context: Context) -> tuple[Any, int | None]:
    """What the library has prepared of a data set, at its revision; else the files that it was made of."""
    at = Path(found.cache_dir)
    if arguments.revision is None:
        context.warn(f"the Hub did not give `{arguments.id}`, which is read as the local cache has it: {at}")
        return found.as_streaming_dataset(split=arguments.split), None
    if at.with_name(arguments.revision).is_dir():
        builder = type(found)(
            dataset_name=found.dataset_name,
            repo_id=found.repo_id,
            config_name=found.config.name,
            version=at.parent.name,
            hash=arguments.revision,
        )
        return builder.as_streaming_dataset(split=arguments.split), None
    snapshot = _of_snapshot(arguments, context)
    if snapshot is None:
        reason = "the Hub did not give it, and the local cache does not have it at this revision"
        raise _fault(arguments, None, reason, "the cache knows commits alone; `structdsl lock` pins one")
    return snapshot


def _of_snapshot(arguments: ReadDataset, context: Context) -> tuple[Any, int | None] | None:
    """The files of a data set in the cache of the Hub, at its revision; none where there are none."""
    try:
        found = snapshot_of(arguments, context.scratch)
    except PartialError as partial:
        raise _in_part(arguments, str(partial)) from partial
    if found is None:
        return None
    if not found.is_whole and (found.rows is None or arguments.limit is not None):
        raise _not_whole(arguments, "nothing says whether the local cache has all of it")
    if found.folder.name != arguments.revision:
        shown = f"`{arguments.id}`" + ("" if arguments.revision is None else f" at `{arguments.revision}`")
        context.warn(f"the Hub did not give {shown}, which is read as the local cache has it: {found.folder}")
    return found.builder.as_streaming_dataset(split=arguments.split), None if found.is_whole else found.rows


def _in_part(arguments: ReadDataset, lacks: str) -> Fault:
    return _not_whole(arguments, f"the local cache has it in part: {lacks}")


def _not_whole(arguments: ReadDataset, reason: str) -> Fault:
    at = f" --revision {arguments.revision}" if arguments.revision is not None else ""
    help_ = f"where there is a network, `hf download {arguments.id} --repo-type dataset{at}` has all of it"
    return _fault(arguments, None, f"the Hub did not give it, and {reason}", help_)


def _fault(arguments: ReadDataset, folder: Path | None, reason: str, help_: str | None = None) -> Fault:
    if folder is not None:
        helps = (help_,) if help_ is not None else ()
        return Fault("E0830", f"`{arguments.id}` cannot be read: {reason}", notes=(f"looked in {folder}",), helps=helps)
    at = f" at `{arguments.revision}`" if arguments.revision is not None else ""
    return Fault(
        "E0830",
        f"`{arguments.id}`{at} cannot be read: {reason}",
        notes=("no folder of this name is below the folder of the spec, so it was asked of the Hub",),
        helps=(help_ or "the page of the data set on the Hub lists its configurations and splits",),
    )
