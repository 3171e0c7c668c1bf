"""The lock: what it pins, when it is stale, and what a locked run refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.folder import Folder, lines
from tests.lock.hub_server import Hub, serving
from tests.lock.test_hub import safetensors

SPEC = """\
language 1
param deep: integer = 2
model base { source = path("models/base") }
corpus book    { source = files("data/book/*.md"), role = domain, title = "The Book" }
corpus general { source = files("data/general.jsonl"), role = replay }
mixture all  { budget = 1k tokens, weights = { corpus.book: 50%, corpus.general: rest } }
taxonomy guide { over = [corpus.book], root = corpus, rule outline: headings { depth = param.deep } }
stage learn: cpt { from = model.base, data = mixture.all, length = 256, batch = 256 tokens }
"""
CONFIG = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 99}


@pytest.fixture
def data(fresh: Folder) -> Folder:
    fresh.spec.write_text(SPEC, encoding="utf-8")
    base = fresh.path / "models" / "base"
    base.mkdir(parents=True)
    (base / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (base / "tokenizer.json").write_text("{}", encoding="utf-8")
    safetensors(base / "model.safetensors", embed=[99, 64])
    return fresh


def lock_of(folder: Folder) -> Any:
    return json.loads(folder.path.joinpath("tiny.adapt.lock").read_bytes())


def check(folder: Folder, *words: str) -> list[str]:
    """What `lock --check` finds to have changed."""
    said = folder.shell("lock", "--check", *words, code=3).stderr
    return [line.removeprefix("note: ") for line in said.splitlines() if line.startswith("note: ")]


def test_what_is_pinned(data: Folder) -> None:
    assert data.shell("lock").stdout == "tiny.adapt.lock: 4 pins\n"
    lock = lock_of(data)
    assert (lock["edition"], lock["parameters"]) == (1, {"deep": "2"})
    assert list(lock["pins"]) == ["corpus.book.read", "corpus.general.read", "model.base.load", "model.base.tokenizer"]
    assert list(lock["pins"]["corpus.book.read"]["listing"]) == ["data/book/north.md", "data/book/south.md"]
    assert lock["pins"]["model.base.load"]["shape"] == {
        "parameters": 99 * 64,
        "hidden": 64,
        "layers": 2,
        "heads": 4,
        "vocab": 99,
    }
    assert lock["pins"]["model.base.tokenizer"]["kind"] == "tokenizer"


def test_the_same_text_wherever_and_whenever(data: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    data.shell("lock")
    text = data.path.joinpath("tiny.adapt.lock").read_text(encoding="utf-8")
    assert str(data.path) not in text
    assert data.shell("lock").stdout == "tiny.adapt.lock: 4 pins, unchanged\n"
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(data.path, elsewhere, ignore=shutil.ignore_patterns("*.lock", ".structdsl"))
    copy = Folder(elsewhere)
    copy.shell("lock")
    assert copy.path.joinpath("tiny.adapt.lock").read_text(encoding="utf-8") == text


def test_check_says_what_changed(data: Folder) -> None:
    assert "there is no `tiny.adapt.lock`" in data.shell("lock", "--check", code=3).stderr
    data.shell("lock")
    assert data.shell("lock", "--check").stdout == "tiny.adapt.lock is current\n"
    book = data.path / "data" / "book"
    (book / "east.md").write_text("# East", encoding="utf-8")
    (book / "north.md").write_text("# North", encoding="utf-8")
    assert check(data) == ["corpus.book.read: sources +1 ~1 −0 (data/book/east.md, data/book/north.md)"]
    (book / "south.md").unlink()
    (data.path / "models" / "base" / "tokenizer.json").write_text("{ }", encoding="utf-8")
    assert check(data)[1:] == [
        "model.base.load: sources +0 ~1 −0 (models/base/tokenizer.json)",
        "model.base.tokenizer: tokenizer changed +0 ~1 −0 (models/base/tokenizer.json)",
    ]
    data.shell("lock")
    data.edit('corpus general { source = files("data/general.jsonl"), role = replay }\n', "")
    data.edit("corpus.book: 50%, corpus.general: rest", "corpus.book: rest")
    data.edit("integer = 2", "integer = 1")
    assert check(data) == ["param `deep` 2 → 1", "corpus.general.read is pinned and no longer in the plan"]
    data.edit("language 1\n", 'language 1\ncorpus prose { source = files("data/prose.jsonl"), role = probe }\n')
    assert "corpus.prose.read is not pinned" in check(data)


def test_a_locked_run(data: Folder) -> None:
    words = ("run", "--locked", "--select", "taxonomy.guide")
    refused = data.shell(*words, code=3).stderr
    assert "there is no `tiny.adapt.lock`" in refused
    assert "`structdsl lock` writes it" in refused
    assert not data.store.joinpath("runs").exists()
    data.shell("lock")
    data.shell("run", "--locked", "--select", "corpus.book.read", "-p", "deep=1")  # a param of its own is no change
    (data.path / "data" / "book" / "east.md").write_text("# East", encoding="utf-8")
    (data.path / "data" / "general.jsonl").unlink()
    refused = data.shell(*words, code=3).stderr
    assert "note: corpus.book.read: sources +1 ~0 −0 (data/book/east.md)" in refused
    assert "note: corpus.general.read: no file matches `data/general.jsonl`" in refused
    assert "run `structdsl lock`" in refused


def test_all_or_nothing(data: Folder) -> None:
    data.edit("data/general.jsonl", "data/nothing/*.jsonl")
    (data.path / "models" / "base" / "config.json").write_text("{", encoding="utf-8")
    refused = data.shell("lock", code=4).stderr
    assert "error[E0812]: 2 of 4 sources cannot be pinned" in refused
    assert "note: corpus.general.read: no file matches `data/nothing/*.jsonl`" in refused
    assert "note: model.base.load: its `config.json` cannot be read" in refused
    assert not data.path.joinpath("tiny.adapt.lock").exists()


def test_what_is_no_lock(data: Folder) -> None:
    for text, says in ((b"<<<<<<< HEAD", "unresolved merge"), (b"\xff", "is not UTF-8")):
        data.path.joinpath("tiny.adapt.lock").write_bytes(text)
        refused = data.shell("lock", "--check", code=3).stderr
        assert "E0810" in refused
        assert says in refused
    data.shell("lock")
    data.shell("lock", "--check")


def test_many_files_are_pinned_by_their_digest(data: Folder) -> None:
    for number in range(120):
        (data.path / "data" / "book" / f"{number}.md").write_text(f"# {number}", encoding="utf-8")
    data.shell("lock")
    pin = lock_of(data)["pins"]["corpus.book.read"]
    assert (pin["files"], "listing" in pin) == (122, False)
    (data.path / "data" / "book" / "7.md").write_text("# Seven", encoding="utf-8")
    assert check(data) == ["corpus.book.read: sources +0 ~1 −0 (data/book/7.md)"]
    shutil.rmtree(data.store)
    (line,) = check(data)
    assert line.startswith("corpus.book.read: sources 122 files, ")


def test_a_data_set_in_a_folder(data: Folder) -> None:
    rows = data.path / "data" / "rows"
    rows.mkdir()
    shutil.move(data.path / "data" / "general.jsonl", rows / "train.jsonl")
    data.edit('files("data/general.jsonl")', 'hf_dataset("data/rows")')
    assert data.shell("lock").stdout == "tiny.adapt.lock: 4 pins\n"
    pin = lock_of(data)["pins"]["corpus.general.read"]
    assert (pin["kind"], list(pin["listing"])) == ("files", ["data/rows/train.jsonl"])
    read = ("run", "--locked", "--select", "corpus.general.read")
    assert "corpus.general.read  40 rows" in data.shell(*read).stderr
    lines(rows / "train.jsonl", [{"text": "another"}])
    assert check(data) == ["corpus.general.read: sources +0 ~1 −0 (data/rows/train.jsonl)"]
    assert "source files changed: +0 ~1 -0 (train.jsonl)" in data.shell("plan").stdout
    data.shell("lock")
    assert "corpus.general.read  1 row" in data.shell(*read).stderr
    shutil.rmtree(rows)
    refused = data.shell("lock", "--offline", code=4).stderr  # without a folder it is one of the Hub
    assert "note: corpus.general.read: not in the local cache" in refused


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub that answers, an empty cache, and processes that use both."""
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("cache")))
        yield server


