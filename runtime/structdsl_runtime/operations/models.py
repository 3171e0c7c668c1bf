"""Where models come from: freshly drawn weights, or a Hugging Face folder on disk.

Neither needs torch. A scratch model is written straight as a configuration and a safetensors file, so that its weights
depend on the seed and on nothing else (no thread count, no version of torch), in milliseconds instead of the seconds
that importing transformers takes; a test loads it there and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl.plan import LoadModel, ScratchModel
from structdsl_runtime.files import resolve
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.pretrained import (
    OLDER_TOKENIZERS,
    SAVE_TOKENIZER,
    TOKENIZER_FILES,
    copy,
    read_json,
    unusable,
    write_json,
)
from structdsl_runtime.text import tokens

SPREAD: Final = 0.02  # standard deviation of fresh weights, as in GPT-2 and LLaMA
BLOCK: Final = 8  # the inner size of the MLP is a multiple of it
INDEX: Final = "model.safetensors.index.json"
OTHER_WEIGHTS: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".ot"})


def scratch_model(arguments: ScratchModel, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A LLaMA with weights from N(0, 0.02²), gains of norms 1, embeddings tied; its vocabulary is the tokenizer's.

    Raises Fault E0716 where `hidden` cannot be shared out among `heads` in pairs of dimensions, which RoPE turns.
    """
    from safetensors.numpy import save_file  # noqa: PLC0415 - a run with nothing to do stays fast

    if arguments.hidden % (2 * arguments.heads):
        raise Fault(
            "E0716",
            f"a hidden size of {arguments.hidden} cannot be shared out among {arguments.heads} heads",
            notes=("each head takes hidden / heads dimensions, an even number",),
            helps=(f"make `hidden` a multiple of {2 * arguments.heads}",),
        )
    source, folder = inputs.folder("tokenizer"), outputs.folder("model")
    tokenizer = tokens.load(source)
    vocabulary = tokenizer.engine.get_vocab_size(with_added_tokens=True)
    config = configuration(arguments, vocabulary, tokenizer.eos_id, pad_id(source, tokenizer))
    write_json(folder / "config.json", config)
    ends = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "generation_config.json", {"_from_model_config": True, **ends})
    save_file(dict(weights(config, arguments.seed)), folder / "model.safetensors", metadata={"format": "pt"})
    copy(source, folder, TOKENIZER_FILES)
    context.progress(1, 1, "models")


def configuration(arguments: ScratchModel, vocabulary: int, eos: int, pad: int) -> dict[str, Any]:
    """`config.json` of a LLaMA; inner size: 8/3 of `hidden`, rounded up to a multiple of 8."""
    inner = -(-8 * arguments.hidden // (3 * BLOCK)) * BLOCK
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": arguments.hidden,
        "intermediate_size": inner,
        "num_hidden_layers": arguments.layers,
        "num_attention_heads": arguments.heads,
        "num_key_value_heads": arguments.heads,
        "head_dim": arguments.hidden // arguments.heads,
        "max_position_embeddings": arguments.positions,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "initializer_range": SPREAD,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "dtype": "float32",
    }


def weights(config: dict[str, Any], seed: int) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Parameters by their names in transformers; each from a stream of its own, (seed, number of the matrix)."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    drawn = 0

    def matrix(rows: int, columns: int) -> npt.NDArray[np.float32]:
        nonlocal drawn
        stream = np.random.Generator(np.random.PCG64([seed, drawn]))
        drawn += 1
        return (SPREAD * stream.standard_normal((rows, columns))).astype(np.float32)

    yield "model.embed_tokens.weight", matrix(config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for part in "qkvo":
            yield f"{prefix}.self_attn.{part}_proj.weight", matrix(hidden, hidden)
        for part in ("gate", "up"):
            yield f"{prefix}.mlp.{part}_proj.weight", matrix(inner, hidden)
        yield f"{prefix}.mlp.down_proj.weight", matrix(hidden, inner)
        for part in ("input", "post_attention"):
            yield f"{prefix}.{part}_layernorm.weight", np.ones(hidden, np.float32)
    yield "model.norm.weight", np.ones(hidden, np.float32)


def pad_id(folder: Path, tokenizer: tokens.Tokenizer) -> int:
    """The padding token that the tokenizer names, else its end of text."""
    named = read_json(folder / "tokenizer_config.json", str(folder)).get("pad_token")
    text = named.get("content") if isinstance(named, dict) else named
    found = tokenizer.engine.token_to_id(text) if isinstance(text, str) else None
    return tokenizer.eos_id if found is None else found


def load_model(arguments: LoadModel, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Link the files of a Hugging Face folder into the store; weights in other formats than safetensors stay out.

    Raises Fault E0515 where the folder cannot be read, E0715 where something that a model needs is missing from it.
    """
    del inputs
    source = resolve(arguments.path, context.root).resolve()
    if not source.is_dir():
        raise Fault("E0515", f"`{arguments.path}` cannot be read: no such folder")
    check(source, arguments.path)
    target = outputs.folder("model")
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix not in OTHER_WEIGHTS and not path.name.startswith("."):
            (target / path.name).symlink_to(path.resolve())
    context.progress(1, 1, "models")


def check(source: Path, shown: str) -> None:
    """Raises Fault E0715 where `source` has no configuration, no complete safetensors weights or no tokenizer."""
    if not (source / "config.json").is_file():
        raise unusable(shown, "it has no `config.json`")
    if "model_type" not in read_json(source / "config.json", shown):
        raise unusable(shown, "`config.json` names no `model_type`")
    if (source / INDEX).is_file():
        shards = sorted(set(read_json(source / INDEX, shown).get("weight_map", {}).values()))
    else:
        shards = ["model.safetensors"]
    missing = [name for name in shards if not (source / name).is_file()]
    if missing:
        others = sorted(path.name for path in source.iterdir() if path.suffix in OTHER_WEIGHTS)
        if others and missing == ["model.safetensors"]:
            help_ = "convert it: `AutoModelForCausalLM.from_pretrained(path).save_pretrained(path)` writes safetensors"
            raise unusable(shown, f"weights are not safetensors but {', '.join(f'`{name}`' for name in others)}", help_)
        raise unusable(shown, f"weights are missing: {', '.join(f'`{name}`' for name in missing)}")
    if not any((source / name).is_file() for name in ("tokenizer.json", *OLDER_TOKENIZERS)):
        raise unusable(shown, "it has no tokenizer", SAVE_TOKENIZER)
