"""A training stage as one rank lives it: join the others, load, share out the rows, train, save."""

from __future__ import annotations

import math
import os
import sys
from datetime import timedelta
from importlib.metadata import version
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
from structdsl.plan.batch import most_rows, rows_a_pass
from structdsl_runtime.machine import memory_limit
from structdsl_runtime.operation import Fault
from structdsl_runtime.pretrained import code_files
from structdsl_runtime.training import rows, schedule, sizing, suitable, teacher
from structdsl_runtime.training.batches import Layout
from structdsl_runtime.training.checkpoint import Resume, Saving, refuse_other
from structdsl_runtime.training.deepspeed_config import Precision, configuration, precision
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.following import Followed
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.log import Telling
from structdsl_runtime.training.lssd import Recipe
from structdsl_runtime.training.objective import Answers, Objective, PredictingHead, TokenLoss
from structdsl_runtime.training.orders import Orders, patience
from structdsl_runtime.training.trainer import StageTrainer, training_arguments
from structdsl_runtime.unfinished import STATE, State

PROCESSES, MICRO_ROWS = "processes", "rows per forward pass"
NO_ATTENTION = ("scaled_dot_product_attention", "Flash Attention 2")  # in words of transformers, of what is missing
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def train(job: TrainJob, reporter: Reporter, orders: Orders) -> None:
    """From model to model; every rank runs this. Raises Faults E0712, E0714, E0716, E0741, E0831 to E0833."""
    arguments, gpu = job.arguments, torch.cuda.is_available()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    suitable.before_joining()
    join("nccl" if gpu else "gloo")
    suitable.check(arguments)
    packed = rows.read(job.rows)
    steps = schedule.steps_of(arguments, len(packed))
    kind = precision(arguments)
    config = configuration_of(job.model, arguments.length)
    saved = State.model_validate_json((job.resume / STATE).read_bytes()) if job.resume is not None else None
    layout = share_out(arguments, config, kind, saved, gpu=gpu)
    settings = configuration(arguments, layout, kind, parameters(job.model), gpu=gpu)
    kept = teacher.head_of(job.teacher, TYPES[kind]) if job.teacher is not None and job.targets is not None else None
    decides = {**job.decides, **setting(layout, settings, steps, kind, gpu=gpu)}
    if saved is not None and job.resume is not None:
        refuse_other(job.resume, saved, decides)
    # Made before the model: under ZeRO-3 transformers then loads it in shards.
    args = training_arguments(arguments, layout, steps, settings, job.events / "trainer")
    model = adapted(load(job.model, config, kind, gpu=gpu), job)
    if arguments.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    head = PredictingHead(model)
    answers = teacher_of(job, model, head, settings, kind, kept)
    trainer = StageTrainer(
        model=model,
        objective=objective(job, head, layout, answers),
        args=args,
        arguments=arguments,
        rows=packed,
        layout=layout,
        steps=steps,
        telling=Telling(
            reporter=reporter,
            sources=job.sources,
            followed=followed(job, model),
            teacher=None if answers is None else answers.shape,
        ),
    )
    resume: list[Resume] = []
    if saved is not None and job.resume is not None:
        trainer.start = saved.step
        resume.append(Resume(trainer, job.resume, saved))
    saving = Saving(trainer, job.kept, policy=arguments.checkpoint, decides=decides, orders=orders, reporter=reporter)
    trainer.follow(first=resume, last=[saving])
    orders.heed(layout.processes)
    trainer.train()
    orders.rest()
    if not saving.stopped:
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
    wait = timedelta(seconds=patience())
    deepspeed.init_distributed(dist_backend=backend, timeout=wait, auto_mpi_discovery=False, verbose=False)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    PartialState(backend=backend)


def share_out(arguments: Train, config: Any, kind: Precision, saved: State | None, *, gpu: bool) -> Layout:
    """Rows per forward pass: a third of the memory is for activations; a stage that goes on keeps to what it had."""
    processes = torch.distributed.get_world_size()
    stated = rows_a_pass(arguments.deepspeed)
    if stated is None and saved is not None and saved.decides.get(PROCESSES) == processes:
        stated = saved.decides[MICRO_ROWS]
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
        stated=stated,
        most=most_rows(room, row, arguments.length, gpu=gpu),
    )


