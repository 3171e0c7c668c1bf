"""Repositories of the Hugging Face Hub, in the local cache: what lies there whole at a pinned commit is not asked for.

Only configuration, tokenizer, card and safetensors are fetched. `HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and
`HF_TOKEN` mean what they mean to huggingface_hub; the token that a spec names goes before `HF_TOKEN`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Literal

from structdsl_runtime.operation import Fault
from structdsl_runtime.pretrained import SETTINGS, TOKENIZER_FILES, unusable
from structdsl_runtime.tensors import BadWeights, shards

TIMEOUT: Final = 10.0  # seconds for an answer of the Hub
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
TOKENIZER: Final = (*TOKENIZER_FILES, *SETTINGS, "*.tiktoken")
MODEL: Final = (*TOKENIZER, "README.md", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json")

Part = Literal["model", "tokenizer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A repository: `revision` as the lock or the spec says, `token` the name of an environment variable."""

    id: str
    revision: str | None
    token: str | None

    @property
    def shown(self) -> str:
        return f"`{self.id}`" + (f" at `{self.revision}`" if self.revision is not None else "")


def fetch(wanted: Wanted, part: Part, *, code: bool) -> Path:
    """The folder of the repository in the cache, called by its commit; `code` fetches Python files as well.

    Raises Fault E0830 where there is no such repository or revision, no access, or neither a Hub nor a whole copy in
    the cache; E0715 where a model has no safetensors.
    """
    if wanted.revision is not None and COMMIT.fullmatch(wanted.revision):
        folder = snapshot(wanted.id, wanted.revision, "models")
        if folder is not None and _is_whole(folder, part):
            return folder
    listed = _listed(wanted)
    if isinstance(listed, str):
        folder = snapshot(wanted.id, wanted.revision, "models")
        if folder is not None and _is_whole(folder, part):
            return folder
        held = "not in the local cache" if folder is None else "in the local cache in part only"
        raise Fault(
            "E0830",
            f"{wanted.shown} cannot be fetched: it is {held}, and {listed}",
            helps=("fetch it where there is a network, then run here again: `HF_HOME` says where the cache is",),
        )
    patterns = (*(MODEL if part == "model" else TOKENIZER), *(("*.py",) if code else ()))
    names = [name for name in listed if any(fnmatch(name, pattern) for pattern in patterns) and "/" not in name]
    if part == "model" and not any(name.endswith(".safetensors") for name in names):
        others = [name for name in listed if name.endswith((".bin", ".pt", ".gguf", ".h5"))]
        said = f"it has no safetensors{f', but `{others[0]}`' if others else ''}"
        raise unusable(wanted.id, said, "name a revision that has them: the Hub converts many models in a pull request")
    return _download(wanted, names)


def _listed(wanted: Wanted) -> list[str] | str:
    """The files of a repository, or why the Hub could not be asked."""
    import httpx2  # noqa: PLC0415 - what huggingface_hub speaks HTTP with
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, and only for specs that name the Hub
    from huggingface_hub.errors import (  # noqa: PLC0415 - as above
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        info = HfApi(token=_token(wanted)).model_info(wanted.id, revision=wanted.revision, timeout=TIMEOUT)
    except GatedRepoError:
        raise _no_access(wanted) from None
    except RevisionNotFoundError:
        raise Fault(
            "E0830",
            f"`{wanted.id}` has no revision `{wanted.revision}`",
            helps=("name a branch, a tag or a commit that its page lists; `structdsl lock` pins one",),
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise _not_found(wanted) from None
    except OfflineModeIsEnabled:
        return "`HF_HUB_OFFLINE` keeps the Hub from being asked"
    except HfHubHTTPError as error:
        if error.response.status_code in {401, 403}:
            raise _no_access(wanted) from None
        return f"the Hub answers with status {error.response.status_code}"
    except (httpx2.HTTPError, OSError) as error:
        return f"the Hub does not answer ({_line(error)})"
    return [sibling.rfilename for sibling in info.siblings or ()]


def _download(wanted: Wanted, names: list[str]) -> Path:
    import httpx2  # noqa: PLC0415 - as in `_listed`
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - as in `_listed`
    from huggingface_hub.errors import GatedRepoError  # noqa: PLC0415 - as in `_listed`
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415 - as in `_listed`

    disable_progress_bars()
    try:
        return Path(snapshot_download(wanted.id, revision=wanted.revision, token=_token(wanted), allow_patterns=names))
    except GatedRepoError:  # of some, everybody may list the files
        raise _no_access(wanted) from None
    except (httpx2.HTTPError, OSError) as error:
        raise Fault("E0830", f"{wanted.shown} was not fetched to its end: {_line(error)}") from None


def snapshot(id_: str, revision: str | None, sort: Literal["models", "datasets"]) -> Path | None:
    """The snapshot that the cache has of a revision, whole or not, by the layout that huggingface_hub documents."""
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 - as in `_listed`

    folder = Path(HF_HUB_CACHE) / f"{sort}--{id_.replace('/', '--')}"
    asked = revision or "main"
    reference = folder / "refs" / asked
    commit = reference.read_text(encoding="ascii").strip() if reference.is_file() else asked
    place = folder / "snapshots" / commit
    return place if COMMIT.fullmatch(commit) and place.is_dir() else None


def _is_whole(folder: Path, part: Part) -> bool:
    """Whether a copy in the cache has what is wanted of it: a lookup leaves a lone configuration behind."""
    there = {path.name for path in folder.iterdir()}
    if part == "tokenizer":
        return bool(there.intersection(set(TOKENIZER_FILES) - {"tokenizer_config.json"}))
    try:
        return "config.json" in there and there.issuperset(shards(folder))
    except BadWeights:
        return False


def _token(wanted: Wanted) -> str | None:
    """The value of the secret that the spec names; none leaves it to huggingface_hub."""
    return os.environ.get(wanted.token) if wanted.token is not None else None


def _not_found(wanted: Wanted) -> Fault:
    helps = ["check its name, as `org/name`"]
    if wanted.token is None:
        helps.append('a private one needs a token: `hf(…, token = secret("HF_TOKEN"))`')
    notes = (f"`{wanted.token}` is not set",) if wanted.token is not None and _token(wanted) is None else ()
    return Fault("E0830", f"the Hub has no model `{wanted.id}` that may be seen", notes=notes, helps=tuple(helps))


def _no_access(wanted: Wanted) -> Fault:
    name = wanted.token or "HF_TOKEN"
    said = "is not set" if wanted.token is not None and _token(wanted) is None else "does not give access"
    return Fault(
        "E0830",
        f"`{wanted.id}` is gated: its owner asks for terms to be accepted",
        notes=(f"the token in `{name}` {said}",) if wanted.token is not None or name in os.environ else (),
        helps=(
            "accept them on its page, with the account of the token",
            'name the token in the spec, `hf(…, token = secret("HF_TOKEN"))`, and set that variable',
        ),
    )


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
