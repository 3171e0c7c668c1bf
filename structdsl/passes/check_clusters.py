"""Clusters: how many processes, who starts them, and what DeepSpeed is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from structdsl.counts import counted
from structdsl.passes.finding import Finding
from structdsl.plan.batch import MICRO
from structdsl.schema.cluster import Local, Nvme, OpenMpi, Pdsh
from structdsl.syntax.tree import Attribute, Block, Span, Text
from structdsl.syntax.tree import Mapping as WrittenMap
from structdsl.unit import Declaration, Unit

OWN_ATTRIBUTES: Mapping[str, str] = {
    "train_batch_size": "`batch` of the stage",
    "gradient_accumulation_steps": "`batch` of the stage",
    "gradient_clipping": "`clip` of the optimizer",
    "optimizer": "`optimizer` of the stage",
    "scheduler": "`schedule` of the optimizer",
    "bf16.enabled": "`precision`",
    "bfloat16.enabled": "`precision`",
    "fp16.enabled": "`precision`",
    "amp": "`precision`",
    "torch_autocast": "`precision`",
    "activation_checkpointing": "`activation_checkpointing` of the stage",
    "tensorboard": "`track` of the stage",
    "wandb": "`track` of the stage",
    "zero_optimization.stage": "`zero`",
    "zero_optimization.offload_optimizer.device": "`offload`",
    "zero_optimization.offload_optimizer.nvme_path": "`offload`",
    "zero_optimization.offload_param.device": "`offload`",
    "zero_optimization.offload_param.nvme_path": "`offload`",
    "zero_optimization.cpu_offload": "`offload`",
    "zero_optimization.overlap_comm": "`overlap`",
    "zero_optimization.reduce_bucket_size": "`bucket`",
    "zero_optimization.allgather_bucket_size": "`bucket`",
    "zero_optimization.stage3_prefetch_bucket_size": "`bucket`",
}
"""Options of DeepSpeed that the language has a typed attribute for."""


def processes_add_up(unit: Unit) -> Iterator[Finding]:
    for cluster in unit.of_kind("cluster"):
        values = cluster.values
        nodes, gpus, processes = values.nodes, values.gpus, values.processes
        if gpus is not None and processes is not None and processes != nodes * gpus:
            message = f"a GPU has one process: `nodes` × `gpus` is {nodes} × {gpus} = {nodes * gpus}, not {processes}"
            helps = ("leave `processes` out: it follows from `nodes` and `gpus`",)
            yield Finding("E0717", message, cluster.span_of("processes"), counted(processes, "process"), helps=helps)
        elif nodes > 1 and gpus is None and processes is None:
            message = f"{nodes} nodes, and nothing says how many processes they have"
            helps = ("write `gpus = 8`, or `processes = …` for nodes without",)
            yield Finding("E0717", message, cluster.span_of("nodes"), "how many each?", helps=helps)
        elif processes is not None and processes % nodes:
            message = f"{counted(processes, 'process')} cannot be shared out evenly over {nodes} nodes"
            yield Finding("E0717", message, cluster.span_of("processes"), "not the same on every node")


def launchers_reach_their_nodes(unit: Unit) -> Iterator[Finding]:
    for cluster in unit.of_kind("cluster"):
        launcher, nodes = cluster.values.launcher, cluster.values.nodes
        if isinstance(launcher, Local) and nodes > 1:
            message = f"`local` starts processes of this machine, and the cluster has {nodes} nodes"
            helps = ('write `launcher = pdsh(hostfile = "…")`, `slurm` or `torchrun`',)
            yield Finding("E0717", message, cluster.span_of("launcher"), "one machine", helps=helps)
        elif isinstance(launcher, Pdsh | OpenMpi) and nodes == 1 and launcher.hostfile is not None:
            message = "a host file is for several nodes, and the cluster has one"
            helps = ("write `nodes = …`, or leave `launcher` out",)
            yield Finding("E0717", message, cluster.span_of("launcher"), "of one node", helps=helps)


def deepspeed_settings_fit(unit: Unit) -> Iterator[Finding]:
    for cluster in unit.of_kind("cluster"):
        settings = cluster.values.deepspeed
        if settings.zero == 0:
            for name in ("offload", "overlap", "bucket"):
                if getattr(settings, name) not in {None, "none"}:
                    message = f"`{name}` needs ZeRO: at stage 0 nothing is partitioned"
                    span = inner_span(cluster, "deepspeed", name)
                    yield Finding("E0719", message, span, "at `zero = 0`", helps=("write `zero = 1` or more",))
        elif isinstance(settings.offload, Nvme) and settings.zero < 3:
            message = f"a disk holds what ZeRO-3 partitions, and this is ZeRO-{settings.zero}"
            helps = ("write `zero = 3`, or `offload = cpu`",)
            yield Finding("E0719", message, inner_span(cluster, "deepspeed", "offload"), "on a disk", helps=helps)


def extra_options_have_no_attribute(unit: Unit) -> Iterator[Finding]:
    for cluster in unit.of_kind("cluster"):
        said = [f"{'.'.join(path)}." for path in _paths(cluster.values.deepspeed.extra, ())]
        for option, own in OWN_ATTRIBUTES.items():
            if any(name.startswith(f"{option}.") for name in said):
                message = f"`{option}` of DeepSpeed has an attribute of its own: {own}"
                helps = (f"say it there: {own}",)
                span = _key_span(cluster, tuple(option.split(".")))
                yield Finding("E0703", message, span, "would contradict it", helps=helps)
        micro = cluster.values.deepspeed.extra.get(MICRO, "auto")
        if micro != "auto" and (isinstance(micro, bool) or not isinstance(micro, int) or micro < 1):
            message = f"`{MICRO}` is a number of rows, at least 1"
            helps = ("leave it out: as many rows go through at once as the memory has room for",)
            yield Finding("E0303", message, _key_span(cluster, (MICRO,)), "rows of a forward pass", helps=helps)


def _paths(options: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every option, nested ones by all names that lead to them."""
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, (*above, name))
        else:
            yield (*above, name)


def inner_span(cluster: Declaration, word: str, name: str) -> Span:
    """The value of an attribute of a nested block, else the head of the cluster."""
    attribute = _inner(cluster, word, name)
    return attribute.value.span if attribute is not None else cluster.block.head


def _inner(cluster: Declaration, word: str, name: str) -> Attribute | None:
    for block in cluster.block.body:
        if isinstance(block, Block) and block.kind.text == word:
            for item in block.body:
                if isinstance(item, Attribute) and item.name.text == name:
                    return item
    return None


def _key_span(cluster: Declaration, path: tuple[str, ...]) -> Span:
    """The key of the innermost map that the path leads to."""
    attribute = _inner(cluster, "deepspeed", "extra")
    if attribute is None:
        return cluster.block.head
    written, span = attribute.value, attribute.value.span
    for name in path:
        if not isinstance(written, WrittenMap):
            break
        for pair in written.pairs:
            if (pair.key.value if isinstance(pair.key, Text) else str(pair.key)) == name:
                written, span = pair.value, pair.key.span
                break
    return span
