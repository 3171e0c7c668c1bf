"""Weights between two models: base + w · (tuned − base), weight by weight, block by block.

Two models can be merged where each weight of one stands for the same thing in the other: the same architecture, the
same shapes, the same tokens. Whatever else the folder needs is that of base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from structdsl.plan import MergeModels
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.pretrained import SETTINGS, TOKENIZER_FILES, code_files, copy, read_json, unusable
from structdsl_runtime.progress import counted
from structdsl_runtime.tensors import (
    INDEX,
    STORED,
    BadWeights,
    Numbers,
    Tensor,
    blocks,
    narrowed,
    preamble,
    raw,
    shards,
    tensors,
)
from structdsl_runtime.text import tokens
from structdsl_runtime.training.card import base_of, document

HEADS: Final = ("lm_head.weight", "embed_out.weight")  # kept or left out where embeddings are tied
SHOWN: Final = 3  # weights in a message
SAME: Final = ("model_type", "architectures", "tie_word_embeddings")


def merge_models(arguments: MergeModels, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write weights between the folders `base` and `tuned`, in 32 bits, kept in base's types and files.

    `weight` 0 is base and 1 is tuned, to the last bit where both have the same type. Weights that are no floats
    (counters, masks) are base's. Raises Fault E0742 where the two models do not correspond, E0715 where one cannot be
    read.
    """
    base, tuned, folder = inputs.folder("base"), inputs.folder("tuned"), outputs.folder("model")
    _same_kind(base, tuned)
    _same_tokens(base, tuned)
    of_base, of_tuned = _weights(base), _weights(tuned)
    tied = bool(read_json(base / "config.json", "base").get("tie_word_embeddings"))
    kept = _pairs(of_base, of_tuned, tied=tied)
    done, total = 0, sum(one.bytes for one, _ in kept.values())
    index: dict[str, str] = {}
    for shard in shards(base):
        here = {name: pair for name, pair in kept.items() if pair[0].file.name == shard}
        with (folder / shard).open("wb") as file:
            file.write(preamble({name: one for name, (one, _) in here.items()}))
            for name, (one, other) in here.items():
                index[name] = shard
                for block in _between(one, other, arguments.weight):
                    file.write(block)
                done += one.bytes
                context.progress(done, total, "bytes")
    if (base / INDEX).is_file():
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2, sort_keys=True)
        (folder / INDEX).write_text(text + "\n", encoding="utf-8")
    copy(base, folder, (*SETTINGS, *TOKENIZER_FILES, *code_files(base)))
    (folder / "README.md").write_text(_card(arguments, base, tuned, context), encoding="utf-8")


def interpolated(base: Numbers, tuned: Numbers, weight: float) -> Numbers:
    """From the nearer end, so that both ends are exact: base + w · (tuned − base), or tuned − (1 − w) · (tuned − base).

    In the wider of the two types.
    """
    change = tuned - base
    near, share = (base, weight) if weight < 0.5 else (tuned, weight - 1)
    return cast("Numbers", near + change.dtype.type(share) * change)


def _between(one: Tensor, other: Tensor, weight: float) -> Iterator[bytes]:
    if one.dtype not in STORED:
        yield from raw(one)
        return
    for base, tuned in zip(blocks(one), blocks(other), strict=True):
        yield narrowed(interpolated(base, tuned, weight), one.dtype).tobytes()


def _pairs(base: dict[str, Tensor], tuned: dict[str, Tensor], *, tied: bool) -> dict[str, tuple[Tensor, Tensor]]:
    """Each weight of base with that of tuned; raises Fault E0742 where one is missing or has another shape."""
    alone = base.keys() ^ tuned.keys()
    heads = {name for name in alone if tied and name in HEADS}
    if wrong := sorted(alone - heads):
        notes = tuple(f"`{name}` is in {'base' if name in base else 'tuned'} alone" for name in wrong[:SHOWN])
        raise _apart(f"only one of them has {counted(len(wrong), 'weight')}", notes)
    found = {name: (tensor, tuned[name]) for name, tensor in base.items() if name not in heads}
    if wrong := [name for name, (one, other) in found.items() if one.shape != other.shape]:
        notes = tuple(
            f"`{name}`: {_shape(found[name][0])} in base, {_shape(found[name][1])} in tuned" for name in wrong
        )
        raise _apart(f"the shapes of {counted(len(wrong), 'weight')} differ", notes[:SHOWN])
    kinds = {
        tensor.dtype
        for pair in found.values()
        for tensor in pair
        if (pair[0].dtype in STORED) != (pair[1].dtype in STORED) or tensor.dtype.startswith("F8")
    }
    if kinds:
        raise _apart(f"weights of type {', '.join(sorted(kinds))} cannot be computed with", ())
    return found


def _same_kind(base: Path, tuned: Path) -> None:
    one, other = (read_json(folder / "config.json", str(folder)) for folder in (base, tuned))
    differing = [name for name in SAME if one.get(name) != other.get(name)]
    if differing:
        notes = tuple(f"`{name}`: {one.get(name)} in base, {other.get(name)} in tuned" for name in differing)
        raise _apart("they are of different architectures", notes)


def _same_tokens(base: Path, tuned: Path) -> None:
    one, other = (
        tokens.load(folder, which).engine.get_vocab(with_added_tokens=True)
        for folder, which in ((base, "base"), (tuned, "tuned"))
    )
    if one == other:
        return
    differing = sorted(token for token in one.keys() | other.keys() if one.get(token) != other.get(token))
    notes = (
        f"base has {len(one):,} tokens, tuned has {len(other):,}",
        f"such as {', '.join(repr(token) for token in differing[:SHOWN])}",
    )
    raise _apart(f"{len(differing):,} of their tokens differ", notes)


def _apart(what: str, notes: tuple[str, ...]) -> Fault:
    helps = ("merge models that one was trained from the other, or both from a third",)
    return Fault("E0742", f"`base` and `tuned` cannot be merged: {what}", notes=notes, helps=helps)


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        return tensors(folder)
    except (BadWeights, OSError) as error:
        raise unusable(str(folder), str(error)) from None


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape))


def _card(arguments: MergeModels, base: Path, tuned: Path, context: Context) -> str:
    facts: dict[str, Any] = {"base": base_of(base), "tuned": base_of(tuned), "weight of tuned": f"{arguments.weight:g}"}
    said = "Weights between two models, base + weight · (tuned − base), merged by structdsl from a declarative spec."
    return document(context.address.removesuffix(".merge"), said, facts)