def test_repositories(data: Folder, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    data.edit('files("data/general.jsonl")', 'hf_dataset("acme/web")')
    data.shell("lock")
    pin = lock_of(data)["pins"]["corpus.general.read"]
    assert (pin["revision"], pin["columns"]) == ("a" * 40, {"text": "string", "ids": "list"})
    hub.commit = "b" * 40
    assert check(data) == ["corpus.general.read: revision aaaaaaaaaaaa → bbbbbbbbbbbb"]
    hub.asked.clear()
    data.shell("run", "--locked", "--select", "corpus.book.read")  # reads what was locked, however far the Hub is
    assert hub.asked == []

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refused = data.shell("lock", code=4).stderr
    assert "note: corpus.general.read: the Hub did not answer (" in refused
    assert "`structdsl lock --offline` keeps" in refused
    assert "kept: corpus.general.read is pinned as before" in data.shell("lock", "--offline").stderr
    assert lock_of(data)["pins"]["corpus.general.read"]["revision"] == "a" * 40
    data.edit('hf_dataset("acme/web")', 'hf_dataset("acme/web", revision = "v1")')
    assert "and the Hub was not asked" in data.shell("lock", "--offline", code=4).stderr


def test_a_model_of_the_hub(data: Folder, hub: Hub) -> None:
    data.edit('path("models/base")', 'hf("acme/tiny", revision = "v1")')
    data.shell("lock")
    pins = lock_of(data)["pins"]
    assert pins["model.base.load"]["shape"]["parameters"] == 123
    assert {pins[f"model.base.{part}"]["revision"] for part in ("load", "tokenizer")} == {hub.commit}
    data.edit('"v1"', '"v9"')
    refused = data.shell("lock", "--check", code=4).stderr
    assert "note: model.base.load: it has no revision `v9`" in refused


def test_a_secret_is_in_no_lock(data: Folder, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_SECRET", "hf_verysecret")
    data.edit('files("data/general.jsonl")', 'hf_dataset("acme/web", token = secret("HF_SECRET"))')
    data.shell("lock")
    assert hub.asked
    assert "hf_verysecret" not in data.path.joinpath("tiny.adapt.lock").read_text(encoding="utf-8")
