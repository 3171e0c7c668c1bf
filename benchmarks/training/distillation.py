"""What a step of LSSD costs against a plain one, and TRL's GKD loss on the same shapes.

`python -m benchmarks.training.distillation`. A step is forward, loss, backward, clip and AdamW, in fp32 on a CPU; the
arms take turns within each round, and a round's ratio is of neighbours in time. Theory: an online teacher adds a
forward pass, a third of a step (1.33); kept hidden states, read from disk as a stage reads them, leave the teacher's
head. The share of the head in the forward FLOPs is stated for each shape, since it decides what a cache can save.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.training.arms import ARMS, Bench
from benchmarks.training.common import Shape, documents, heading, lay_out, model, spread

SHAPES: Final = (
    Shape(hidden=384, layers=8, heads=6, vocab=4096, length=256, batch=4),
    Shape(hidden=512, layers=8, heads=8, vocab=8192, length=256, batch=4),
    Shape(hidden=256, layers=8, heads=4, vocab=16384, length=256, batch=4),
    Shape(hidden=256, layers=4, heads=4, vocab=32768, length=256, batch=4),
)
TINY: Final = (Shape(hidden=32, layers=2, heads=2, vocab=512, length=64, batch=2),)


def measure(shape: Shape, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each round by arm, behind one that warms up, and the last loss of each arm."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = lay_out(documents(shape, (rounds + 1) * shape.batch, prompts=False), shape.length, Path(scratch))
        bench = Bench(model(shape), rows, shape.batch, torch.device("cpu"))
        bench.keep(rounds + 1, Path(scratch) / "targets")
        seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
        losses: dict[str, float] = {}
        for number in range(rounds + 1):
            for arm in ARMS:
                started = time.perf_counter()
                losses[arm] = bench.step(arm, number)
                seconds[arm].append(time.perf_counter() - started)
    return {arm: found[1:] for arm, found in seconds.items()}, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--rounds", type=int, default=15)
    parser.add_argument("--tiny", action="store_true", help="a shape that only shows that it runs")
    asked: Any = parser.parse_args()
    print(f"{heading('benchmarks.training.distillation')}\n")
    print("| shape | head | arm | seconds | × plain | GKD takes × | loss |\n|---|---|---|---|---|---|---|")
    for shape in TINY if asked.tiny else SHAPES:
        seconds, losses = measure(shape, asked.rounds)
        for arm in ARMS:
            ratio = [one / plain for one, plain in zip(seconds[arm], seconds["ce"], strict=True)]
            gkd = statistics.median(other / one for one, other in zip(seconds[arm], seconds["trl gkd"], strict=True))
            cells = (shape, f"{shape.head_share:.0%}", arm, spread(seconds[arm]), spread(ratio, 2), f"{gkd:.2f}")
            print(f"| {' | '.join(map(str, cells))} | {losses[arm]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
