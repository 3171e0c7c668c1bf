"""Stages that are killed, stopped or run out of room, and go on: to the same bits as if nothing had happened."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from structdsl.plan.operations import Checkpoint
from structdsl_runtime import unfinished
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.train import train
from structdsl_runtime.training import checkpoint, orders
from structdsl_runtime.training.batches import Layout
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context, packed, samples, train_arguments

STEPS = 6  # of four rows, in two passes
BODY = """
import os, signal, sys
from structdsl_runtime.training import startup, worker
os.environ.setdefault("DS_ACCELERATOR", "cpu")
with startup.imports():
    import torch
    from structdsl_runtime.training import checkpoint, orders, stage, trainer
from structdsl_runtime import unfinished
from deepspeed.accelerator import get_accelerator
if "FP16" in os.environ:  # which DeepSpeed takes a CPU for unable to
    type(get_accelerator()).is_fp16_supported = lambda self: True
WHEN, STEP, RANK = os.environ["WHEN"], int(os.environ["STEP"]), os.environ["RANK"]

def die(*_):
    if RANK == os.environ["WHO"]:
        print("last words of rank", RANK, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, act, at):
    plain = getattr(owner, name)
    def wrapped(self, *arguments, **named):
        if at(self, *arguments):
            act(self)
        return plain(self, *arguments, **named)
    setattr(owner, name, wrapped)

step = lambda self, *_: self.state.global_step + 1 == STEP
if WHEN == "second pass":  # of the step: a gradient is there, and no update
    before(trainer.StageTrainer, "training_step", die, lambda self, *_: step(self) and len(self.passes) == 1)
if WHEN == "saving":  # weights are written, and the state is not complete
    plain = torch.save
    def torch_save(value, path, **named):
        if "random" in value and f"{value['schedule']['last_epoch']}" == str(STEP):
            die()
        return plain(value, path, **named)
    torch.save = torch_save
if WHEN == "renaming":
    plain_complete = unfinished.complete
    def complete(partial, state, keep):
        if state.step == STEP:
            die()
        return plain_complete(partial, state, keep)
    unfinished.complete = complete
def ask(self):
    os.kill(os.getpid(), signal.SIGTERM)

if WHEN == "signal":
    before(trainer.StageTrainer, "training_step", ask, step)
if WHEN == "full":
    def full(self, *_):
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before(checkpoint.Saving, "save", full, lambda self, number: number == STEP)
worker.main(sys.argv[1])
"""


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return packed(22, 64)


@pytest.fixture(scope="module")
def forgetful(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with dropout: what it learns depends on random numbers."""
    folder = tmp_path_factory.mktemp("forgetful")
    for path in base.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attention_dropout": 0.2}))
    return folder


class Stage:
    """One stage in one folder, attempt after attempt; `kept` is what survives them."""

    def __init__(self, root: Path, model: Path, table: pa.Table, **changes: Any) -> None:
        self.warnings: list[str] = []
        self.root, self.attempts, self.kept = root, 0, root / "unfinished" / "stage.learn.train" / "key"
        tables = {"packed": table, "samples": samples(table)}
        self.inputs = FakeInputs(tables=tables, folders={"model": model})
        micro = {"train_micro_batch_size_per_gpu": 2 // changes.get("processes", 1)}
        zero = {"zero_optimization": {"stage": changes.pop("zero", 0)}}
        self.arguments = train_arguments(**{"deepspeed": {**zero, **micro}, "checkpoint": SAVES, **changes})
        (root / "stand_in.py").write_text(BODY)

    def run(self, when: str = "", step: int = 0, who: int = 0) -> FakeOutputs:
        """An attempt in which rank `who` meets its fate at `step`."""
        self.attempts += 1
        folder = self.root / str(self.attempts)
        outputs = FakeOutputs(folder / "out")
        where = context(folder, warnings=self.warnings)
        object.__setattr__(where, "kept", self.kept)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys.modules[train.__module__], "WORKER", "stand_in")
            patch.setenv("PYTHONPATH", os.pathsep.join((str(self.root), *sys.path)))
            for name, value in (("WHEN", when), ("STEP", step), ("WHO", who)):
                patch.setenv(name, str(value))
            train(self.arguments, self.inputs, outputs, where)
        return outputs

    def fails(self, when: str, step: int, who: int = 0) -> Fault:
        with pytest.raises(Fault) as caught:
            self.run(when, step, who)
        return caught.value

    def saved(self) -> list[int]:
        return [state.step for _, state in unfinished.states(self.kept)]


