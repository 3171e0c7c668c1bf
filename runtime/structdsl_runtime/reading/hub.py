"""Data sets of the Hugging Face Hub, at their revision and no other: from the Hub, or from a cache that is as good.

The library takes what is nearest where it cannot have what it is asked for, and says so nowhere else than in its log.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from structdsl.plan import ReadDataset
from structdsl_runtime import repository
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.reading.opened import Opened, fault, quiet, telling
from structdsl_runtime.reading.snapshots import (
    PartialError,
    is_here,
    latest,
    names_others,
    prepared,
    snapshot_of,
    whole,
)
from structdsl_runtime.room import FULL


def of_hub(arguments: ReadDataset, context: Context) -> Opened:
    """The split of a data set of the Hub, at the revision and no other."""
    scheme = arguments.id.partition("://")[0]
    if "://" in arguments.id and scheme != "hf":
        help_ = f'`files("{scheme}://…")` reads the objects of a store'
        raise Fault(
            "E0830", f"`{arguments.id}` cannot be read: it is no data set of the Hub, and no folder", helps=(help_,)
        )
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one
    from datasets.packaged_modules.cache.cache import Cache  # type: ignore[import-untyped]  # noqa: PLC0415

    quiet()  # what is taken in place of the Hub is said below
    token = os.environ.get(arguments.token) if arguments.token is not None else None
    is_repository = "://" not in arguments.id
    if is_repository and is_here(arguments):
        if (pinned := _of_commit(arguments, context)) is not None:
            return pinned
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
        return Opened(builder.as_streaming_dataset(split=arguments.split))
    return _of_cache(arguments, builder, context)  # the library had it not from the Hub, and says so nowhere else


def _of_commit(arguments: ReadDataset, context: Context) -> Opened | None:
    """The split at the commit that is asked for, where all of that is here; none where a Hub has to be asked.

    The Hub would say no other of a configuration or a split that is not there.
    """
    if (builder := prepared(arguments)) is not None:
        return _of_builder(builder, arguments, Path(builder.cache_dir))
    if (folder := whole(arguments)) is None:
        return None
    with telling(arguments, None, folder):
        if names_others(folder):
            return None
        try:
            found = snapshot_of(arguments, context.scratch)
        except (PartialError, OSError):  # its names are of files that the commit does not have
            return None
        return None if found is None else _of_builder(found.builder, arguments, folder)


def _of_builder(builder: Any, arguments: ReadDataset, cache: Path, wanted: int | None = None) -> Opened:
    """The split as a cache has it."""
    with telling(arguments, None, cache):
        return Opened(builder.as_streaming_dataset(split=arguments.split), wanted, cache)


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


def _without_hub(arguments: ReadDataset, error: Exception, context: Context) -> Opened:
    """What a cache has of a data set; raises the error that kept the Hub from being read where there is nothing."""
    if "://" in arguments.id:
        raise error
    try:
        found = latest(arguments)
    except ValueError as other:  # only of other configurations, or of several, of which a card may name one
        found, error = None, other
    if found is not None:
        return _of_cache(arguments, found, context)
    snapshot = _of_snapshot(arguments, context)
    if snapshot is None:
        raise error
    return snapshot


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


def _of_cache(arguments: ReadDataset, found: Any, context: Context) -> Opened:
    """What the library has prepared of a data set, at its revision; else the files that it was made of."""
    at = Path(found.cache_dir)
    if arguments.revision is None:
        context.warn(f"the Hub did not give `{arguments.id}`, which is read as the local cache has it: {at}")
        return _of_builder(found, arguments, at)
    if (pinned := at.with_name(arguments.revision)).is_dir():
        builder = type(found)(
            dataset_name=found.dataset_name,
            repo_id=found.repo_id,
            config_name=found.config.name,
            version=at.parent.name,
            hash=arguments.revision,
        )
        return _of_builder(builder, arguments, pinned)
    snapshot = _of_snapshot(arguments, context)
    if snapshot is None:
        reason = "the Hub did not give it, and the local cache does not have it at this revision"
        raise fault(arguments, None, reason, "the cache knows commits alone; `structdsl lock` pins one")
    return snapshot


def _of_snapshot(arguments: ReadDataset, context: Context) -> Opened | None:
    """The files of a data set in the cache of the Hub, at its revision; none where there are none."""
    try:
        found = snapshot_of(arguments, context.scratch)
    except PartialError as partial:
        raise in_part(arguments, str(partial)) from partial
    if found is None:
        return None
    if not found.is_whole and (found.rows is None or arguments.limit is not None):
        raise _not_whole(arguments, "nothing says whether the local cache has all of it")
    if found.folder.name != arguments.revision:
        shown = f"`{arguments.id}`" + ("" if arguments.revision is None else f" at `{arguments.revision}`")
        context.warn(f"the Hub did not give {shown}, which is read as the local cache has it: {found.folder}")
    return _of_builder(found.builder, arguments, found.folder, None if found.is_whole else found.rows)


def in_part(arguments: ReadDataset, lacks: str) -> Fault:
    return _not_whole(arguments, f"the local cache has it in part: {lacks}")


def _not_whole(arguments: ReadDataset, reason: str) -> Fault:
    at = f" --revision {arguments.revision}" if arguments.revision is not None else ""
    help_ = f"where there is a network, `hf download {arguments.id} --repo-type dataset{at}` has all of it"
    return fault(arguments, None, f"the Hub did not give it, and {reason}", help_)