def setting(layout: Layout, settings: dict[str, Any], steps: int, kind: Precision, *, gpu: bool) -> dict[str, Any]:
    """What decides the bits of a result besides the arguments and inputs of the step."""
    zero = {f"zero_optimization.{name}": value for name, value in settings["zero_optimization"].items()}
    told = {**zero, **{name: value for name, value in settings.items() if name != "zero_optimization"}}
    return {
        PROCESSES: layout.processes,
        MICRO_ROWS: layout.micro,
        "optimizer steps": steps,
        **{f"deepspeed {name}": value for name, value in told.items() if not name.startswith("train_")},
        "precision": kind,
        "device": "cuda" if gpu else "cpu",
        **{name: version(name) for name in ("torch", "deepspeed", "transformers")},
    }


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
    """The model with an attention that can isolate segments: varlen flash attention where it is installed.

    Raises Fault E0712 where the architecture has none of them (transformers raises ValueError).
    """
    flash = gpu and kind != "fp32" and is_flash_attn_2_available()
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=TYPES[kind],
            attn_implementation="flash_attention_2" if flash else "sdpa",
            trust_remote_code=bool(code_files(folder)),
            use_safetensors=True,
        )
    except ValueError as error:
        if not any(words in str(error) for words in NO_ATTENTION):
            raise
        raise _no_attention(config, flash=flash) from error


def _no_attention(config: Any, *, flash: bool) -> Fault:
    """That an architecture cannot be told which positions of a row belong together."""
    name = "flash attention 2" if flash else "PyTorch's attention with a mask (SDPA)"
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    return Fault(
        "E0712",
        f"samples cannot share a row in a model of type `{config.model_type}`",
        notes=(
            f"transformers has no {name} for it" + (", which caps the scores of attention" if capped else ""),
            "nothing else keeps the samples of a row apart",
        ),
        helps=(
            *(() if flash else ("on a GPU with flash attention 2 installed it may be trained in `bf16`",)),
            "choose a model whose attention is a plain decoder's",
        ),
    )


def objective(job: TrainJob, head: PredictingHead, layout: Layout, answers: Answers | None) -> Objective:
    """What the stage minimises: the next token, and the divergence from a teacher where it has one.

    Tokens of corpora that it is not heard on learn from the text alone, with its whole weight.
    """
    distill, smoothing = job.arguments.distill, job.arguments.label_smoothing
    if distill is None or answers is None:
        return TokenLoss(head, Recipe(label_smoothing=smoothing), processes=layout.processes)
    recipe = Recipe(
        weight=distill.weight,
        swap=distill.swap,
        temperature=distill.temperature,
        kl=distill.kl,
        label_smoothing=smoothing,
    )
    heard = [number for number, name in enumerate(job.sources) if job.arguments.corpora.get(name) in distill.roles]

    def distilled(batch: dict[str, Any]) -> torch.Tensor:
        return torch.isin(batch["source_N"], torch.tensor(heard, device=batch["source_N"].device))

    return TokenLoss(
        head,
        recipe,
        processes=layout.processes,
        teacher=answers,
        distilled=distilled if distill.roles else None,
    )


def teacher_of(
    job: TrainJob,
    model: Any,
    head: PredictingHead,
    settings: dict[str, Any],
    kind: Precision,
    kept: teacher.Head | None,
) -> teacher.Counted | None:
    """Who the stage learns from, if anyone; `kept` is the head of a teacher whose hidden states were kept."""
    folder = job.teacher
    if folder is None:
        return None
    if kept is not None and job.targets is not None:
        return teacher.Kept(job.targets, rows.read(job.rows), kept)

    def load_teacher() -> Any:
        return load(folder, AutoConfig.from_pretrained(folder), kind, gpu=torch.cuda.is_available())

    return teacher.online(model, head, own_start=folder == job.model, load=load_teacher, config=settings)


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
