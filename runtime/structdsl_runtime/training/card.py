"""README.md of a trained model: what it came from and how, in words that a model hub shows.

Only what decides the weights stands here: no path, no date, no machine. The same training gives the same file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from structdsl.plan import Train
from structdsl.plan.operations import Lora
from structdsl_runtime.pretrained import SOURCE, read_json
from structdsl_runtime.progress import counted
from structdsl_runtime.training.rows import Rows


def base_of(folder: Path) -> str:
    """What a stage starts from: the repository and commit, else the title of its model card, else its type."""
    source = read_json(folder / SOURCE, str(folder))
    if source:
        return f"{source['repository']} at {source['revision'][:12]}"
    readme = folder / "README.md"
    if readme.is_file():
        titles = [line[2:].strip() for line in readme.read_text("utf-8").splitlines() if line.startswith("# ")]
        if titles:
            return titles[0]
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    return f"a `{config.get('model_type', 'transformers')}` model"


def card(arguments: Train, *, base: str, rows: Rows, steps: int, adapter: Path | None = None) -> str:
    """Markdown with the front matter of a model hub; `adapter` is the folder of the updates that were trained."""
    optimizer, used = arguments.optimizer, min(len(rows), steps * arguments.batch)
    schedule = optimizer.schedule
    warmup = f"{schedule.warmup_ratio or 0:.0%}"
    if schedule.warmup_steps is not None:
        warmup = counted(schedule.warmup_steps, "step")
    facts = {
        "starts from": base,
        "rows": f"{used:,} of {arguments.length:,} positions",
        "tokens": f"{rows.tokens(0, used):,}, of which {rows.predictions(0, used):,} supervised",
        **_updates(arguments.adapter, adapter),
        "optimizer steps": f"{steps:,} of {counted(arguments.batch, 'row')}",
        "optimizer": f"AdamW, weight decay {optimizer.weight_decay:g}, clip {optimizer.clip:g}",
        "learning rate": f"{optimizer.lr:g}, {schedule.shape}, warm-up {warmup}, floor {schedule.floor:.0%}",
        "label smoothing": f"{arguments.label_smoothing:g}",
        "precision": arguments.precision,
        "seed": str(arguments.seed),
    }
    said = "Trained by structdsl from a declarative spec; samples packed into rows never see each other."
    return document(arguments.stage, said, facts)


def document(title: str, said: str, facts: dict[str, str]) -> str:
    """Front matter, title, a sentence and a table of facts."""
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(
        (
            "---",
            "library_name: transformers",
            "pipeline_tag: text-generation",
            "tags: [structdsl]",
            "---",
            f"# {title}",
            "",
            said,
            "",
            "| | |",
            "|---|---|",
            *lines,
            "",
        )
    )


def _updates(stated: Lora | str | None, folder: Path | None) -> dict[str, str]:
    """What low-rank updates were trained in place of all weights, as their configuration says."""
    if stated is None or folder is None:
        return {}
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    facts = f"rank {config['r']}, alpha {config['lora_alpha']:g}, dropout {config['lora_dropout']:.0%}"
    return {"low-rank updates": f"{'continued, ' if stated == 'continue' else ''}{facts}, merged into the weights"}
