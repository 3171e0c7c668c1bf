"""What a training stage costs: steps, tokens, FLOPs, memory, time, and the bytes of what is kept of its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from structdsl.cost.compute import Machine, forward, per_token, seconds
from structdsl.cost.data import optimizer_steps, packed_rows, positions, source_tokens
from structdsl.cost.facts import Facts
from structdsl.cost.figure import ZERO, Figure, about, derive, exact, total
from structdsl.cost.memory import HALF, SINGLE, Memory, element_of, memory
from structdsl.cost.model import Model, model_behind
from structdsl.plan import CacheTeacher, Dpo, GraphNode, Step, Train
from structdsl.plan.batch import largest, most_rows, realised, rows_a_pass
from structdsl.plan.operations import Lora, Training

ENTRY, ROW = 5, 7  # bytes of a kept token and of what is kept once a position, compressed
NUMBER = {HALF: 1.5, SINGLE: 3.5}  # bytes of a kept number that was computed in so many: see `writer`


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How the rows of an optimizer step are shared out: rows of a pass × passes × processes."""

    rows: int
    micro: Figure
    passes: Figure
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    stage: str
    variant: str
    parameters: Figure
    rows: Figure
    tokens: Figure  # positions that go through the model
    steps: Figure  # of the optimizer
    batch: Batch
    flops: Figure
    memory: Memory
    seconds: Figure  # of training, and of filling the cache of its teacher
    processes: int
    gpu: bool
    teacher_cache: Figure | None  # bytes that the stage adds; none where it keeps nothing of a teacher
    teacher_flops: Figure  # of the step that fills it, not part of `flops`

    @property
    def all_flops(self) -> Figure:
        return total((self.flops, self.teacher_flops))


def stage_cost(
    node: GraphNode, steps: Mapping[str, Step], facts: Facts, machine: Machine, *, told: bool = False
) -> StageCost | None:
    """The cost of a stage; none for a merge, which trains nothing. `told` says that a stage before it keeps of the same
    teacher all that this one wants.
    """
    step = steps[node.step]
    operation = step.operation
    if not isinstance(operation, Train | Dpo):
        return None
    model = model_behind(step.inputs["model"], steps, facts.shapes)
    teacher = model_behind(node.teacher, steps, facts.shapes) if node.teacher is not None else None
    gpu = _on_gpu(node, operation, facts)
    rows = packed_rows(node, steps, facts)
    number = optimizer_steps(operation, rows)
    tokens = positions(operation, rows, number)
    work = derive(lambda each, many: each * many, per_token(operation, model, teacher), tokens)
    held = memory(operation, model, teacher, rank=_rank(step, steps), gpu=gpu)
    cache, asking = _teacher_cache(node, steps, facts, teacher, gpu=gpu)
    if told:
        cache, asking = ZERO, ZERO
    return StageCost(
        stage=node.stage,
        variant=node.variant,
        parameters=model.parameters,
        rows=rows,
        tokens=tokens,
        steps=number,
        flops=work,
        batch=_batch(operation, held, machine, gpu=gpu),
        memory=held,
        seconds=seconds(total((work, asking)), processes=operation.processes, gpu=gpu, machine=machine),
        processes=operation.processes,
        gpu=gpu,
        teacher_cache=cache,
        teacher_flops=asking,
    )


def _batch(operation: Training, held: Memory, machine: Machine, *, gpu: bool) -> Batch:
    """The rows of a pass are stated, or what the runtime would choose: a third of the memory is for activations."""
    rows, processes = realised(operation), operation.processes
    each = max(1, rows // processes)
    stated = rows_a_pass(operation.deepspeed)
    if stated is not None or each == 1:
        micro = exact(stated or 1)
    else:
        room = machine.gpu_memory / 3 if gpu else machine.cpu_memory / (3 * processes)
        found = derive(lambda row: largest(each, most_rows(room, row, operation.length, gpu=gpu)), held.activations)
        micro = found if found.value is None else about(found.value, found.why)
    return Batch(rows=rows, micro=micro, passes=derive(lambda many: each // many, micro), processes=processes)


def _on_gpu(node: GraphNode, operation: Train | Dpo, facts: Facts) -> bool:
    """Whether a stage is meant for GPUs: its cluster has some, or its precision needs one."""
    return node.stage in facts.gpus or operation.precision in {"bf16", "fp16"}


def _rank(step: Step, steps: Mapping[str, Step]) -> int | None:
    """The rank of the adapter that a step trains; that of the first, where one is continued."""
    assert isinstance(step.operation, Train | Dpo)
    match step.operation.adapter:
        case Lora(rank=rank):
            return rank
        case "continue":
            return _rank(steps[step.inputs["adapter"].rpartition(":")[0]], steps)
        case _:
            return None


def _teacher_cache(
    node: GraphNode, steps: Mapping[str, Step], facts: Facts, teacher: Model | None, *, gpu: bool
) -> tuple[Figure | None, Figure]:
    """Bytes of what is kept of a teacher, and the FLOPs of asking it once for each token.

    Hidden states that the teacher computes in 16 bits are kept in 32, and the bytes that are zero are packed.
    """
    step = steps.get(f"{node.stage}.teacher")
    if step is None or not isinstance(step.operation, CacheTeacher) or teacher is None:
        return None, ZERO
    made = facts.sizes.get(f"{node.stage}_tokens")
    if made is not None and made.current and made.supervised is not None and made.tokens is not None:
        supervised, read = Figure(made.supervised, "exact"), Figure(made.tokens, "exact")
    else:
        supervised = read = source_tokens(node, steps, facts)
    cache = step.operation.cache
    if cache.method == "hidden":
        each = NUMBER[element_of(step.operation, gpu=gpu)]
        kept = derive(lambda tokens, hidden: tokens * hidden * each, supervised, teacher.hidden)
    else:
        entry = ENTRY * (cache.n or 1) + ROW
        kept = derive(lambda tokens: tokens * entry, supervised)
    length = getattr(steps[node.step].operation, "length", 0)
    return kept, derive(lambda each, tokens: each * tokens, forward(teacher, length), read)
