"""Which files a glob names, and when their hashes are taken anew."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from structdsl.plan import ReadDataset, ReadFiles, ReadTable
from structdsl_runtime.globs import match
from structdsl_runtime.keys import listing
from structdsl_runtime.operation import Fault
from structdsl_runtime.sources import UNREADABLE, Sources, digest
from structdsl_runtime.text.sources import find
from tests.runtime.core.toy_plan import step, table


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
        ("notes/**", ["a.md", "b.txt", "deep/er/c.md"]),
        ("**/**/c.md", ["notes/deep/er/c.md"]),
        ("notes/.*.md", [".hidden.md"]),
        ("not?s/deep/*/c.md", ["notes/deep/er/c.md"]),
        ("*/deep/../[!b].md", ["notes/deep/../a.md"]),
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


@pytest.mark.parametrize("pattern", ["notes/*.md", "notes/**/*.md", "notes/a.md", "none/*.md"])
def test_an_address_of_this_machine_is_the_path_in_it(tree: Path, pattern: str) -> None:
    for start in ("file://", "local://"):
        written = start + str(tree / pattern)
        assert Sources(tree, tree / "s").listing(written) == Sources(tree, tree / "s").listing(pattern)
        assert shown(written, tree) == shown(pattern, tree)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("/a%20b/%2A.md", "*.md"),
        ("/a%20b/%5B1%5d.md", "[1].md"),
        ("/a%20b/%e4%BD%a0.md", "你.md"),
        ("/a%20b/50%25.md", "50%.md"),
        ("/a%20b/50%.md", "50%.md"),
        ("/a%20b/%2520.md", "%20.md"),
        ("/%61 b/a%23?.md", "a#1.md"),
    ],
)
def test_an_address_says_by_numbers_what_it_has_no_letters_for(tree: Path, written: str, name: str) -> None:
    (tree / "a b").mkdir()
    for each in (name, "x.md", "1.md", "50.md"):
        (tree / "a b" / each).touch()
    for start in ("file://", "file://localhost", "file://LocalHost"):
        assert shown(f"{start}{tree}{written}", tree) == [(name, f"a b/{name}")]
        assert list(Sources(tree, tree / "s").listing(f"{start}{tree}{written}")) == [name]
    assert shown(f"local://{tree}{written}", tree) == "E0513", "a path as it stands"


def shown(pattern: str, root: Path) -> Sequence[tuple[str, str]] | str:
    try:
        return [(source.name, source.shown) for source in find(pattern, root)]
    except Fault as fault:
        return fault.code


def test_links_into_what_they_lie_in_are_not_followed(tree: Path) -> None:
    elsewhere = tree / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "d.md").touch()
    (elsewhere / "back").symlink_to(tree / "notes")
    (tree / "notes/deep/up").symlink_to("..")
    (tree / "notes/deep/top").symlink_to(tree)
    (tree / "notes/deep/self").symlink_to("self")
    (tree / "notes/other").symlink_to(elsewhere)
    assert shown("notes/**/*.md", tree) == [(name, f"notes/{name}") for name in ("a.md", "deep/er/c.md", "other/d.md")]
    assert list(Sources(tree, tree / "s").listing("notes")) == [
        ".hidden.md", "a.md", "b.txt", "deep/er/c.md", "deep/self", "other/d.md",
    ]  # fmt: skip
    assert shown("notes/*/*/*.md", tree) == [("deep/er/c.md", "notes/deep/er/c.md")]
    assert shown("notes/deep/up/*.md", tree) == [("a.md", "notes/deep/up/a.md")], "what is named outright is meant"


@pytest.mark.parametrize("kind", ["named pipe", "socket", "device"])
def test_what_is_no_file_is_never_opened(tree: Path, kind: str) -> None:
    special = tree / "notes" / "x.md"
    if kind == "named pipe":
        os.mkfifo(special)
    elif kind == "device":
        special.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(os.path.relpath(special))
    for pattern in ("notes/*.md", "notes/x.md"):
        assert Sources(tree, tree / "store").listing(pattern)["x.md"] == UNREADABLE
        with pytest.raises(Fault, match=f"`notes/x.md` cannot be read: it is a {kind}, not a file"):
            find(pattern, tree)


def test_a_link_to_itself_leads_nowhere(tree: Path) -> None:
    (tree / "loop").symlink_to("loop")
    assert Sources(tree, tree / "store").listing("loop/*.md") == {}
    (tree / "none.md").symlink_to("nothing")
    for pattern in ("loop*", "none.*"):
        with pytest.raises(Fault, match="it is a link that leads nowhere"):
            find(pattern, tree)


def test_a_folder_whose_name_looks_like_a_pattern(tree: Path) -> None:
    (tree / "d[1].md").mkdir()
    (tree / "d1.md").write_text("one", encoding="utf-8")
    assert list(Sources(tree, tree / "store").listing("d[1].md")) == ["d1.md"]


def test_nothing_is_read_of_a_folder_where_a_file_is_wanted(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structdsl_runtime.globs.walk", None)
    monkeypatch.setattr("structdsl_runtime.sources.match", None)
    sources = Sources(tree, tree / "store")
    for operation in (
        ReadFiles(corpus="c", role="domain", pattern="notes"),
        ReadTable(corpus="c", role="domain", uri="notes"),
    ):
        assert listing(step("c.read", operation, {"documents": table("c", "x INTEGER")}), "notes", sources) == {
            "notes": UNREADABLE
        }
    assert sources.size("/") == 0
    monkeypatch.undo()
    data_set = ReadDataset(corpus="c", role="domain", id="notes", name=None, split="train", revision=None)
    found = listing(step("c.read", data_set, {"documents": table("c", "x INTEGER")}), "notes", sources)
    assert list(found) == [".hidden.md", "a.md", "b.txt", "deep/er/c.md"]


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
