"""Models fetched from a Hub on the loopback interface, over real HTTP, into a cache of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lock.hub_server import Hub, serving
from tests.training.stage_fakes import loaded

FETCH = """
import json, sys
from pathlib import Path
from structdsl.plan import FetchModel, FetchTokenizer
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.models import fetch_model
from structdsl_runtime.operations.tokenizer import fetch_tokenizer
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context
found = []
for number, (kind, values) in enumerate(json.loads(sys.argv[2])):
    folder = Path(sys.argv[1]) / str(number)
    operation, arguments = {"model": (fetch_model, FetchModel), "tokenizer": (fetch_tokenizer, FetchTokenizer)}[kind]
    try:
        operation(arguments(**values), FakeInputs(), FakeOutputs(folder), context(folder))
        found.append([str(folder / kind), ""])
    except Fault as fault:
        found.append([fault.code, " / ".join((fault.message, *fault.notes, *fault.helps))])
print(json.dumps(found))
"""


@pytest.fixture
def hub(base: Path) -> Iterator[Hub]:
    with serving() as server:
        server.files = {path.name: path.read_bytes() for path in base.iterdir()}
        server.files |= {
            "pytorch_model.bin": b"x",
            "modeling.py": b"raise SystemExit",
            "consolidated.safetensors": b"x",
        }
        yield server


def fetch(home: Path, url: str, out: str, *asked: tuple[str, dict[str, Any]], **more: str) -> list[list[str]]:
    """What comes of each operation: its folder, or code and words of its fault."""
    unset = {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"}
    variables = {name: value for name, value in os.environ.items() if name not in unset}
    variables |= {"HF_HOME": str(home / "hf"), "HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1"} | more
    command = [sys.executable, "-c", FETCH, str(home / out), json.dumps(asked)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_a_model_is_fetched_once_and_found_without_a_network(hub: Hub, base: Path, tmp_path: Path) -> None:
    tiny = ("model", {"id": "acme/tiny"})
    pinned = ("model", {"id": "acme/tiny", "revision": hub.commit})
    found = fetch(tmp_path, hub.url, "first", tiny, ("tokenizer", {"id": "acme/tiny"}), pinned)
    assert [fault for _, fault in found] == ["", "", ""], found
    folder = Path(found[0][0])
    assert {path.name for path in folder.iterdir()} == {path.name for path in base.iterdir()} | {"source.json"}
    assert json.loads((folder / "source.json").read_text()) == {"repository": "acme/tiny", "revision": hub.commit}
    assert (folder / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    loaded(folder)
    assert (Path(found[1][0]) / "tokenizer.json").is_file()
    assert not [path for path in hub.asked if ".bin" in path or ".py" in path or "consolidated" in path]
    hub.asked.clear()
    offline = fetch(tmp_path, hub.url, "offline", tiny, pinned, ("tokenizer", {"id": "acme/tiny"}), HF_HUB_OFFLINE="1")
    assert [fault for _, fault in offline] == ["", "", ""]
    hub.commit = "b" * 40
    again, _ = fetch(tmp_path, hub.url, "again", tiny, pinned)
    assert json.loads((Path(again[0]) / "source.json").read_text())["revision"] == "b" * 40


def test_what_the_hub_does_not_give(hub: Hub, tmp_path: Path) -> None:
    found = fetch(
        tmp_path,
        hub.url,
        "asked",
        ("model", {"id": "acme/none"}),
        ("model", {"id": "acme/tiny", "revision": "v9"}),
        ("model", {"id": "acme/gated"}),
        ("model", {"id": "acme/gated", "token": "MY_TOKEN"}),
        ("tokenizer", {"id": "a/b/c"}),
    )
    assert {code for code, _ in found} == {"E0830"}
    for words, (_, said) in zip(
        ("no model `acme/none`", "no revision `v9`", "terms to be accepted", "`MY_TOKEN` is not set", "`a/b/c`"),
        found,
        strict=True,
    ):
        assert words in said


def test_half_a_copy_is_none(hub: Hub, tmp_path: Path) -> None:
    weights = hub.files.pop("model.safetensors")
    hub.files.pop("consolidated.safetensors")
    tiny = ("model", {"id": "acme/tiny"})
    (none,) = fetch(tmp_path, hub.url, "none", tiny)
    assert none[0] == "E0715"
    assert "it has no safetensors, but `pytorch_model.bin`" in none[1]
    fetched = fetch(tmp_path, hub.url, "tokenizer", ("tokenizer", {"id": "acme/tiny"}))
    assert fetched[0][1] == ""
    (half,) = fetch(tmp_path, "http://127.0.0.1:9", "half", tiny)
    assert half[0] == "E0830"
    assert "in the local cache in part only, and the Hub does not answer" in half[1]
    hub.files["model.safetensors"], hub.commit = weights, "b" * 40
    assert fetch(tmp_path, hub.url, "whole", tiny)[0][1] == ""
