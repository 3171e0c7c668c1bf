"""Which files a glob names, and when their hashes are taken anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from structdsl_runtime.sources import UNREADABLE, Sources, digest, match


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("notes/a.md", "notes/b.txt", "notes/deep/er/c.md", "notes/.hidden.md", "z.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("notes/*.md", ["a.md"]),
        ("notes/**/*.md", ["a.md", "deep/er/c.md"]),
        ("**/*.md", ["notes/a.md", "notes/deep/er/c.md", "z.md"]),
        ("notes/a.md", ["a.md"]),
        ("notes", [".hidden.md", "a.md", "b.txt", "deep/er/c.md"]),
        ("notes/*", ["a.md", "b.txt"]),
        ("./notes/[ab].*", ["a.md", "b.txt"]),
        ("none/*.md", []),
        ("none.md", []),
    ],
)
def test_globs(tree: Path, pattern: str, names: list[str]) -> None:
    assert list(Sources(tree, tree / "store").listing(pattern)) == names
    absolute = str(tree / pattern)
    assert [
        path.relative_to(match(absolute, Path("/"))[0]).as_posix() for path in match(absolute, Path("/"))[1]
    ] == names


def test_a_home_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree / "notes"))
    assert list(Sources(tree, tree / "store").listing("~/*.md")) == ["a.md"]
    assert list(Sources(tree, tree / "store").listing("~nobody-of-that-name/*.md")) == []


def test_hashes_are_remembered_once_files_are_at_rest(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tree / "store"
    store.mkdir()
    fresh = Sources(tree, store)
    fresh.listing("notes/*.md")
    fresh.save()
    assert not (store / "sources.json").exists(), "a file changed a moment ago may change again unseen"
    monkeypatch.setattr("structdsl_runtime.sources.FRESH_NS", -1)
    calm = Sources(tree, store)
    before = calm.listing("notes/*.md")
    calm.save()
    assert (store / "sources.json").exists()
    file = tree / "notes" / "a.md"
    monkeypatch.setattr("hashlib.file_digest", None)
    assert Sources(tree, store).listing("notes/*.md") == before
    monkeypatch.undo()
    os.utime(file, ns=(1, 1))
    assert Sources(tree, store).listing("notes/*.md") == before
    file.write_text("other", encoding="utf-8")
    assert Sources(tree, store).listing("notes/*.md") != before


def test_listings_are_kept_by_digest(tree: Path) -> None:
    sources = Sources(tree, tree / "store")
    listing = sources.listing("notes/*")
    assert sources.kept(digest(listing)) is None
    sources.keep(listing)
    assert sources.kept(digest(listing)) == listing


def test_what_cannot_be_read_is_left_to_the_operation(tree: Path) -> None:
    (tree / "notes" / "d.md").symlink_to(tree / "nowhere")
    assert Sources(tree, tree / "store").listing("notes/d*.md") == {"d.md": UNREADABLE}
