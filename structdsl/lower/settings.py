"""What a stage and its cluster say, as the arguments of training: optimizer, DeepSpeed, launcher, distillation."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from structdsl.lower.planner import Planner
from structdsl.plan.operations import training as plan
from structdsl.schema.cluster import Cluster, Cpu, Nvme, OpenMpi, Pdsh, Period, Slurm, Torchrun
from structdsl.schema.distill import Hidden, Kd, Lssd, Threshold, Top, TopK
from structdsl.schema.optimizer import AdamW, Cosine
from structdsl.schema.stage import About, Lora
from structdsl.syntax.tree import Attribute, Block, Span
from structdsl.unit import Declaration

HALF, SINGLE = 2, 4  # bytes of an element


def cluster_of(block: Declaration, planner: Planner) -> Cluster:
    """Where a block is computed; one process where it does not say."""
    name = block.values.cluster
    return planner.unit.blocks[name].values if name else Cluster()


def rows(stage: Declaration) -> int:
    """Rows of an optimizer step; of `about(…)` the nearest whole number."""
    values = stage.values
    positions, length = int(values.positions), int(values.length)
    return max(1, (positions + length // 2) // length) if isinstance(values.batch, About) else positions // length


def optimizer(adamw: AdamW) -> plan.Optimizer:
    schedule = adamw.schedule
    ratio = schedule.warmup if isinstance(schedule.warmup, Decimal) else None
    return plan.Optimizer(
        lr=float(adamw.lr),
        weight_decay=float(adamw.weight_decay),
        clip=float(adamw.clip),
        schedule=plan.Schedule(
            shape="cosine" if isinstance(schedule, Cosine) else "constant",
            warmup_ratio=float(ratio) if ratio is not None else None,
            warmup_steps=None if ratio is not None else int(schedule.warmup),
            floor=float(schedule.floor) if isinstance(schedule, Cosine) else 1.0,
        ),
    )


def adapter(value: Any) -> Any:
    """Low-rank updates, `continue`, or none."""
    if not isinstance(value, Lora):
        return value
    return plan.Lora(
        rank=value.rank,
        alpha=float(value.alpha if value.alpha is not None else value.rank),
        dropout=float(value.dropout),
        targets=value.targets if isinstance(value.targets, tuple) else (),
    )


def distill(value: Kd) -> plan.Distill:
    return plan.Distill(
        weight=float(value.weight),
        swap=_swap(value),
        temperature=float(value.temperature),
        kl=value.kl,
        roles=value.on if isinstance(value.on, tuple) else (),
        cache=_cache(value),
    )


def _swap(value: Kd) -> plan.Swap:
    match value:
        case Lssd(swap=Threshold(above=above)):
            return plan.Swap(where="threshold", above=float(above))
        case Lssd(swap=Top(k=k)):
            return plan.Swap(where="top", k=k)
        case Lssd():
            return plan.Swap(where="always")
        case _:
            return plan.Swap(where="never")


def _cache(value: Kd) -> plan.Cache | None:
    match value.cache:
        case "none":
            return None
        case Hidden():
            return plan.Cache(method="hidden")
        case TopK(k=k):
            return plan.Cache(method="topk", n=k)
        case sample:
            return plan.Cache(method="sample", n=sample.n)


def checkpoint(cluster: Cluster) -> plan.Checkpoint:
    policy = cluster.checkpoint
    if isinstance(policy.every, Period):
        return plan.Checkpoint(seconds=policy.every.seconds, keep=policy.keep)
    return plan.Checkpoint(steps=policy.every, keep=policy.keep)


def launcher(cluster: Cluster) -> plan.Launcher | None:
    """What the spec names, else ssh on several machines; one machine needs none."""
    named = cluster.launcher
    match named:
        case None:
            return plan.Launcher(name="pdsh") if cluster.nodes > 1 else None
        case Torchrun():
            return plan.Launcher(name="torchrun")
        case Slurm():
            return plan.Launcher(name="slurm")
        case Pdsh(hostfile=hostfile):
            return plan.Launcher(name="pdsh", hostfile=hostfile)
        case OpenMpi(hostfile=hostfile):
            return plan.Launcher(name="openmpi", hostfile=hostfile)
        case _:
            return None


def deepspeed(cluster: Cluster) -> dict[str, Any]:
    """What the spec says to DeepSpeed; batch sizes are set by the runtime, which knows the machine."""
    settings = cluster.deepspeed
    zero: dict[str, Any] = {"stage": settings.zero}
    if isinstance(settings.offload, Cpu | Nvme):
        device: dict[str, Any] = {"device": "cpu", "pin_memory": True}
        if isinstance(settings.offload, Nvme):
            device = {"device": "nvme", "nvme_path": settings.offload.path, "pin_memory": True}
        zero["offload_optimizer"] = device
        if settings.zero == 3:
            zero["offload_param"] = device
    if settings.overlap is not None:
        zero["overlap_comm"] = settings.overlap
    if settings.bucket is not None:
        elements = max(1, settings.bucket // (HALF if cluster.precision in {"bf16", "fp16"} else SINGLE))
        zero["reduce_bucket_size"] = elements
        zero["stage3_prefetch_bucket_size" if settings.zero == 3 else "allgather_bucket_size"] = elements
    return merged({"zero_optimization": zero}, settings.extra)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested maps; where both say something, the second is heard."""
    result = dict(below)
    for name, value in above.items():
        known = result.get(name)
        result[name] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def places(stage: Declaration, planner: Planner) -> dict[str, Span]:
    """Where a stage and its cluster say what, of that which has a place of its own."""
    found: dict[str, Span] = {}
    names = ("distill", "adapter", "track", "evaluate_every", "batch", "template", "beta", "cluster")
    blocks: list[tuple[Declaration, tuple[str, ...]]] = [(stage, names)]
    if stage.values.cluster:
        cluster = planner.unit.blocks[stage.values.cluster]
        blocks.append((cluster, ("nodes", "gpus", "processes", "precision", "launcher")))
        found |= _nested(cluster, "deepspeed", ("offload", "extra"))
        found |= _nested(cluster, "checkpoint", ("checkpoint",))
    for block, attributes in blocks:
        found |= {name: block.span_of(name) for name in attributes if block.attribute(name) is not None}
    return found


def _nested(cluster: Declaration, word: str, names: tuple[str, ...]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for block in cluster.block.body:
        if isinstance(block, Block) and block.kind.text == word:
            if word in names:
                found[word] = block.kind.span
            found |= {
                item.name.text: item.value.span
                for item in block.body
                if isinstance(item, Attribute) and item.name.text in names
            }
    return found
