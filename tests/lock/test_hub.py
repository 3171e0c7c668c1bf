"""Repositories pinned from the folder layout of the cache, and from a Hub that answers over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from structdsl.hub import Unreachable, folder_shape
from structdsl.lock import HubDataset, HubModel, Shape
from tests.lock.hub_server import CONFIG, Hub, serving

SHAPE = Shape(hidden=64, inner=176, layers=2, heads=4, kv_heads=2, vocab=1000, positions=512)
ASK = """
import sys
from structdsl.hub import Unreachable, Wanted, look_up
kind, repository, revision, config, online = sys.argv[1:]
try:
    wanted = Wanted(kind=kind, repository=repository, revision=revision or None, config=config or None)
    print(look_up(wanted, online=online == "online").model_dump_json())
except Unreachable as error:
    print(error, file=sys.stderr)
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as server:
        yield server


def ask(
    url: str, home: Path, kind: str, repository: str, revision: str = "", config: str = "", *, online: bool = True
) -> subprocess.CompletedProcess[str]:
    """In a process of its own: huggingface_hub reads its environment once."""
    words = [kind, repository, revision, config, "online" if online else "offline"]
    environment = os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [sys.executable, "-c", ASK, *words], capture_output=True, text=True, check=True, env=environment
    )


def safetensors(path: Path, **shapes: list[int]) -> None:
    header = json.dumps(
        {"__metadata__": {"format": "pt"}}
        | {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def cached(home: Path, name: str, commit: str, reference: str = "main") -> Path:
    """An empty snapshot in the layout of the cache."""
    folder = home / "hub" / name
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / reference).write_text(commit, encoding="ascii")
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    return snapshot


def test_a_model_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    for revision in ("", "v1"):
        pin = HubModel.model_validate_json(ask(hub.url, tmp_path, "hub_model", "acme/tiny", revision).stdout)
        assert (pin.repository, pin.asked, pin.revision) == ("acme/tiny", revision or None, hub.commit)
        assert pin.shape == SHAPE.model_copy(update={"parameters": 123})


@pytest.mark.parametrize(("config", "columns"), [("", {"text": "string", "ids": "list"}), ("other", {"x": "int64"})])
def test_a_dataset_of_the_hub(hub: Hub, tmp_path: Path, config: str, columns: dict[str, str]) -> None:
    pin = HubDataset.model_validate_json(ask(hub.url, tmp_path, "hub_dataset", "acme/web", "", config).stdout)
    assert (pin.revision, pin.columns) == (hub.commit, columns)


def test_what_the_hub_says_no_to(hub: Hub, tmp_path: Path) -> None:
    assert "no such repository" in ask(hub.url, tmp_path, "hub_model", "acme/none").stderr
    assert "no revision `v9`" in ask(hub.url, tmp_path, "hub_model", "acme/tiny", "v9").stderr
    assert "no name that a repository can have" in ask(hub.url, tmp_path, "hub_dataset", "acme/web/more").stderr
    assert "did not answer (" in ask("http://127.0.0.1:9", tmp_path, "hub_tokenizer", "acme/tiny").stderr


def test_the_cache_comes_first_and_is_never_half_believed(hub: Hub, tmp_path: Path) -> None:
    snapshot = cached(tmp_path, "models--acme--tiny", "c" * 40)
    (snapshot / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    assert "not in the local cache" in ask(hub.url, tmp_path, "hub_model", "acme/tiny", online=False).stderr
    assert hub.commit in ask(hub.url, tmp_path, "hub_model", "acme/tiny").stdout
    safetensors(snapshot / "model.safetensors", a=[3, 4], b=[5])
    hub.asked.clear()
    pin = HubModel.model_validate_json(ask(hub.url, tmp_path, "hub_model", "acme/tiny").stdout)
    assert (pin.revision, pin.shape) == ("c" * 40, SHAPE.model_copy(update={"parameters": 17}))
    assert hub.asked == []


def test_a_cached_dataset_says_its_columns(tmp_path: Path) -> None:
    snapshot = cached(tmp_path, "datasets--acme--web", "d" * 40, "v1")
    found = ask("http://127.0.0.1:9", tmp_path, "hub_dataset", "acme/web", "v1").stdout
    assert HubDataset.model_validate_json(found).columns is None
    card = "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n---\n# Web\n"
    (snapshot / "README.md").write_text(card, encoding="utf-8")
    found = ask("http://127.0.0.1:9", tmp_path, "hub_dataset", "acme/web", "v1").stdout
    assert HubDataset.model_validate_json(found).columns == {"text": "string"}


def test_shapes_of_folders(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no `config.json`"):
        folder_shape(tmp_path)
    (tmp_path / "config.json").write_text('{"n_embd": 8, "n_layer": 2, "text_config": {"vocab_size": 9}}')
    assert folder_shape(tmp_path) == Shape(hidden=8, layers=2, vocab=9)
    safetensors(tmp_path / "model-1.safetensors", a=[10, 10])
    safetensors(tmp_path / "model-2.safetensors", b=[1])
    assert folder_shape(tmp_path).parameters == 101
    (tmp_path / "model-2.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0no")
    with pytest.raises(Unreachable, match="no safetensors file"):
        folder_shape(tmp_path)
