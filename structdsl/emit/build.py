"""The artefact folder: `plan.json`, which the runtime reads, and projections of it that people read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from structdsl.emit.lineage import lineage_page
from structdsl.emit.sql import sql_files
from structdsl.emit.training import training_files
from structdsl.plan import Plan
from structdsl.plan.schema import published


class NoBuild(FileExistsError):  # noqa: N818 - a state of affairs
    """A folder is in the way that holds files which no compile wrote."""


def write_build(plan: Plan, spec: str, folder: Path) -> list[Path]:
    """Replace `folder` by the artefacts of a plan and of the resolved spec behind it; the paths written, in order.

    They are written beside it and swapped in, so that a reader never sees half of a build, and a failure leaves the
    earlier one.

    Raises
    ------
    NoBuild
        If the folder holds something that is no earlier build: it is not ours to delete.
    OSError
        If it cannot be written.

    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "plan.json").is_file():
        raise NoBuild(folder)
    folder = folder.resolve()
    files = artefacts(plan) | {"resolved.adapt": spec}
    draft, aside = (folder.with_name(f".{folder.name}.{os.getpid()}.{name}") for name in ("new", "old"))
    for left in (draft, aside):  # by a process of that number that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            if name.endswith(".sh"):
                path.chmod(0o755)
        _swap(draft, folder, aside)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return [folder / name for name in files]


def _swap(draft: Path, folder: Path, aside: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    folder.rename(aside)
    try:
        draft.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside)


def artefacts(plan: Plan) -> dict[str, str]:
    """The text of every file of a build, by its path in the folder."""
    files = {"plan.json": plan.model_dump_json(indent=2) + "\n", "plan.schema.json": published()}
    files["docs/lineage.md"] = lineage_page(plan)
    files |= {f"sql/{name}": text for name, text in sql_files(plan).items()}
    return files | training_files(plan)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
