"""A finished model as a folder for others: its files, and a card that says how it came to be.

What stands in the store stays as it is; the copy has a README.md of its own, written from the plan and the tables
of the results that the plan leads to now.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from structdsl.plan import FetchModel, Plan, ReadDataset, RenderChat, RenderSsft, Step
from structdsl_runtime.engine import connect, define
from structdsl_runtime.files import data_set_folder
from structdsl_runtime.order import selected
from structdsl_runtime.pretrained import SOURCE, TOKENIZER_FILES
from structdsl_runtime.relations import identifier, relations
from structdsl_runtime.store import Manifest, Store
from structdsl_runtime.text import chat, tokens

README: Final = "README.md"
TEMPLATE: Final = "chat_template.jinja"
LICENSE: Final = re.compile(r"^license:\s*([\w.-]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a card says besides what the results say by themselves."""

    stage: str  # its address
    root: Path  # the folder of the spec
    corpora: tuple[str, ...]  # addresses of those that it and the stages before it were trained on
    mixtures: tuple[str, ...]
    beside: Mapping[str, str]  # score table -> address of the model to compare with
    spec: str
    lock: str | None
    arguments: str  # of the command line: params and profile


def write(step: Step, plan: Plan, results: Mapping[str, Manifest], store: Store, out: Path, told: Told) -> None:
    """Copy the folder `model` of a step to `out`, an existing folder, with a card; links become files.

    The chat template is the one that the model was taught last, where it was taught any.
    """
    folder = store.folder(step, results[step.address].key) / "model"
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in {README, SOURCE}:
            shutil.copyfile(path, out / path.name)
    said = (folder / README).read_text("utf-8") if (folder / README).is_file() else f"# {told.stage}\n"
    (out / README).write_text(card(step, plan, results, store, said, told, adapter=False), "utf-8")
    _write_template(step, plan, results, store, out, told)


def write_adapter(step: Step, plan: Plan, results: Mapping[str, Manifest], store: Store, out: Path, told: Told) -> None:
    """Copy the folder `adapter` of a step to `out`, with tokenizer and card; its base is named where that has an id."""
    folder = store.folder(step, results[step.address].key)
    for path in sorted((folder / "adapter").iterdir()):
        shutil.copyfile(path, out / path.name)
    for name in TOKENIZER_FILES:
        if (folder / "model" / name).is_file():
            shutil.copyfile(folder / "model" / name, out / name)
    config = out / "adapter_config.json"
    values = json.loads(config.read_text("utf-8")) | {"base_model_name_or_path": _base(step, plan)}
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", "utf-8")
    said = (folder / "model" / README).read_text("utf-8")
    (out / README).write_text(card(step, plan, results, store, said, told, adapter=True), "utf-8")
    _write_template(step, plan, results, store, out, told)


def _write_template(
    step: Step, plan: Plan, results: Mapping[str, Manifest], store: Store, out: Path, told: Told
) -> None:
    render = taught_by(step, plan)
    if render is None:
        return
    assert isinstance(render.operation, RenderChat | RenderSsft)
    assert render.operation.template is not None, "it taught by one"
    steps = {found.address: found for found in plan.steps}
    folders: dict[str, Path] = {}
    for name in ("tokenizer", "template"):
        if name in render.inputs:
            address, _, output = render.inputs[name].rpartition(":")
            folders[name] = store.folder(steps[address], results[address].key) / output
    template, _ = chat.text_of(render.operation.template, tokens.load(folders["tokenizer"]), folders, told.root)
    (out / TEMPLATE).write_text(template, "utf-8")


def taught_by(step: Step, plan: Plan) -> Step | None:
    """The step that laid the last samples of the model, of its side `tuned` where it is merged, in a template."""
    steps = {found.address: found for found in plan.steps}
    at: Step | None = step
    while at is not None:
        if "samples" in at.inputs:
            samples = steps[at.inputs["samples"].rpartition(":")[0]]
            for address in samples.upstream:
                render = steps[address].operation
                if isinstance(render, RenderChat | RenderSsft) and render.template is not None:
                    return steps[address]
        before = at.inputs.get("tuned") or at.inputs.get("model")
        at = steps[before.rpartition(":")[0]] if before is not None else None
    return None


