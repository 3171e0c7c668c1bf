"""Real tokens a second of cpt and sft on a CPU, at equal isolation: a stage, TRL's `SFTTrainer`, a bare loop.

`python -m benchmarks.training.throughput` with the `bench` extra installed. Our stage runs through its real worker,
DeepSpeed included, and so pays for its log, its checks and its optimizer. All contenders start from the same weights,
read the same documents and run in turns, each in a process of its own; padding is no token. A step's figure is the
median over the steps behind the first few; start-up (imports, set-up, first steps) is apart. TRL is measured with
several sizes of a pass: its isolated path joins the rows of a pass to one, and which size is best is for the table to
say. Without packing its rows are padded samples; its leaking path, in which documents of a row see each other, is shown
for what it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.training.common import Shape, documents, heading, lay_out, model, spread
from structdsl.plan import Train
from structdsl_runtime.training.events import PROGRESS
from structdsl_runtime.training.job import TrainJob
from structdsl_runtime.training.launchers import command, environment, start

PADDED: Final = 8  # samples of a pass of TRL without packing
WORKER: Final = "structdsl_runtime.training.worker"
LR: Final = 1e-4
WARM: Final = 3  # steps that are not counted


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part; `micro` rows a pass, as many passes as make a step."""

    kind: str  # stage, or what `contenders.py` knows
    micro: int

    def __str__(self) -> str:
        size = "row" if self.micro == 1 else "rows"
        return self.kind if self.kind in {"stage", "bare"} else f"trl {self.kind}, {self.micro} {size} a pass"


@dataclass(slots=True)
class Found:
    rates: list[float] = field(default_factory=list)  # real tokens a second, a run each
    startup: list[float] = field(default_factory=list)  # seconds of a process that are not counted steps
    loss: float = 0.0
    leak: float | None = None


def stage(shape: Shape, variant: str, steps: int, folder: Path) -> tuple[list[float], list[int], float]:
    """Seconds and tokens of each step of our worker, and its last loss."""
    rows = documents(shape, steps * shape.batch, prompts=variant == "sft")
    lay_out(rows, shape.length, folder / "rows")
    for name in ("events", "output", "kept"):
        (folder / name).mkdir()
    arguments = Train.model_validate(
        {
            "stage": "stage.benchmark",
            "length": shape.length,
            "batch": shape.batch,
            "optimizer": {"lr": LR, "weight_decay": 0.0, "clip": 1.0, "schedule": {"shape": "constant"}},
            "steps": steps,
            "label_smoothing": 0.0,
            "precision": "fp32",
            "seed": 0,
            "activation_checkpointing": False,
            "processes": 1,
            "deepspeed": {"zero_optimization": {"stage": 0}},
        }
    )
    job = TrainJob(
        arguments=arguments,
        model=folder.parent / "model",
        rows=folder / "rows",
        sources=("corpus.random",),
        kept=folder / "kept",
        output=folder / "output",
        events=folder / "events",
        executor=os.getpid(),
    )
    path = folder / "job.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    started = start(WORKER, path, 1)
    with (folder / "log").open("wb") as log:
        code = subprocess.run(  # noqa: S603 - our own worker
            command(started),
            env=environment(started),
            stdout=log,
            stderr=log,
            check=False,
        ).returncode
    if code:
        raise SystemExit((folder / "log").read_text("utf-8")[-3000:])
    events = [json.loads(line) for line in (folder / "events" / PROGRESS).read_text("utf-8").splitlines()]
    taken = [event for event in events if event["event"] == "step"]
    tokens = [now["tokens"] - before["tokens"] for before, now in zip([{"tokens": 0}, *taken], taken, strict=False)]
    seconds = [count / event["tokens_per_second"] for count, event in zip(tokens, taken, strict=True)]
    return seconds, tokens, float(taken[-1]["loss"])


def other(contender: Contender, shape: Shape, variant: str, steps: int, folder: Path) -> dict[str, Any]:
    """What a contender of `contenders.py` printed."""
    asked = {
        "contender": contender.kind,
        "micro": contender.micro,
        "shape": asdict(shape),
        "variant": variant,
        "steps": steps,
        "lr": LR,
        "folder": str(folder),
        "weights": str(folder.parent / "weights.pt"),
    }
    module = "benchmarks.training.contenders"
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", module, json.dumps(asked)],
        env=environment(start(module, folder, 1)),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"{contender}: {ran.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def once(contender: Contender, shape: Shape, variant: str, steps: int, found: Found, folder: Path) -> None:
    """One run of one contender, counted."""
    started = time.perf_counter()
    if contender.kind == "stage":
        seconds, tokens, found.loss = stage(shape, variant, steps, folder)
    else:
        result = other(contender, shape, variant, steps, folder)
        seconds, tokens, found.loss = result["seconds"], result["tokens"], result["loss"]
        found.leak = result["leak"]
    wall = time.perf_counter() - started
    counted = [count / second for count, second in zip(tokens[WARM:], seconds[WARM:], strict=True)]
    found.rates.append(statistics.median(counted))
    found.startup.append(wall - sum(seconds[WARM:]))


def contenders(shape: Shape, micro: list[int]) -> list[Contender]:
    """The stage first; TRL's isolated path with each of `micro`, the fastest of which is the one to compare with."""
    return [
        Contender("stage", shape.batch),
        Contender("bare", shape.batch),
        *(Contender("isolated", size) for size in micro),
        Contender("padded", PADDED),
        Contender("leaking", shape.batch),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--variants", nargs="+", choices=("cpt", "sft"), default=["cpt", "sft"])
    parser.add_argument("--micro", type=int, nargs="+", help="rows a pass of TRL's isolated path [1 2]")
    for name, value in (("hidden", 256), ("layers", 4), ("heads", 4), ("vocab", 8192), ("length", 512), ("batch", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked: Any = parser.parse_args()
    shape = Shape(**{name: getattr(asked, name) for name in Shape.__slots__})
    micro = asked.micro or ([1, 2] if shape.batch % 2 == 0 else [1])
    if any(shape.batch % size for size in micro):
        parser.error(f"a step of {shape.batch} rows is not a whole number of passes of each of {micro}")
    print(
        f"{heading('benchmarks.training.throughput')}\n\n{shape}, fp32; head {shape.head_share:.0%} of forward FLOPs\n"
    )
    print("| | contender | tokens/s | of stage | start-up, s | loss | leak |\n|---|---|---|---|---|---|---|")
    for variant in asked.variants:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            learner = model(shape)
            learner.save_pretrained(root / "model")
            torch.save(learner.state_dict(), root / "weights.pt")
            results = {contender: Found() for contender in contenders(shape, micro)}
            for number in range(asked.runs):
                for place, (contender, found) in enumerate(results.items()):
                    folder = root / f"{place}-{number}"
                    folder.mkdir()
                    once(contender, shape, variant, asked.steps, found, folder)
        ours = statistics.median(next(iter(results.values())).rates)
        for contender, found in results.items():
            cells = (
                variant,
                str(contender),
                spread(found.rates, 0),
                f"{statistics.median(found.rates) / ours:.2f}",
                f"{statistics.median(found.startup):.1f}",
                f"{found.loss:.3f}",
                "by mask" if found.leak is None else f"{found.leak:.0e}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
