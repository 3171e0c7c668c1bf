"""One rank of a training stage: `python -m structdsl_runtime.training.worker job.json`.

Heavy imports stand inside `main`: they take most of a small stage's time, and without the collector of cycles (which
would walk two million new objects again and again) a third less: 3.8 s of processor time come down to 2.5 s.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

from structdsl_runtime.machine import memory_limit
from structdsl_runtime.training.events import Reporter, end_with, failures
from structdsl_runtime.training.job import TrainJob


def main(path: str) -> None:
    job = TrainJob.model_validate_json(Path(path).read_bytes())
    rank = int(os.environ["RANK"])
    end_with(job.executor)
    with failures(job.events, rank):
        prepare()
        train(job, Reporter(job.events, rank))


def prepare() -> None:
    """Import torch, DeepSpeed and transformers, without what they would look for and this worker never uses."""
    if os.environ.get("DS_ACCELERATOR") == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    sys.modules.setdefault("datasets", None)  # type: ignore[arg-type] (None: "not installed")
    gc.disable()
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed.ops  # noqa: PLC0415
    import transformers.trainer  # noqa: PLC0415
    import transformers.utils.logging  # noqa: PLC0415

    # Communication through shared memory is compiled on first use, by both ranks at once; gloo does without.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    transformers.utils.logging.disable_progress_bar()
    gc.enable()
    gc.freeze()


def train(job: TrainJob, reporter: Reporter) -> None:
    """The stage from model to model; every rank runs this."""
    import torch  # noqa: PLC0415

    from structdsl_runtime.training import deepspeed_config, rows, schedule, sizing  # noqa: PLC0415
    from structdsl_runtime.training.trainer import StageTrainer, training_arguments  # noqa: PLC0415

    arguments, gpu = job.arguments, torch.cuda.is_available()
    join("nccl" if gpu else "gloo")
    packed = rows.read(job.rows)
    steps = schedule.steps_of(arguments, len(packed))
    kind = deepspeed_config.precision(arguments, gpu=gpu)
    config = _config(job.model, arguments.length)
    processes = torch.distributed.get_world_size()
    row_bytes = sizing.row_bytes(
        config,
        arguments.length,
        element=4 if kind == "fp32" else 2,
        checkpointing=arguments.activation_checkpointing,
    )
    room = torch.cuda.get_device_properties(0).total_memory // 3 if gpu else memory_limit() // (3 * processes)
    layout = sizing.layout(
        batch=arguments.batch,
        processes=processes,
        stated=arguments.deepspeed.get(sizing.MICRO),
        most=sizing.most_rows(room, row_bytes, arguments.length, gpu=gpu),
    )
    settings = deepspeed_config.configuration(arguments, layout, kind, _parameters(job.model))
    args = training_arguments(arguments, layout, steps, settings, job.events / "trainer")
    model = _model(job.model, config, kind, gpu=gpu)
    if arguments.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    trainer = StageTrainer(
        model=model, args=args, arguments=arguments, rows=packed, layout=layout, steps=steps, reporter=reporter
    )
    trainer.train()
    save(trainer, job.output)
    reporter.emit("finished")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def join(backend: str) -> None:
    """Join the process group, and tell accelerate: left to itself it takes ranks on a CPU for one process each."""
    import deepspeed  # noqa: PLC0415
    from accelerate import PartialState  # noqa: PLC0415

    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    PartialState(backend=backend)


def save(trainer: Any, output: Path) -> None:  # noqa: ANN401
    """Weights (safetensors) and configuration; under ZeRO-3 every rank hands in its part."""
    sharded = trainer.accelerator.state.deepspeed_plugin.zero_stage == 3
    state = trainer.accelerator.get_state_dict(trainer.deepspeed) if sharded else None
    if trainer.is_world_process_zero():
        trainer.model.config.use_cache = True
        trainer.model.save_pretrained(output, state_dict=state)


def _config(folder: Path, length: int) -> Any:  # noqa: ANN401
    """The model's configuration; raises Fault E0716 where rows are longer than its positions."""
    from transformers.models.auto.configuration_auto import AutoConfig  # noqa: PLC0415

    from structdsl_runtime.operation import Fault  # noqa: PLC0415

    config = AutoConfig.from_pretrained(folder)
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and length > limit:
        raise Fault(
            "E0716",
            f"rows of {length} positions do not fit the model",
            notes=(f"it has {limit} positions",),
            helps=(f"set `length` to {limit} or less",),
        )
    return config


def _model(folder: Path, config: Any, kind: str, *, gpu: bool) -> Any:  # noqa: ANN401
    """The model with an attention that can isolate segments: varlen flash attention where it is installed."""
    import torch  # noqa: PLC0415
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM  # noqa: PLC0415
    from transformers.utils.import_utils import is_flash_attn_2_available  # noqa: PLC0415

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    flash = gpu and kind != "fp32" and is_flash_attn_2_available()
    return AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=types[kind], attn_implementation="flash_attention_2" if flash else "sdpa"
    )


def _parameters(folder: Path) -> int:
    """Parameters in the weight files, read from their headers."""
    from safetensors import safe_open  # noqa: PLC0415

    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 (no dictionary)
                size = 1
                for extent in weights.get_slice(name).get_shape():
                    size *= extent
                count += size
    return count


if __name__ == "__main__":
    main(sys.argv[1])
