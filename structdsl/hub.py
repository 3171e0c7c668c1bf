"""What is known of models and datasets without loading them: from folders, the local Hugging Face cache, or the Hub.

The cache comes first: what lies there is what a run would read, and it answers without a network. The Hub is asked
for metadata alone (a commit, a configuration, a card), never for weights, with a short timeout and no second try.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from structdsl.lock import HubDataset, HubModel, HubTokenizer, Shape

TIMEOUT = 5.0  # seconds for an answer of the Hub
COMMIT = re.compile(r"[0-9a-f]{40}")
LARGEST_HEADER = 100 << 20  # bytes; the bound that safetensors itself sets

NAMES = {  # of a field in the `config.json` of one family or another, the usual name first
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "inner": ("intermediate_size", "n_inner", "ffn_dim"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "heads": ("num_attention_heads", "n_head", "num_heads"),
    "kv_heads": ("num_key_value_heads",),
    "vocab": ("vocab_size",),
    "positions": ("max_position_embeddings", "n_positions"),
}


class Unreachable(Exception):  # noqa: N818 - a state of affairs
    """Something could not be looked up; the message says why, worded to stand behind a colon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A repository that a step reads: what to pin."""

    kind: Literal["hub_model", "hub_tokenizer", "hub_dataset"]
    repository: str
    revision: str | None = None  # as the spec says
    config: str | None = None  # of a dataset
    token: str | None = None  # never written anywhere


HubPin = HubModel | HubTokenizer | HubDataset


def folder_shape(folder: Path) -> Shape:
    """The shape of a model folder; raises `Unreachable` where it has no configuration that can be read."""
    return _shape(_read_json(folder / "config.json"), _parameters(folder))


def look_up(wanted: Wanted, *, online: bool) -> HubPin:
    """A repository pinned: out of the cache, else by asking the Hub. Raises `Unreachable`."""
    found = from_cache(wanted)
    if found is not None:
        return found
    if not online:
        raise Unreachable("not in the local cache, and the Hub was not asked (--offline)")
    return from_hub(wanted)


def from_cache(wanted: Wanted) -> HubPin | None:
    """The pin of a repository that the Hugging Face cache holds at that revision."""
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 - only where a spec names the Hub

    sort = "datasets" if wanted.kind == "hub_dataset" else "models"
    folder = Path(HF_HUB_CACHE) / f"{sort}--{wanted.repository.replace('/', '--')}"
    asked = wanted.revision or "main"
    reference = folder / "refs" / asked
    if COMMIT.fullmatch(asked):
        commit = asked
    elif reference.is_file():
        commit = reference.read_text(encoding="ascii").strip()
    else:
        return None
    snapshot = folder / "snapshots" / commit
    match wanted.kind:
        case "hub_model" if (snapshot / "config.json").is_file() and _complete(snapshot):
            shape = folder_shape(snapshot)
            return HubModel(repository=wanted.repository, asked=wanted.revision, revision=commit, shape=shape)
        case "hub_tokenizer" if snapshot.is_dir():
            return HubTokenizer(repository=wanted.repository, asked=wanted.revision, revision=commit)
        case "hub_dataset" if snapshot.is_dir():
            columns = _cached_columns(snapshot, wanted.config)
            return HubDataset(repository=wanted.repository, asked=wanted.revision, revision=commit, columns=columns)
        case _:
            return None


def from_hub(wanted: Wanted) -> HubPin:
    """The pin of a repository, asked of the Hub (or of `HF_ENDPOINT`). Raises `Unreachable`."""
    import httpx2  # noqa: PLC0415 - what huggingface_hub speaks HTTP with
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, and only for specs that name the Hub
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi(token=wanted.token)
    try:
        if wanted.kind == "hub_dataset":
            data = api.dataset_info(wanted.repository, revision=wanted.revision, timeout=TIMEOUT)
            columns = _card_columns(vars(data.card_data) if data.card_data else {}, wanted.config)
            return HubDataset(
                repository=wanted.repository, asked=wanted.revision, revision=_commit(data.sha), columns=columns
            )
        model = api.model_info(wanted.repository, revision=wanted.revision, timeout=TIMEOUT)
        commit = _commit(model.sha)
        if wanted.kind == "hub_tokenizer":
            return HubTokenizer(repository=wanted.repository, asked=wanted.revision, revision=commit)
        path = api.hf_hub_download(wanted.repository, "config.json", revision=commit, etag_timeout=TIMEOUT)
        total = model.safetensors.total if model.safetensors is not None else None
        shape = _shape(_read_json(Path(path)), total)
        return HubModel(repository=wanted.repository, asked=wanted.revision, revision=commit, shape=shape)
    except HFValidationError:
        raise Unreachable(f"`{wanted.repository}` is no name that a repository can have") from None
    except GatedRepoError:
        raise Unreachable("its owner asks for terms to be accepted, and this token has not") from None
    except RevisionNotFoundError:
        raise Unreachable(f"it has no revision `{wanted.revision}`") from None
    except RepositoryNotFoundError:
        raise Unreachable("no such repository, or it is private and no token was given") from None
    except (httpx2.HTTPError, OSError) as error:
        raise Unreachable(_first_line(error)) from None


def _commit(sha: str | None) -> str:
    if sha is None:
        raise Unreachable("the Hub names no commit")
    return sha


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return f"the Hub did not answer ({line.lower().rstrip('.')})"


def _shape(config: Mapping[str, Any], parameters: int | None) -> Shape:
    """Sizes by their names in one family or another; those of the text part, where a model has several."""
    config = {**config, **config.get("text_config", {})}
    sizes = {
        field: next((config[name] for name in names if isinstance(config.get(name), int)), None)
        for field, names in NAMES.items()
    }
    return Shape(parameters=parameters, **sizes)


def _parameters(folder: Path) -> int | None:
    """Numbers in the safetensors files of a folder, read from their headers; none where there are no such files."""
    files = sorted(folder.glob("*.safetensors"))
    return sum(map(_count, files)) if files else None


def _complete(folder: Path) -> bool:
    """Whether all weights are there: a download that was broken off says less than the Hub does."""
    index = folder / "model.safetensors.index.json"
    shards = set(_read_json(index).get("weight_map", {}).values()) if index.is_file() else {"model.safetensors"}
    return all((folder / name).is_file() for name in shards)


def _count(path: Path) -> int:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > LARGEST_HEADER:
            raise Unreachable(f"`{path.name}` is no safetensors file")
        try:
            header = json.loads(file.read(size))
        except ValueError:
            raise Unreachable(f"`{path.name}` is no safetensors file") from None
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Unreachable(f"it has no `{path.name}`") from None
    except (OSError, ValueError):
        raise Unreachable(f"its `{path.name}` cannot be read") from None
    if not isinstance(values, dict):
        raise Unreachable(f"its `{path.name}` is no object")
    return values


def _cached_columns(snapshot: Path, config: str | None) -> dict[str, str] | None:
    """Columns of a dataset in the cache: as its card says, else as its first Parquet file has them."""
    from huggingface_hub.repocard import metadata_load  # noqa: PLC0415 - only where a spec names the Hub

    card = snapshot / "README.md"
    found = _card_columns(metadata_load(card) or {}, config) if card.is_file() else None
    if found is not None:
        return found
    file = next(iter(sorted(snapshot.rglob("*.parquet"))), None)
    if file is None:
        return None
    import pyarrow.parquet as pq  # noqa: PLC0415 - of the runtime extra

    return {field.name: str(field.type) for field in pq.read_schema(file)}


def _card_columns(card: Mapping[str, Any], config: str | None) -> dict[str, str] | None:
    """Columns out of the `dataset_info` of a card: that of `config`, else of the default, else of the first."""
    info = card.get("dataset_info")
    entries = [entry for entry in (info if isinstance(info, list) else [info]) if isinstance(entry, dict)]
    names = [config] if config is not None else ["default", None]
    chosen = next((e for name in names for e in entries if e.get("config_name") == name), None)
    if chosen is None and config is None and entries:
        chosen = entries[0]
    features = chosen.get("features") if chosen is not None else None
    if not isinstance(features, list):
        return None
    return {str(feature["name"]): _feature_type(feature) for feature in features if "name" in feature}


def _feature_type(feature: Mapping[str, Any]) -> str:
    """A type in a word: `string`, `list`, `struct`."""
    if isinstance(feature.get("dtype"), str):
        return str(feature["dtype"])
    return next((kind for kind in ("list", "sequence", "struct") if kind in feature), "unknown")
