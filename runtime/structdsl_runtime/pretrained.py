"""Folders of models and tokenizers as Hugging Face lays them out: their files, and the JSON in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from structdsl_runtime.operation import Fault

OLDER_TOKENIZERS: Final = (  # what transformers can write a `tokenizer.json` from
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    *OLDER_TOKENIZERS,
)
SAVE_TOKENIZER: Final = "save one there: `AutoTokenizer.from_pretrained(id).save_pretrained(path)`"
SETTINGS: Final = ("config.json", "generation_config.json")  # of the model
SOURCE: Final = "source.json"  # in the store, of a model of the Hub: its repository and commit


def code_files(folder: Path) -> tuple[str, ...]:
    """Python files of a model folder; in the store, they lie only where the spec lets them be run."""
    return tuple(sorted(path.name for path in folder.glob("*.py")))


def copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copy the files with these names as they are, where they are there."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def read_json(path: Path, shown: str) -> dict[str, Any]:
    """The object in a file, empty where there is none; raises Fault E0715, about the folder `shown`, for no JSON."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:  # of the encoding or of the JSON
        raise unusable(shown, f"`{path.name}` is no JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def unusable(shown: str, reason: str, *helps: str) -> Fault:
    """Fault E0715: what makes a folder one that no model can be loaded from."""
    return Fault("E0715", f"`{shown}` holds no usable model: {reason}", helps=helps)
