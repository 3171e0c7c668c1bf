"""What lies in a folder that a spec could be written for: which text, how much, with headings or not, and questions."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structdsl.starter.reading import MOST_BYTES, TEXT, depth, rows_of, words

ROWS = (".jsonl", ".ndjson", ".csv", ".tsv", ".jsonl.gz", ".ndjson.gz", ".csv.gz", ".tsv.gz")
OTHERS = (".parquet", ".arrow", ".feather", ".pdf", ".jsonl.zst", ".ndjson.zst", ".csv.zst", ".tsv.zst")
"""What a spec reads as well, and nobody looks into here: that takes libraries which the compiler does without."""
SKIPPED = frozenset({"build", "dist", "node_modules", "venv", "__pycache__"})  # and names that start with a dot

ASKED = (
    ("question", "answer"),
    ("instruction", "output"),
    ("prompt", "response"),
    ("query", "response"),
    ("input", "output"),
)
"""Names that a question and its answer go by in the JSON Lines of others; ours first."""
BODIES = ("text", "content", "body")

FEWEST_QUESTIONS = 8  # in an exam
FEWEST_TEXTS = 3  # that a probe takes of rows
MOSTLY = 0.9  # of the rows have what they are taken for
PROBE_SHARE = 0.15  # of the text, at the most


class NothingFound(ValueError):  # noqa: N818 - a state of affairs
    """There is no text in the folder that a spec could be written for; `others` are patterns of what else is there."""

    def __init__(self, others: tuple[str, ...]) -> None:
        super().__init__(*others)
        self.others = others


@dataclass(slots=True, kw_only=True)
class Group:
    """Files that one glob reads."""

    pattern: str
    files: list[Path] = field(default_factory=list)  # relative to the folder, in the order in which they are read
    size: int = 0  # bytes

    @property
    def suffix(self) -> str:
        return _ending(self.files[0]).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A group of documents, as much of it as is read, and what of it is kept to measure."""

    group: Group
    limit: int | None  # documents
    words: int  # of what is trained on
    depth: int  # of its headings; 0 where there are none
    column: str  # of the text, in JSON Lines
    probe: Path | None = None  # the file that no stage reads
    split: bool = False  # whether some of its rows are read by no stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    group: Group
    names: tuple[str, str]  # of question and answer in the file
    limit: int | None  # rows
    words: int  # of all these
    examined: int  # of them that an exam takes; 0 where it would have too few


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    text: Text | None
    questions: Questions | None
    others: tuple[Group, ...]  # that the spec leaves aside


def look(folder: Path) -> Found:
    """What a spec in this folder could learn from.

    Raises
    ------
    NothingFound
        If there is neither text nor questions.

    """
    groups = _groups(folder)
    questions = next((q for group in groups if (q := _questions(folder, group)) is not None), None)
    rest = [group for group in groups if questions is None or group is not questions.group]
    text = next((t for group in rest if (t := _text(folder, group)) is not None), None)
    if text is None and questions is None:
        raise NothingFound(tuple(group.pattern for group in groups if group.suffix in OTHERS))
    used = {group.pattern for group in (text and text.group, questions and questions.group) if group}
    return Found(text=text, questions=questions, others=tuple(g for g in groups if g.pattern not in used))


def _groups(folder: Path) -> list[Group]:
    """Files by the folder at the top and by suffix, the largest group first."""
    deep: dict[tuple[str, str], list[Path]] = {}
    for path in _files(folder):
        top = path.parts[0] if len(path.parts) > 1 else ""
        if "${" not in top:
            deep.setdefault((top, _ending(path)), []).append(path)
    groups = []
    for (top, suffix), files in deep.items():
        nested = any(len(path.parts) > 2 for path in files)
        parts = [glob.escape(top)] if top else []
        pattern = "/".join([*parts, *(["**"] if nested else []), f"*{suffix}"])
        size = sum((folder / path).stat().st_size for path in files)
        if size:
            groups.append(Group(pattern=pattern, files=sorted(files, key=lambda path: path.as_posix()), size=size))
    return sorted(groups, key=lambda group: (-group.size, group.pattern))


