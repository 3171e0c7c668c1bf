"""Real tokens a second of cpt and sft on a CPU, at equal isolation: a stage, TRL's `SFTTrainer`, a bare loop.

`python -m benchmarks.training.throughput` with the `bench` extra installed. Our stage runs through its real worker,
DeepSpeed included, and so pays for its log, its checks and its optimizer. All contenders start from the same weights,
read the same documents and run in turns, each in a process of its own; padding is no token. A step's figure is the
median over the steps behind the first few; start-up (imports, set-up, first steps) is apart. TRL's leaking path, in
which documents of a row see each other, is shown for what it is.
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

CONTENDERS: Final = ("stage", "bare", "trl isolated", "trl leaking")
WORKER: Final = "structdsl_runtime.training.worker"
LR: Final = 1e-4
WARM: Final = 3  # steps that are not counted


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


def contender(name: str, shape: Shape, variant: str, steps: int, folder: Path) -> dict[str, Any]:
    """What a contender of `contenders.py` printed."""
    asked = {
        "contender": name,
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
        raise SystemExit(f"{name}: {ran.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def once(name: str, shape: Shape, variant: str, steps: int, found: Found, folder: Path) -> None:
    """One run of one contender, counted."""
    started = time.perf_counter()
    if name == "stage":
        seconds, tokens, found.loss = stage(shape, variant, steps, folder)
    else:
        result = contender(name, shape, variant, steps, folder)
        seconds, tokens, found.loss = result["seconds"], result["tokens"], result["loss"]
        found.leak = result["leak"]
    wall = time.perf_counter() - started
    counted = [count / second for count, second in zip(tokens[WARM:], seconds[WARM:], strict=True)]
    found.rates.append(statistics.median(counted))
    found.startup.append(wall - sum(seconds[WARM:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--variants", nargs="+", choices=("cpt", "sft"), default=["cpt", "sft"])
    for name, value in (("hidden", 256), ("layers", 4), ("heads", 4), ("vocab", 8192), ("length", 512), ("batch", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked: Any = parser.parse_args()
    shape = Shape(**{name: getattr(asked, name) for name in Shape.__slots__})
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
            results = {name: Found() for name in CONTENDERS}
            for number in range(asked.runs):
                for name, found in results.items():
                    folder = root / f"{name}-{number}"
                    folder.mkdir()
                    once(name, shape, variant, asked.steps, found, folder)
        ours = statistics.median(results["stage"].rates)
        for name, found in results.items():
            share = statistics.median(found.rates) / ours
            seen = "by mask" if found.leak is None else f"{found.leak:.0e}"
            startup = statistics.median(found.startup)
            cells = (variant, name, spread(found.rates, 0), f"{share:.2f}", f"{startup:.1f}", f"{found.loss:.3f}", seen)
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
