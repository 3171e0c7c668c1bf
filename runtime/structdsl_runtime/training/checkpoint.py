"""The state of a stage between two optimizer steps: saved on the way, and taken up bit by bit.

A state is DeepSpeed's own checkpoint (weights, optimizer, of every rank its part) and beside it what DeepSpeed leaves
out: the random numbers of each rank, the learning-rate schedule, and all that the stage has told so far, from which
the tables of its log are written. The position in the data is the number of the step.

Ranks save and stop at the same step: each step they agree on the most that one of them was asked for. A state counts
when its folder bears its name (`unfinished`), and says what decided it; on anything else it is refused.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from structdsl.plan.operations import Checkpoint
from structdsl_runtime import unfinished
from structdsl_runtime.files import flush, walk
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.orders import Orders
from structdsl_runtime.unfinished import State

if TYPE_CHECKING:
    from structdsl_runtime.training.trainer import StageTrainer

ENGINE: Final = "engine"  # DeepSpeed's files
RANK: Final = "rank-{}.pt"
FULL: Final = ("No space left", "File too large", "quota", "failed writing", "unexpected pos")  # in torch's words


class Asked(IntEnum):
    """The more, the higher: ranks do the most that one of them was asked for."""

    NOTHING = 0
    SAVE = 1
    STOP = 2  # and save


class Resume(TrainerCallback):
    """Puts a stage where its checkpoint left it; to be called before all that looks at its weights."""

    def __init__(self, trainer: StageTrainer, folder: Path, state: State) -> None:
        self._trainer = trainer
        self._folder = folder
        self._step = state.step
        self._random: dict[str, Any] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        trainer = self._trainer
        rank: dict[str, Any] = torch.load(self._folder / RANK.format(args.process_index), weights_only=False)
        trainer.engine.load_checkpoint(
            str(self._folder), tag=ENGINE, load_module_strict=not frozen(trainer), load_lr_scheduler_states=False
        )
        assert trainer.lr_scheduler is not None
        trainer.lr_scheduler.load_state_dict(rank["schedule"])
        self._random = rank["random"]
        state.global_step = self._step
        control.should_training_stop = self._step == trainer.steps  # stopped between its last step and its end

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Not before the first step: the loader of the rows draws a number when it starts."""
        if self._random is not None:
            restore_random(self._random)
            self._random = None


class Saving(TrainerCallback):
    """Saves when it is time or asked for; to be called after all that tells of a step."""

    def __init__(
        self,
        trainer: StageTrainer,
        kept: Path,
        *,
        policy: Checkpoint | None,
        decides: Mapping[str, Any],
        orders: Orders,
        reporter: Reporter,
    ) -> None:
        self.stopped = False
        self._trainer = trainer
        self._kept = kept
        self._policy = policy
        self._keep = policy.keep if policy is not None else 1
        self._decides = decides
        self._orders = orders
        self._reporter = reporter
        self._clock = time.monotonic()

    def on_step_begin(self, *_: object, **__: object) -> None:
        self._orders.moved()

    def on_substep_end(self, *_: object, **__: object) -> None:
        self._orders.moved()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        self._orders.moved()
        asked = agreed(self._asked(state.global_step), args.device, self._trainer.layout.processes)
        if asked is Asked.NOTHING:
            return
        self.save(state.global_step)
        self._clock = time.monotonic()
        self._orders.moved()
        if asked is Asked.STOP:
            self.stopped = control.should_training_stop = True

    def _asked(self, step: int) -> Asked:
        policy = self._policy
        if self._orders.stop_asked():
            return Asked.STOP
        if policy is None or step == self._trainer.steps:  # the weights themselves follow
            return Asked.NOTHING
        due = policy.steps is not None and step % policy.steps == 0
        late = policy.seconds is not None and time.monotonic() - self._clock >= policy.seconds
        return Asked.SAVE if due or late else Asked.NOTHING

    def save(self, step: int) -> None:
        """The state after `step`; every rank takes part. Raises Fault E0833 where there is no room for it."""
        trainer, began = self._trainer, time.monotonic()
        first = trainer.is_world_process_zero()
        with room(self._kept, step):
            partial = shared(unfinished.begin(self._kept) if first else None)
            trainer.engine.save_checkpoint(
                str(partial), tag=ENGINE, save_latest=False, exclude_frozen_parameters=frozen(trainer)
            )
            assert trainer.lr_scheduler is not None
            own = partial / RANK.format(trainer.args.process_index)
            torch.save({"random": random_numbers(), "schedule": trainer.lr_scheduler.state_dict()}, own)
            torch.distributed.barrier()
            if not first:
                return
            for path in walk(partial):
                flush(path)
            size = sum(path.stat().st_size for path in walk(partial))
            place = "/".join((*self._kept.parts[-3:], unfinished.NAME.format(step)))
            self._reporter.emit("saved", step=step, path=place, bytes=size, seconds=time.monotonic() - began)
            self._reporter.copy(partial)
            unfinished.complete(partial, State(step=step, decides=dict(self._decides), bytes=size), self._keep)


def agreed(asked: Asked, device: torch.device, processes: int) -> Asked:
    """The most that a rank was asked for; every rank takes part."""
    if processes == 1:
        return asked
    most = torch.tensor(int(asked), device=device)
    torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
    return Asked(int(most))


def shared(path: Path | None) -> Path:
    """The path that the first rank has; every rank takes part."""
    paths = [path]
    torch.distributed.broadcast_object_list(paths)
    assert paths[0] is not None
    return paths[0]


@contextmanager
def room(kept: Path, step: int) -> Iterator[None]:
    """Within, a state is written; where the disk does not take it, what was written goes and Fault E0833 says so."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not (isinstance(error, OSError) or any(words in str(error) for words in FULL)):
            raise
        unfinished.tidy(kept)
        free = shutil.disk_usage(kept if kept.exists() else kept.parent).free
        saved = unfinished.states(kept)
        raise Fault(
            "E0833",
            f"the checkpoint at step {step} could not be saved: {error}",
            notes=(
                f"{free / 2**20:,.0f} MiB are free where `{kept}` lies",
                f"the checkpoint at step {saved[-1][1].step} is whole" if saved else "none was saved before it",
            ),
            helps=("make room, then run again" + (": the stage goes on from that checkpoint" if saved else ""),),
        ) from error


def refuse_other(folder: Path, state: State, decides: Mapping[str, Any]) -> None:
    """Raises Fault E0831 where a stage that is decided by other things left this state; it names each of them."""
    names = [name for name in {**state.decides, **decides} if state.decides.get(name) != decides.get(name)]
    if names:
        raise Fault(
            "E0831",
            f"the checkpoint at step {state.step} was saved by a stage that would go on differently",
            notes=tuple(f"{name}: {_shown(state.decides, name)} then, {_shown(decides, name)} now" for name in names),
            helps=(
                "run it as it was then, and it goes on from there",
                f"or remove what it saved, and it starts anew: `rm -r {folder.parent}`",
            ),
        )


def _shown(decides: Mapping[str, Any], name: str) -> str:
    return str(decides[name]) if name in decides else "nothing"


def frozen(trainer: StageTrainer) -> bool:
    """Whether some weights never change: they are those of the model that comes in, and are not saved."""
    return not all(parameter.requires_grad for parameter in trainer.network.parameters())


def random_numbers() -> dict[str, Any]:
    """The state of every generator that a forward pass may draw from, of this rank."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the global one is what libraries draw from
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random(state: Mapping[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - the global one is what libraries draw from
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
