"""Low-rank updates (LoRA) through peft: attached to a model, continued, merged into its weights, kept by themselves.

Training moves the two factors of each update, W' = W + (alpha / rank) · B A, and nothing else. What a stage hands
over is W', computed once, in 32 bits, from the state that training left, whatever ZeRO made of the parameters; the
unmerged factors are kept beside it, so that a later stage continues them on the very weights that they belong to.

Source: Hu et al., LoRA, arXiv 2106.09685, equation 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from structdsl.plan.operations import Lora
from structdsl_runtime.operation import Fault

NAME: Final = "default"  # peft's name for the only adapter of a model
WRAPPED: Final = "base_model.model."  # what peft puts before the names of the model's own parameters
FROZEN: Final = "base_layer."
FILES: Final = ("adapter_config.json", "adapter_model.safetensors")


def attach(model: Any, lora: Lora, seed: int) -> Any:
    """The model with a fresh update beside each target, which changes nothing yet (B = 0); the rest is frozen.

    A is drawn from `seed` alone. Raises Fault E0744 where a target is no layer of the model.
    """
    targets = list(lora.targets) or "all-linear"
    missing = [name for name in lora.targets if not _is_there(model, name)]
    if missing:
        raise _no_target(model, missing)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft says int, and only divides it by the rank
        lora_dropout=lora.dropout,
        target_modules=targets,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, config)
        except ValueError as error:  # a layer of a kind that peft has no update for
            raise Fault("E0744", f"peft cannot adapt this model: {_line(error)}") from error


def continued(model: Any, folder: Path) -> Any:
    """The model with the updates of `folder`, to be trained on; raises Fault E0744 where they do not fit it."""
    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except (ValueError, RuntimeError, SafetensorError) as error:
        message = f"the adapter of the stage before does not fit the model: {_line(error)}"
        raise Fault("E0744", message) from error


def save(network: Any, state: Mapping[str, Tensor] | None, model: Path, adapter: Path) -> None:
    """Write the merged weights to `model` and the factors to `adapter`; `state` is that of all ranks under ZeRO-3.

    `network` stays as it is: nothing is merged in place.
    """
    whole = network.state_dict() if state is None else state
    network.get_base_model().save_pretrained(model, state_dict=merged(whole, _updates(network)))
    factors = get_peft_model_state_dict(network, state_dict=dict(whole), adapter_name=NAME)
    factors = {name: factor.detach().cpu().contiguous() for name, factor in sorted(factors.items())}
    save_file(factors, adapter / FILES[1], metadata={"format": "pt"})
    (adapter / FILES[0]).write_text(_configuration(network), encoding="utf-8")


class Update(NamedTuple):
    scale: float  # alpha / rank
    turned: bool  # whether the layer keeps its weight as (inputs, outputs), as GPT-2 does


def merged(state: Mapping[str, Tensor], updates: Mapping[str, Update]) -> dict[str, Tensor]:
    """The state of the plain model: W + s · B A for each layer in `updates`, in 32 bits, kept in W's type.

    Weights that share their memory (tied embeddings) go on sharing it.
    """
    found: dict[str, Tensor] = {}
    for name, weight in state.items():
        bare = name.removeprefix(WRAPPED)
        if f".lora_A.{NAME}." in name or f".lora_B.{NAME}." in name:
            continue
        if FROZEN not in bare:
            found[bare] = weight.detach()
            continue
        layer, part = bare.split(FROZEN)
        plain = weight.detach()
        if part == "weight":
            layer = layer.removesuffix(".")
            first, second = (state[f"{WRAPPED}{layer}.lora_{which}.{NAME}.weight"].float() for which in "AB")
            scale, turned = updates[layer]
            change = second @ first
            plain = (plain.float() + scale * (change.T if turned else change)).to(plain.dtype)
        found[f"{layer.removesuffix('.')}.{part}"] = plain
    return found


def _updates(network: Any) -> dict[str, Update]:
    """Each layer that has an update, by its name in the plain model."""
    return {
        name.removeprefix(WRAPPED): Update(float(module.scaling[NAME]), bool(cast("Any", module).fan_in_fan_out))
        for name, module in network.named_modules()
        if isinstance(module, LoraLayer)
    }


def _configuration(network: Any) -> str:
    """`adapter_config.json` as peft reads it: sorted, without the folder that the base lay in."""
    values = network.peft_config[NAME].to_dict()
    values |= {"base_model_name_or_path": None, "inference_mode": True, "revision": None}
    values = {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _is_there(model: Any, target: str) -> bool:
    return any(name == target or name.endswith(f".{target}") for name, _ in model.named_modules())


def _no_target(model: Any, missing: list[str]) -> Fault:
    head = model.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    return Fault(
        "E0744",
        f"the model has no layer {' or '.join(f'`{name}`' for name in missing)}",
        notes=(f"its linear layers are {', '.join(f'`{name}`' for name in sorted(linear))}",),
        helps=("correct `targets` of `lora`, or leave it out to adapt all linear layers but the head",),
    )


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
