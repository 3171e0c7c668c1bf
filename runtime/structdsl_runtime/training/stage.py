"""A training stage as one rank lives it: join the others, load, share out the rows, train, save."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import deepspeed  # type: ignore[import-untyped]
import deepspeed.ops  # type: ignore[import-untyped]
import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from safetensors import safe_open
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM
from transformers.utils import logging
from transformers.utils.import_utils import is_flash_attn_2_available

from structdsl.plan import Train
from structdsl_runtime.machine import memory_limit
from structdsl_runtime.operation import Fault
from structdsl_runtime.pretrained import code_files
from structdsl_runtime.training import rows, schedule, sizing
from structdsl_runtime.training.batches import Layout
from structdsl_runtime.training.deepspeed_config import Precision, configuration, precision
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.following import Followed
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.log import Telling
from structdsl_runtime.training.objective import NextToken, Objective, PredictingHead
from structdsl_runtime.training.trainer import StageTrainer, training_arguments

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def train(job: TrainJob, reporter: Reporter) -> None:
    """From model to model; every rank runs this. Raises Faults E0712, E0714 and E0716."""
    arguments, gpu = job.arguments, torch.cuda.is_available()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    join("nccl" if gpu else "gloo")
    packed = rows.read(job.rows)
    steps = schedule.steps_of(arguments, len(packed))
    kind = precision(arguments, gpu=gpu)
    config = configuration_of(job.model, arguments.length)
    layout = share_out(arguments, config, kind, gpu=gpu)
    settings = configuration(arguments, layout, kind, parameters(job.model))
    # Made before the model: under ZeRO-3 transformers then loads it in shards.
    args = training_arguments(arguments, layout, steps, settings, job.events / "trainer")
    model = adapted(load(job.model, config, kind, gpu=gpu), job)
    if arguments.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    trainer = StageTrainer(
        model=model,
        objective=objective(arguments, model, layout),
        args=args,
        arguments=arguments,
        rows=packed,
        layout=layout,
        steps=steps,
        telling=Telling(reporter=reporter, sources=job.sources, followed=followed(job, model)),
    )
    trainer.train()
    save(trainer, job.output, job.adapter_output)
    reporter.emit("finished")
    leave()


def leave() -> NoReturn:
    """End this rank once all are through, without taking anything down.

    On a loaded machine the threads of gloo and of DeepSpeed's optimizer outlive the interpreter's tear-down now and
    then, and abort a rank whose work is done and saved ("terminate called without an active exception").
    """
    torch.distributed.barrier()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def join(backend: str) -> None:
    """Join the process group, and tell accelerate: left to itself it takes ranks on a CPU for one process each.

    DeepSpeed's communication through shared memory stays off: it is compiled on first use, by all ranks at once.
    """
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    PartialState(backend=backend)


def share_out(arguments: Train, config: Any, kind: Precision, *, gpu: bool) -> Layout:
    """Rows per forward pass; a third of the memory is for activations."""
    processes = torch.distributed.get_world_size()
    room = torch.cuda.get_device_properties().total_memory // 3 if gpu else memory_limit() // (3 * processes)
    row = sizing.row_bytes(
        config,
        arguments.length,
        element=TYPES[kind].itemsize,
        checkpointing=arguments.activation_checkpointing,
    )
    return sizing.layout(
        batch=arguments.batch,
        processes=processes,
        stated=arguments.deepspeed.get(sizing.MICRO),
        most=sizing.most_rows(room, row, arguments.length, gpu=gpu),
    )


def configuration_of(folder: Path, length: int) -> Any:
    """The model's configuration; raises Fault E0716 where rows are longer than its positions."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=bool(code_files(folder)))
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and length > limit:
        raise Fault(
            "E0716",
            f"rows of {length} positions do not fit the model",
            notes=(f"it has {limit} positions",),
            helps=(f"set `length` to {limit} or less",),
        )
    return config


def load(folder: Path, config: Any, kind: Precision, *, gpu: bool) -> Any:
    """The model with an attention that can isolate segments: varlen flash attention where it is installed."""
    flash = gpu and kind != "fp32" and is_flash_attn_2_available()
    return AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=TYPES[kind],
        attn_implementation="flash_attention_2" if flash else "sdpa",
        trust_remote_code=bool(code_files(folder)),
        use_safetensors=True,
    )


def objective(arguments: Train, model: Any, layout: Layout) -> Objective:
    """What the stage minimises."""
    head = PredictingHead(model)
    return NextToken(head, label_smoothing=arguments.label_smoothing, processes=layout.processes)


def followed(job: TrainJob, model: Any) -> Followed | None:
    """The corpora whose loss is followed, if any."""
    if not job.followed:
        return None
    return Followed(rows={name: rows.read(path) for name, path in job.followed.items()}, head=PredictingHead(model))


def adapted(model: Any, job: TrainJob) -> Any:
    """The model with the low-rank updates that the stage trains in place of all weights, where it does."""
    lora = job.arguments.adapter
    if lora is None:
        return model
    from structdsl_runtime.training import adapters  # noqa: PLC0415 - peft costs every other stage its import

    if job.adapter is not None:
        return adapters.continued(model, job.adapter)
    assert not isinstance(lora, str), "an adapter that is continued comes as an input"
    return adapters.attach(model, lora, job.arguments.seed)


def save(trainer: StageTrainer, output: Path, adapter: Path | None) -> None:
    """Weights (safetensors) and configuration; under ZeRO-3 every rank hands in its part.

    Low-rank updates are merged into the weights, and kept by themselves in `adapter`.
    """
    sharded = trainer.engine.zero_optimization_stage() == 3
    state = trainer.accelerator.get_state_dict(trainer.engine) if sharded else None
    if trainer.is_world_process_zero():
        trainer.network.config.use_cache = True
        if adapter is None:
            trainer.network.save_pretrained(output, state_dict=state)
        else:
            from structdsl_runtime.training import adapters  # noqa: PLC0415 - as in `adapted`

            adapters.save(trainer.network, state, output, adapter)


def parameters(folder: Path) -> int:
    """Parameters in the weight files of a model, read from their headers."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as weights:
            names = weights.keys()
            count += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return count
