"""A Hugging Face folder taken into the store: looked through first, so that nothing is found out after hours.

What transformers would fill with random numbers, run without being asked, or read past its last row is refused here:
weights that are missing or cut short, code of the folder's own, tokens without an embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from structdsl_runtime.operation import Fault
from structdsl_runtime.pretrained import (
    OLDER_TOKENIZERS,
    SAVE_TOKENIZER,
    TOKENIZER_FILES,
    copy,
    read_json,
    unusable,
    write_json,
)
from structdsl_runtime.tensors import INDEX, SINGLE, BadWeights, Tensor, shards, tensors
from structdsl_runtime.text import tokens

OTHER_WEIGHTS: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".ot"})
EMBEDDINGS: Final = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")  # ends of names
CONVERT: Final = "convert it: `AutoModelForCausalLM.from_pretrained(path).save_pretrained(path)` writes safetensors"
AGAIN: Final = "copy or download the folder again"


def take(source: Path, target: Path, shown: str, *, tokenizer: Path | None, trust_code: bool) -> None:
    """Link what a model needs from `source`, which messages call `shown`, into the empty folder `target`.

    With `tokenizer`, another folder's takes the place of its own, and what ends a text is that tokenizer's. Python
    files are linked only with `trust_code`. Raises Fault E0715 where something is missing or broken, E0743 where the
    model is made by code that is not trusted, E0711 where the tokenizer has no end of text, E0740 where it has tokens
    that the model has no embedding for.
    """
    config = _configuration(source, shown)
    _check_code(config, source, shown, trust_code=trust_code)
    weights = _check_weights(source, shown)
    if tokenizer is None and not any((source / name).is_file() for name in ("tokenizer.json", *OLDER_TOKENIZERS)):
        raise unusable(shown, "it has no tokenizer", SAVE_TOKENIZER)
    found = _check_headers(source, weights, shown)
    unwanted = OTHER_WEIGHTS if trust_code else OTHER_WEIGHTS | {".py"}
    left = {path.name for path in source.glob("*.safetensors")} - set(weights)
    left |= set(TOKENIZER_FILES) if tokenizer is not None else set()
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix not in unwanted and path.name not in left and path.name[0] != ".":
            (target / path.name).symlink_to(path.resolve())
    if tokenizer is not None:
        copy(tokenizer, target, TOKENIZER_FILES)
        _end_as(target, shown)
    if _writes(config):
        tokens.load(target, shown)  # it has an end of text
    _check_vocabulary(target, _rows(found, config, shown), shown)


def pad_id(folder: Path, tokenizer: tokens.Tokenizer) -> int:
    """The padding token that the tokenizer names, else its end of text."""
    named = _named(folder, tokenizer, "pad_token")
    return tokenizer.eos_id if named is None else named


def _configuration(source: Path, shown: str) -> dict[str, Any]:
    if not (source / "config.json").is_file():
        raise unusable(shown, "it has no `config.json`")
    config = read_json(source / "config.json", shown)
    if "model_type" not in config:
        raise unusable(shown, "`config.json` names no `model_type`")
    return config


def _check_code(config: dict[str, Any], source: Path, shown: str, *, trust_code: bool) -> None:
    """A model that transformers does not know by itself is made by Python code in its folder."""
    code = config.get("auto_map")
    if not isinstance(code, dict) or "AutoModelForCausalLM" not in code or _is_known(config["model_type"]):
        return
    where = str(code["AutoModelForCausalLM"])
    if not trust_code:
        raise Fault(
            "E0743",
            f"the model of `{shown}` is made by code of its own, and running that is not allowed",
            notes=(f"`{where}`, for transformers knows no model of type `{config['model_type']}`",),
            helps=("read that code; then write `trust_remote_code = true` in the block of the model",),
        )
    file = f"{where.rpartition('--')[2].partition('.')[0]}.py"
    if "--" in where or not (source / file).is_file():
        raise unusable(shown, f"the code that makes the model is not in it: `{where}`")


def _writes(config: dict[str, Any]) -> bool:
    """Whether a model writes text; one that only reads, such as an encoder, needs no end of it."""
    named = config.get("architectures") or ()
    return not named or any(str(name).endswith("ForCausalLM") for name in named)


def _is_known(model_type: str) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: PLC0415 - only with `auto_map`

    return model_type in CONFIG_MAPPING


def _check_weights(source: Path, shown: str) -> tuple[str, ...]:
    """The names of the weight files, all of which are there."""
    try:
        names = shards(source)
    except BadWeights as error:
        raise unusable(shown, str(error), AGAIN) from None
    missing = [name for name in names if not (source / name).is_file()]
    if missing == [SINGLE]:
        others = sorted(path.name for path in source.iterdir() if path.suffix in OTHER_WEIGHTS)
        if others:
            listed = ", ".join(f"`{name}`" for name in others)
            raise unusable(shown, f"weights are not safetensors but {listed}", CONVERT)
    if missing:
        raise unusable(shown, f"weights are missing: {', '.join(f'`{name}`' for name in missing)}", AGAIN)
    return names


def _check_headers(source: Path, weights: tuple[str, ...], shown: str) -> dict[str, Tensor]:
    """The weights of all files, whole, each in the file where the index has it."""
    try:
        found = tensors(source)
    except BadWeights as error:
        raise unusable(shown, str(error), AGAIN) from None
    index: dict[str, str] = read_json(source / INDEX, shown).get("weight_map", {})
    lost = [name for name, file in index.items() if name not in found or found[name].file.name != file]
    if lost or not found:
        what = f"`{lost[0]}` is not in `{index[lost[0]]}`" if lost else f"`{weights[0]}` holds no weights"
        raise unusable(shown, what, AGAIN)
    return found


def _rows(found: dict[str, Tensor], config: dict[str, Any], shown: str) -> int | None:
    """Rows of the matrix of embeddings; none where no weight is called so and the configuration does not say."""
    text = config.get("text_config")
    stated = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    for name, tensor in found.items():
        if name.endswith(EMBEDDINGS):
            if isinstance(stated, int) and stated != tensor.shape[0]:
                reason = f"`{name}` has {tensor.shape[0]:,} rows, and `vocab_size` of `config.json` is {stated:,}"
                raise unusable(shown, reason)
            return tensor.shape[0]
    return stated if isinstance(stated, int) else None


def _check_vocabulary(folder: Path, rows: int | None, shown: str) -> None:
    vocabulary = tokens.engine_of(folder, shown).get_vocab(with_added_tokens=True)
    token, last = max(vocabulary.items(), key=lambda item: item[1])
    if rows is not None and last >= rows:
        raise Fault(
            "E0740",
            f"the tokenizer has more tokens than the model of `{shown}` has embeddings",
            notes=(f"its last token, {token!r}, has the number {last:,}", f"the model has {rows:,} embeddings"),
            helps=("use the tokenizer that the model was trained with, or train a model from `scratch` on this one",),
        )


def _end_as(folder: Path, shown: str) -> None:
    """Have the settings of the model name the special tokens of the tokenizer that it was given."""
    tokenizer = tokens.load(folder, shown)
    ends = {
        "bos_token_id": _named(folder, tokenizer, "bos_token"),
        "eos_token_id": tokenizer.eos_id,
        "pad_token_id": pad_id(folder, tokenizer),
    }
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.is_file():
            values = read_json(path, shown) | ends
            path.unlink()
            write_json(path, values)


def _named(folder: Path, tokenizer: tokens.Tokenizer, token: str) -> int | None:
    """The number of a special token, where the settings of the tokenizer name one that it has."""
    named = read_json(folder / "tokenizer_config.json", str(folder)).get(token)
    text = named.get("content") if isinstance(named, dict) else named
    return tokenizer.engine.token_to_id(text) if isinstance(text, str) else None
