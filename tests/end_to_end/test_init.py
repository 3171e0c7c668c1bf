"""A first spec compiles without a word for whatever lies in a folder, and runs as it stands."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
import zlib
from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.format import format_text
from structdsl.starter import Found, identifier, look, starter
from structdsl.starter.reading import MOST_BYTES
from structdsl.syntax.source import Source
from tests.end_to_end.folder import Folder

NOTE = (
    "# Topic {n}\n\nThe topic {n} is about many things, which follow one another in order.\n\n## Part\n\nMore of {n}.\n"
)
ROW = {"question": "What is topic {n}?", "answer": "Number {n}"}
ALPACA = {"instruction": "What is topic {n}?", "output": "Number {n}"}

FOLDERS: dict[str, dict[str, str | list[dict[str, str]]]] = {
    "one page": {"page.md": NOTE},
    "a few pages": {f"notes/t{n}.md": NOTE.replace("{n}", str(n)) for n in range(6)},
    "deep folders with odd names": {f'my [old] notes/{n}/it\'s "{n}".md': NOTE for n in range(3)},
    "text without headings": {"a.txt": "Some words of text.", "b.txt": "And others, which are more of them."},
    "rows of text": {"texts.jsonl": [{"content": f"Row number {n}."} for n in range(40)]},
    "a row without text": {
        "texts.jsonl": [{"text": f"Row {n} of text."} for n in range(40)] + [{"text": ""}, {"x": "y"}]
    },
    "pages of the web": {
        f"site/{n}.html": f"<h1>Page {n}</h1><p>Words of page {n}.</p><h2>More</h2>" for n in range(6)
    },
    "other marks": {"a.rst": "Title\n=====\n\nText here.\n\nPart\n----\n\nAnd there.\n", "b.rst": "Words.\n"},
    "a sheet": {"t.csv": "id,text\n" + "".join(f'{n},"Row {n}, of a sheet."\n' for n in range(40))},
    "questions alone": {"asked.jsonl": [{k: v.format(n=n) for k, v in ROW.items()} for n in range(60)]},
    "few questions": {"asked.jsonl": [{k: v.format(n=n) for k, v in ALPACA.items()} for n in range(5)]},
    "pages and questions": {
        "notes/a.md": NOTE,
        "notes/b.md": NOTE,
        "asked/all.jsonl": [{k: v.format(n=n) for k, v in ALPACA.items()} for n in range(60)],
    },
    "several kinds": {
        "a.md": NOTE,
        "b.md": NOTE,
        "more/c.txt": "A few words.",
        "build/x/d.md": NOTE,
        ".hidden/e.md": NOTE,
    },
    "no words but in one": {"a.md": "", "b.md": "\n", "c.md": NOTE},
}


def write(folder: Path, files: dict[str, str | list[dict[str, str]]]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", FOLDERS)
def test_it_compiles_without_a_word(name: str, tmp_path: Path) -> None:
    text = starter("trial", look(write(tmp_path, FOLDERS[name])))
    plan, sink = compile_text(text, Path("trial.adapt"))
    assert [f"{diagnostic.code} {diagnostic.message}" for diagnostic in sink] == []
    assert plan is not None
    assert plan.training.nodes
    assert format_text(Source(Path("trial.adapt"), text)) == text


def test_what_is_found(tmp_path: Path) -> None:
    depths = {"pages of the web": 2, "other marks": 2, "a sheet": 0, "a row without text": 0, "one page": 2}
    for name, depth in depths.items():
        text = look(write(tmp_path / name, FOLDERS[name])).text
        assert text is not None
        assert (name, text.depth) == (name, depth)
        assert text.words > 0
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(b'{"text": "Row %d."}\n' % n for n in range(9))))
    (packed / "b.parquet").write_bytes(b"PAR1")
    found = look(packed)
    assert found.text is not None
    assert (found.text.group.pattern, found.text.words) == ("*.jsonl.gz", 18)
    assert [group.pattern for group in found.others] == ["*.parquet"]


def found_in(folder: Path, name: str, data: bytes) -> Found:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return look(folder)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<p>one two\n" * 20_000, 40_000),
        ("<ul><li>one<li>two</ul><table><tr><th>three<td>four</table><dl><dt>five<dd>six</dl>", 6),
        ("<div>one two</div><article>three<br>four</article><blockquote>five</blockquote>", 5),
        ("<!doctype html><title>no</title><style>p { x: y }</style><body>one<script>if (a < b) c</script> two", 2),
        ("<nav><a href=x>menu</a></nav><FORM>ask</FORM>one<!-- not <p> this -->", 1),
        ("one <script>" + "<script>" * 100_000, 1),
        ("one " + "<!--" * 100_000, 1),
        ("one <" + "a" * 200_000, 2),
        ("one " + "<a " * 200_000, 200_001),
    ],
)
def test_words_of_a_page(tmp_path: Path, page: str, words: int) -> None:
    text = found_in(tmp_path, "a.html", page.encode()).text
    assert text is not None
    assert text.words == words


TEN = b"".join(b'{"text": "Row %d."}\n' % n for n in range(10))
BROAD = "id,text\n" + f'1,"{"a " * 70_000}"\n' * 9


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.jsonl", TEN + b"[" * 100_000 + b"\n" + TEN, 40),
        ("a.jsonl", TEN + b'{"text": "' + b"x" * MOST_BYTES + b'"}\n' + TEN, 20),
        ("a.csv", BROAD.encode(), 9 * 70_000),
        ("a.csv", (BROAD + f'1,"{"a " * MOST_BYTES}"\n' + BROAD).encode(), 9 * 70_000),
    ],
)
def test_rows_that_are_out_of_the_ordinary(tmp_path: Path, name: str, data: bytes, words: int) -> None:
    for packed in (False, True):
        folder = tmp_path / str(packed)
        text = found_in(folder, f"{name}.gz" if packed else name, gzip.compress(data) if packed else data).text
        assert text is not None
        assert words / 2 < text.words <= words  # some may be kept to measure
        assert (text.limit is None) == (len(data) < MOST_BYTES)


def test_a_damaged_file_ends_where_the_damage_is(tmp_path: Path) -> None:
    rows = b"".join(b'{"text": "%s"}\n' % hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(20_000))
    data = bytearray(gzip.compress(rows))
    half = len(data) // 2
    data[half : half + half // 2] = reversed(data[half : half + half // 2])
    with pytest.raises(zlib.error):
        gzip.decompress(data)
    text = found_in(tmp_path, "a.jsonl.gz", bytes(data)).text
    assert text is not None
    assert 5_000 < text.words < 15_000


def test_a_packed_line_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Some words.", encoding="utf-8")
    data = gzip.compress(b"x" * (20 * MOST_BYTES))
    tracemalloc.start()
    found_in(tmp_path, "a.jsonl.gz", data)
    found_in(tmp_path, "b.csv.gz", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * MOST_BYTES


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("One\r\n===\r\n\r\nTwo\r\n---\r\n", 2),
        ("One\n===\n\nTwo\n^^^\n", 2),
        ("===\nOne\n===\n\nTwo\n===\n", 2),
        ("Text.\n\n----\n\nText::\n\n  One\n  ===\n\nLonger title\n==\n", 0),
        ("A\n=\n\nB\n-\n\nC\n~\n\nD\n^\n", 3),
    ],
)
def test_headings_of_restructuredtext(tmp_path: Path, text: str, depth: int) -> None:
    found = found_in(tmp_path, "a.rst", text.encode()).text
    assert found is not None
    assert found.depth == depth


def test_the_vocabulary_of_packed_questions_is_that_of_their_words(tmp_path: Path) -> None:
    rows = "".join(json.dumps({k: v.format(n=n) for k, v in ROW.items()}) + "\n" for n in range(1_000)).encode()
    plain = starter("trial", found_in(tmp_path / "plain", "a.jsonl", rows))
    packed = starter("trial", found_in(tmp_path / "packed", "a.jsonl.gz", gzip.compress(rows)))
    assert "vocab = 2048" in plain
    assert packed.replace(".jsonl.gz", ".jsonl") == plain


def test_what_is_measured_is_not_trained_on(tmp_path: Path) -> None:
    text = starter("trial", look(write(tmp_path, FOLDERS["pages and questions"])))
    assert "keep   = sql \"source <> 'notes/" in text
    assert 'source = files("notes/b.md")' in text or 'source = files("notes/a.md")' in text
    assert "md5(question) < '4'" in text
    assert "md5(question) >= '4'" in text


def test_build_folders_are_no_documents(tmp_path: Path) -> None:
    found = look(write(tmp_path, FOLDERS["several kinds"]))
    assert found.text is not None
    assert found.text.group.pattern == "*.md"
    assert [group.pattern for group in found.others] == ["more/*.txt"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("notes", "notes"), ("2024 Lab-Notes", "spec_2024_lab_notes"), ("Ärzte", "arzte"), ("___", "spec"), ("", "spec")],
)
def test_the_name_is_one_of_the_language(folder: str, name: str) -> None:
    assert identifier(folder) == name


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path, identifier(tmp_path.name))
    assert "put documents there first" in folder.shell("init", code=2).stderr
    assert not folder.spec.exists()
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert 'files("*.parquet")' in folder.shell("init", code=2).stderr
    write(tmp_path, FOLDERS["one page"])
    said = folder.shell("init").stdout
    assert "structdsl run" in said
    assert ".gitignore: .structdsl/ build/" in said
    text = folder.spec.read_text(encoding="utf-8")
    assert "is there already" in folder.shell("init", code=2).stderr
    assert folder.spec.read_text(encoding="utf-8") == text


def test_it_runs(tmp_path: Path) -> None:
    home = tmp_path / "few pages"
    home.mkdir()
    write(home, FOLDERS["a few pages"])
    folder = Folder(home, "few_pages")
    folder.shell("init")
    assert "warning" not in folder.shell("run").stderr
    scores = folder.rows("SELECT model, metric FROM evaluation.board_scores WHERE task = 'text' ORDER BY ALL")
    assert {row["model"] for row in scores} == {"model.tiny", "stage.learn"}
    assert "nothing to do" in folder.shell("run").stderr
