"""`structdsl init`: a first spec for the files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from structdsl.starter import Found, Group

NOTHING = """\
no text in `{folder}`: put documents there first, then ask again
  notes/*.md        Markdown, HTML, .rst or .adoc; its headings become a taxonomy
  notes/*.txt       plain text
  questions.jsonl   a row each: {{"question": "…", "answer": "…"}}; .csv as well, and .gz behind either
  texts.jsonl       a row each: {{"text": "…"}}"""
OTHERS = """\
no first spec can be made here for {others}, though a spec reads that too; write one that begins with
  corpus documents {{ source = files("{first}"), role = domain }}"""


@click.command("init", short_help="Write a first spec for the documents of a folder.")
@click.argument("folder", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
def init_command(folder: Path) -> None:
    """Write a first spec for the documents of a folder; it runs as it stands, on a CPU.

    Nothing is ever overwritten.
    """
    from structdsl.starter import NothingFound, identifier, look, starter  # noqa: PLC0415

    name = identifier(folder.resolve().name)
    spec = folder / f"{name}.adapt"
    if spec.exists():
        message = f"`{spec}` is there already, and nothing is overwritten"
        raise click.UsageError(message)
    try:
        found = look(folder)
        text = starter(name, found)
        with spec.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except NothingFound as nothing:
        others = nothing.others
        told = OTHERS.format(others=", ".join(others), first=others[0]) if others else NOTHING.format(folder=folder)
        raise click.UsageError(told) from None
    except OSError as error:
        message = f"`{error.filename or spec}`: {(error.strerror or str(error)).lower()}"
        raise click.UsageError(message) from None
    click.echo(f"{spec}: a spec for {_what(found)}")
    _next(folder, spec)


def _what(found: Found) -> str:
    """`12 files of notes/*.md and the questions of questions.jsonl`."""
    parts = [_files(found.text.group)] if found.text is not None else []
    parts += [f"the questions of {_files(found.questions.group)}"] if found.questions is not None else []
    return " and ".join(parts)


def _files(group: Group) -> str:
    return str(group.files[0].as_posix()) if len(group.files) == 1 else f"{len(group.files)} files of {group.pattern}"


def _next(folder: Path, spec: Path) -> None:
    """What to type now, and what not to keep in version control."""
    several = len(list(folder.glob("*.adapt"))) > 1
    named = f" {spec.name}" if several else ""
    where = [] if folder.resolve() == Path.cwd() else [f"  cd {folder}"]
    lines = [
        *where,
        f"  structdsl compile{named}   check it, and see the SQL that it becomes",
        f"  structdsl run{named}       about a minute; a second run has nothing to do",
        f"  structdsl graph{named}     a picture of it",
    ]
    click.echo("\nnext:\n" + "\n".join(lines))
    ignore = folder / ".gitignore"
    ignored = ignore.read_text(encoding="utf-8", errors="replace").split() if ignore.is_file() else []
    missing = [entry for entry in (".structdsl/", "build/") if entry not in ignored]
    if missing:
        click.echo(f"\nnot for version control, a line each in .gitignore: {' '.join(missing)}")