def _files(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        for name in sorted(names):
            path = Path(at, name)
            if not name.startswith(".") and _ending(path).lower() in TEXT + ROWS + OTHERS and path.is_file():
                yield path.relative_to(folder)


def _ending(path: Path) -> str:
    """What says how a file is read: `.md`, `.jsonl.gz`."""
    packed = path.suffix.lower() in (".gz", ".zst")
    return "".join(path.suffixes[-2:]) if packed else path.suffix


def _questions(folder: Path, group: Group) -> Questions | None:
    """The group as questions and answers, if its rows are."""
    if group.suffix not in ROWS:
        return None
    rows, whole = _rows(folder, group)
    names = next((names for names in ASKED if _are_text(rows, names)), None)
    if names is None:
        return None
    examined = sum(in_exam(str(row.get(names[0], ""))) for row in rows)
    enough = FEWEST_QUESTIONS <= examined <= len(rows) - FEWEST_QUESTIONS
    limit = None if whole else len(rows)
    count = sum(len(str(row.get(name, "")).split()) for row in rows for name in names)
    return Questions(group=group, names=names, limit=limit, words=count, examined=examined if enough else 0)


def in_exam(question: str) -> bool:
    """What the spec asks in SQL: `md5(question) < '4'`, a quarter of all questions, the same ones always."""
    return hashlib.md5(question.encode(), usedforsecurity=False).hexdigest() < "4"


def unseen(text: str) -> bool:
    """What the spec asks in SQL of rows of text: `md5(text) < '2'`, an eighth of them."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() < "2"


def _are_text(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> bool:
    """Whether nearly all rows have text of these names; a run leaves out the others."""
    first = rows[:50]
    having = sum(all(isinstance(row.get(name), str) for name in names) for row in first)
    return bool(first) and having >= MOSTLY * len(first)


def _rows(folder: Path, group: Group) -> tuple[list[dict[str, Any]], bool]:
    """Rows, up to the bytes that are read at the most, and whether these are all; a run skips what is none as well."""
    rows: list[dict[str, Any]] = []
    read = 0
    for path in group.files:
        for size, row in rows_of(folder / path, group.suffix.removesuffix(".gz")):
            read += size
            if read > MOST_BYTES:
                return rows, False
            if isinstance(row, dict):
                rows.append(row)
    return rows, True


def _text(folder: Path, group: Group) -> Text | None:
    """The group as documents, if there are words in them."""
    if group.suffix in ROWS:
        rows, whole = _rows(folder, group)
        column = next((name for name in BODIES if _are_text(rows, [name])), None)
        if column is None:
            return None
        texts = [text for row in rows if isinstance(text := row.get(column), str)]
        trained = [text for text in texts if not unseen(text)]
        split = len(texts) - len(trained) >= FEWEST_TEXTS
        count = sum(len(text.split()) for text in (trained if split else texts))
        limit = None if whole else len(rows)
        return Text(group=group, limit=limit, words=count, depth=0, column=column, split=split) if count else None
    if group.suffix in OTHERS:
        return None
    counts: dict[Path, int] = {}
    deepest, read = 0, 0
    for path in group.files:
        data = (folder / path).read_bytes()
        read += len(data)
        if read > MOST_BYTES and counts:
            break
        text = data.decode("utf-8", errors="replace")
        counts[path] = words(text, group.suffix)
        deepest = max(deepest, depth(text, group.suffix))
    count = sum(counts.values())
    if not count:
        return None
    probe = _probe(counts)
    limit = len(counts) if len(counts) < len(group.files) else None
    count -= counts[probe] if probe else 0
    return Text(group=group, limit=limit, words=count, depth=deepest, column="text", probe=probe)


def _probe(counts: dict[Path, int]) -> Path | None:
    """The file to keep for measuring: the longest that is no more than a small share of the text."""
    total = sum(counts.values())
    fit = [path for path, count in counts.items() if 0 < count <= total * PROBE_SHARE]
    if len(counts) > 1 and not fit:
        shortest = min((path for path, count in counts.items() if count), key=lambda path: counts[path], default=None)
        return shortest if shortest is not None and counts[shortest] <= total / 2 else None
    return max(fit, key=lambda path: (counts[path], path.as_posix())) if fit else None