def card(
    step: Step,
    plan: Plan,
    results: Mapping[str, Manifest],
    store: Store,
    said: str,
    told: Told,
    *,
    adapter: bool,
) -> str:
    """The card: `said` is what the training wrote, of which the front matter is replaced."""
    training = said.split("---\n", 2)[2] if said.startswith("---\n") else said
    with tempfile.TemporaryDirectory(prefix="structdsl-") as scratch:
        connection = _open(plan, results, store, Path(scratch))
        parts = [
            _front(step, plan, results, store, told.root, adapter=adapter) + training.strip(),
            *(_scores(connection, told)),
            *(_data(connection, told)),
        ]
        connection.close()
    parts.append(f"## Spec\n{told.arguments}\n````adapt\n{told.spec.strip()}\n````".replace("\n\n````", "\n````"))
    if told.lock is not None:
        parts.append(f"## Lock\n```json\n{told.lock.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _open(plan: Plan, results: Mapping[str, Manifest], store: Store, scratch: Path) -> duckdb.DuckDBPyConnection:
    """The tables of all results; a view that reads from what has not been made is left out with all behind it."""
    connection = connect(scratch)
    for step in plan.steps:
        if step.address in results and all(address in results for address in step.upstream):
            for relation in relations(step, results[step.address], store):
                define(connection, relation)
    return connection


def hub_datasets(steps: Iterable[Step], root: Path) -> list[str]:
    """The datasets of the Hub that steps read; a folder is none, and a card names no place on this machine."""
    names = {step.operation.id for step in steps if isinstance(step.operation, ReadDataset)}
    return sorted(name for name in names if data_set_folder(name, root) is None)


def _front(step: Step, plan: Plan, results: Mapping[str, Manifest], store: Store, root: Path, *, adapter: bool) -> str:
    behind = selected(plan, [step.address])
    base, kinds = _base(step, plan), {"merge_models": "merge"}
    values: dict[str, Any] = {"library_name": "peft" if adapter else "transformers"}
    values |= {"pipeline_tag": "text-generation", "tags": ["structdsl"]}
    if base is not None:
        values["base_model"] = base
        values["base_model_relation"] = "adapter" if adapter else kinds.get(step.operation.op, "finetune")
    if datasets := hub_datasets(behind, root):
        values["datasets"] = datasets
    for found in behind:
        if isinstance(found.operation, FetchModel) and found.operation.id == base and found.address in results:
            readme = store.folder(found, results[found.address].key) / "model" / README
            front = readme.read_text("utf-8").split("---\n") if readme.is_file() else []
            if len(front) > 2 and not front[0] and (license_ := LICENSE.search(front[1])):
                values["license"] = license_[1]
    return "\n".join(("---", *(f"{name}: {json.dumps(value)}" for name, value in values.items()), "---", ""))


def _base(step: Step, plan: Plan) -> str | None:
    """The repository that the weights go back to, where they go back to one alone."""
    names = {"model", "base", "tuned"}
    at, ids = [step], set[str]()
    steps = {found.address: found for found in plan.steps}
    while at:
        here = at.pop()
        if isinstance(here.operation, FetchModel):
            ids.add(here.operation.id)
        at += [steps[ref.rpartition(":")[0]] for name, ref in here.inputs.items() if name in names]
    return ids.pop() if len(ids) == 1 else None


def _scores(connection: duckdb.DuckDBPyConnection, told: Told) -> list[str]:
    rows = []
    for table, beside in told.beside.items():
        if _has(connection, table):
            query = f"SELECT task, metric, model, value, low, high, n FROM {_quoted(table)} WHERE model IN (?, ?) ORDER BY ALL"  # noqa: S608,E501 - quoted
            found = connection.execute(query, [told.stage, beside]).fetchall()
            rows += [(table.removesuffix("_scores"), *map(_shown, row)) for row in found]
    head = ("evaluation", "task", "metric", "model", "value", "low", "high", "n")
    return ["## Scores\n" + _table(head, rows)] if rows else []


def _data(connection: duckdb.DuckDBPyConnection, told: Told) -> list[str]:
    rows = []
    for corpus in told.corpora:
        tables = (corpus, f"{corpus}_heldout", f"{corpus}_dropped")
        if _has(connection, corpus):
            counts = [
                f"{connection.execute(f'SELECT count(*) FROM {_quoted(table)}').fetchall()[0][0]:,}"  # noqa: S608 - quoted
                if _has(connection, table)
                else "–"
                for table in tables
            ]
            rows.append((corpus, *counts))
    parts = [_table(("corpus", "documents kept", "held out", "dropped"), rows)] if rows else []
    for mixture in told.mixtures:
        if _has(connection, f"{mixture}_summary"):
            cursor = connection.execute(f"SELECT * FROM {_quoted(f'{mixture}_summary')}")  # noqa: S608 - quoted
            head = tuple(str(name) for name, *_ in cursor.description or [])
            found = [tuple(map(_shown, row)) for row in cursor.fetchall()]
            parts.append(f"Shares of `{mixture}`, in tokens of the sources:\n\n{_table(head, found)}")
    return ["## Data\n" + "\n\n".join(parts)] if parts else []


def _has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    schema, _, name = table.partition(".")
    query = "SELECT 1 FROM duckdb_views() WHERE schema_name = ? AND view_name = ?"
    return connection.execute(query, [schema, name]).fetchone() is not None


def _quoted(table: str) -> str:
    schema, _, name = table.partition(".")
    return f"{identifier(schema)}.{identifier(name)}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
