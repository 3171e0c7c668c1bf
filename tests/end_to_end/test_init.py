"""A first spec compiles without a word for whatever lies in a folder, and runs as it stands."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.format import format_text
from structdsl.starter import identifier, look, starter
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
