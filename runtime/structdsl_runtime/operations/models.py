"""Where models come from: freshly drawn weights, a Hugging Face folder on disk, or a repository of the Hub.

None needs torch. A scratch model is written straight as a configuration and a safetensors file, so that its weights
depend on the seed and on nothing else (no thread count, no version of torch), in milliseconds instead of the seconds
that importing transformers takes; a test loads it there and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl.plan import FetchModel, LoadModel, ScratchModel
from structdsl_runtime import repository
from structdsl_runtime.files import resolve
from structdsl_runtime.model_folder import pad_id, take
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.pretrained import SOURCE, TOKENIZER_FILES, copy, write_json
from structdsl_runtime.text import tokens
from structdsl_runtime.text.sources import as_listed

SPREAD: Final = 0.02  # standard deviation of fresh weights, as in GPT-2 and LLaMA
BLOCK: Final = 8  # the inner size of the MLP is a multiple of it


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


def load_model(arguments: LoadModel, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Link the files of a Hugging Face folder into the store; weights in other formats than safetensors stay out.

    Raises Fault E0515 where the folder cannot be read or changes, and those of `model_folder.take`.
    """
    source = resolve(arguments.path, context.root).resolve()
    if not source.is_dir():
        raise Fault("E0515", f"`{arguments.path}` cannot be read: no such folder")
    given = inputs.folder("tokenizer") if arguments.vocabulary == "given" else None
    target = outputs.folder("model")
    with as_listed(context, arguments.path):
        take(source, target, arguments.path, tokenizer=given, trust_code=arguments.trust_remote_code)
    context.progress(1, 1, "models")


def fetch_model(arguments: FetchModel, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Have a repository of the Hub in the local cache, and link it into the store; `source.json` names its commit.

    Raises Fault E0830 where the Hub does not give it, and those of `model_folder.take`.
    """
    given = inputs.folder("tokenizer") if arguments.vocabulary == "given" else None
    wanted = repository.Wanted(id=arguments.id, revision=arguments.revision, token=arguments.token)
    source = repository.fetch(wanted, "model", code=arguments.trust_remote_code)
    target = outputs.folder("model")
    take(source, target, arguments.id, tokenizer=given, trust_code=arguments.trust_remote_code)
    write_json(target / SOURCE, {"repository": arguments.id, "revision": source.name})
    context.log.parent.mkdir(parents=True, exist_ok=True)
    context.log.write_text(f"{arguments.id} at {source.name}\n", encoding="utf-8")
    context.progress(1, 1, "models")