SAVES = Checkpoint(steps=1, keep=2)


def weights(outputs: FakeOutputs) -> bytes:
    return (outputs.root / "model" / "model.safetensors").read_bytes()


def told(outputs: FakeOutputs) -> list[tuple[Any, ...]]:
    return [(row["step"], row["loss"], row["grad_norm"], row["lr"], row["tokens"]) for row in outputs.tables["log"]]


@pytest.fixture(scope="module")
def undisturbed(forgetful: Path, table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> FakeOutputs:
    return Stage(tmp_path_factory.mktemp("undisturbed"), forgetful, table, checkpoint=None).run()


def test_resume_after_each_kill_is_bit_identical(
    undisturbed: FakeOutputs, forgetful: Path, table: pa.Table, tmp_path: Path
) -> None:
    """While saving, between passes, and stopped after the last step."""
    stage = Stage(tmp_path, forgetful, table, trackers=("tensorboard",))
    fates: tuple[tuple[str, int, list[int]], ...] = (
        ("saving", 2, [1]),
        ("renaming", 3, [1, 2]),
        ("second pass", 5, [3, 4]),
    )
    for when, step, saved in fates:
        assert "SIGKILL" in stage.fails(when, step).message
        assert stage.saved() == saved, (when, step)
    with pytest.raises(KeyboardInterrupt):
        stage.run("signal", 6)
    assert stage.saved() == [5, 6]
    found = stage.run()
    assert weights(found) == weights(undisturbed)
    assert told(found) == told(undisturbed)
    assert found.tables["loss"] == undisturbed.tables["loss"]
    events = EventAccumulator(str(tmp_path / str(stage.attempts) / "tensorboard" / "stage.learn"))
    events.Reload()
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert stage.warnings[-1] == "goes on from its checkpoint at step 6 of 6"
    checkpoints = found.tables["checkpoints"]
    assert [row["step"] for row in checkpoints] == [1, 2, 3, 4, 5, 6]
    assert checkpoints[-1]["path"] == "unfinished/stage.learn.train/key/step-00000006"
    assert all(row["bytes"] > 100_000 for row in checkpoints)
    assert not list(stage.kept.glob("partial-*"))


def test_resume_from_before_a_full_disk_and_with_what_it_was(
    undisturbed: FakeOutputs, forgetful: Path, table: pa.Table, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, forgetful, table)
    fault = stage.fails("full", 4)
    assert (fault.code, stage.saved()) == ("E0833", [2, 3])
    assert "checkpoint at step 4" in fault.message
    assert "checkpoint at step 3 is whole" in fault.notes[1]
    assert not list(stage.kept.glob("partial-*"))
    (part,) = unfinished.states(stage.kept)[-1][0].glob("engine/*model_states.pt")
    whole = part.read_bytes()
    part.write_bytes(whole[:1000])
    fault = stage.fails("", 0)
    assert fault.code == "E0834"
    assert fault.notes == (f"`engine/{part.name}` has 1,000 of {len(whole):,} bytes",)
    assert "goes on from step 2" in fault.helps[0]
    part.write_bytes(whole)
    plain = stage.arguments
    stage.arguments = plain.model_copy(update={"deepspeed": {"zero_optimization": {"stage": 1}}})
    fault = stage.fails("", 0)
    assert fault.code == "E0831"
    assert "deepspeed zero_optimization.stage: 0 then, 1 now" in fault.notes
    assert f"rm -r {stage.kept}" in fault.helps[1]
    stage.arguments = plain
    found = stage.run()
    assert weights(found) == weights(undisturbed)
    assert told(found) == told(undisturbed)


@pytest.mark.slow
def test_resume_of_two_ranks_under_zero_is_bit_identical(forgetful: Path, table: pa.Table, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = Stage(tmp_path / "whole", forgetful, table, processes=2, zero=2, checkpoint=None).run()
    stage = Stage(tmp_path / "killed", forgetful, table, processes=2, zero=2)
    fault = stage.fails("second pass", 4, who=1)
    assert "rank 1" in fault.message
    assert "SIGKILL" in fault.message
    assert "last words of rank 1" in fault.notes[0]
    assert stage.saved() == [2, 3]
    with pytest.raises(KeyboardInterrupt):
        stage.run("signal", 5)
    assert stage.saved() == [4, 5]
    found = stage.run()
    assert weights(found) == weights(whole)
    assert told(found) == told(whole)


@pytest.mark.slow
def test_steps_that_overflow_in_fp16_are_left_out_and_said(
    forgetful: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale that was found goes on with the stage; no step that is left out is a fault."""
    monkeypatch.setenv("FP16", "1")

    def stage(folder: str, saves: Checkpoint | None) -> Stage:
        (tmp_path / folder).mkdir()
        made = Stage(tmp_path / folder, forgetful, table, precision="fp16", checkpoint=saves)
        scaling = {"fp16": {"initial_scale_power": 19, "hysteresis": 1}}
        made.arguments = made.arguments.model_copy(update={"deepspeed": {**made.arguments.deepspeed, **scaling}})
        return made

    whole, killed = stage("whole", None).run(), stage("killed", SAVES)
    log = whole.tables["log"]
    skipped = [row["skipped"] for row in log]
    assert skipped[0] is True
    assert skipped[-1] is False
    assert [row["grad_norm"] is None for row in log] == skipped
    assert [row["loss_scale"] for row in log] == [2.0 ** (19 - sum(skipped[:step])) for step in range(1, 7)]
    assert log[skipped.count(True)]["lr"] == log[0]["lr"]  # a step that was left out is none of the schedule
    killed.fails("second pass", 3)
    found = killed.run()
    assert weights(found) == weights(whole)
    assert told(found) == told(whole)
    assert [(row["skipped"], row["loss_scale"]) for row in found.tables["log"]] == [
        (row["skipped"], row["loss_scale"]) for row in log
    ]


@pytest.mark.slow
def test_a_loss_scale_at_its_minimum_names_the_cause(
    forgetful: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FP16", "1")
    stage = Stage(tmp_path, forgetful, table, precision="fp16", checkpoint=None)
    scaling = {"fp16": {"initial_scale_power": 19, "min_loss_scale": 2**19, "hysteresis": 1}}
    stage.arguments = stage.arguments.model_copy(update={"deepspeed": {**stage.arguments.deepspeed, **scaling}})
    fault = stage.fails("", 0)
    assert (fault.code, fault.message[:50]) == ("E0714", "the gradient of step 1 does not fit fp16 however s")
    assert fault.notes[0].startswith("rows 0 to 3 of `stage.learn_packed`")
    assert "its minimum, 524288," in fault.notes[-1]
    assert "`precision = bf16`" in fault.helps[0]


def test_saves_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the time is over since the last save had ended; never after the last step, whose weights follow."""
    now, saved = [0.0], list[int]()

    def save(self: checkpoint.Saving, step: int) -> None:
        assert self._policy is not None
        saved.append(step)
        now[0] += 50

    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(checkpoint.Saving, "save", save)
    quiet: Any = SimpleNamespace(moved=lambda: None, stop_asked=lambda: False)
    trainer: Any = SimpleNamespace(steps=10, layout=Layout(micro=1, accumulation=1, processes=1))
    policy = Checkpoint(seconds=60, keep=2)
    saving = checkpoint.Saving(trainer, tmp_path, policy=policy, decides={}, orders=quiet, reporter=quiet)
    for step in range(1, 11):
        now[0] += 25
        done: Any = SimpleNamespace(global_step=step, device=None)
        saving.on_step_end(done, done, done)
    assert saved == [3, 6, 9]


def test_patience_is_half_an_hour_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSPEED_TIMEOUT", raising=False)
    assert orders.patience() == 1800
    monkeypatch.setenv("DEEPSPEED_TIMEOUT", "5")
    assert orders.patience() == 300
    monkeypatch.setenv("STRUCTDSL_TIMEOUT", "0.5")
    assert orders.patience() == 0.5
