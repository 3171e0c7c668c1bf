"""Model FLOPs utilisation of plain steps on a GPU, and what LSSD adds, at 0.5B, 1.3B and 3B with random weights.

`python -m benchmarks.training.gpu` where there is a GPU; it refuses elsewhere. `--dry-run` goes through everything at a
tiny shape on whatever is there, for no figure's sake. bf16 weights and optimizer states, one device, no DeepSpeed: what
is measured is model, attention and loss. FLOPs of a step are three times those of the forward pass (`Shape`), head and
attention included, recomputation not; the peak is the device's dense bf16 rate. Online LSSD's extra forward pass is
work of its own: its MFU counts the student alone, the ratio to a plain step says what it costs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch
from transformers.utils.import_utils import is_flash_attn_2_available

from benchmarks.training.arms import Bench
from benchmarks.training.common import Shape, documents, heading, lay_out, model, spread

SHAPES: Final = {
    "0.5B": Shape(hidden=1024, layers=24, heads=16, vocab=131_072, length=4096, batch=4),
    "1.3B": Shape(hidden=2048, layers=20, heads=16, vocab=131_072, length=4096, batch=4),
    "3B": Shape(hidden=3072, layers=24, heads=24, vocab=131_072, length=4096, batch=2),
}
TINY: Final = {"tiny": Shape(hidden=32, layers=2, heads=2, vocab=512, length=64, batch=2)}
PEAK: Final = {
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
}  # dense bf16 FLOP/s of the SXM cards, NVIDIA's data sheets
HEADS: Final = ("size", "shape", "head", "arm", "seconds a step", "tokens/s", "MFU", "× plain", "peak")
ARMS: Final = ("ce", "lssd online", "lssd hidden", "trl gkd")


def measure(
    shape: Shape, rounds: int, arms: tuple[str, ...], device: torch.device
) -> dict[str, tuple[list[float], str]]:
    """Seconds of each round by arm, and what memory was at its peak; an arm that does not fit has no seconds."""
    attention = "flash_attention_2" if device.type == "cuda" and is_flash_attn_2_available() else "sdpa"
    with tempfile.TemporaryDirectory() as scratch:
        rows = lay_out(documents(shape, (rounds + 2) * shape.batch, prompts=False), shape.length, Path(scratch))
        with device:
            learner = model(shape, attention=attention).to(torch.bfloat16)
        bench = Bench(learner, rows, shape.batch, device)
        bench.keep(rounds + 2, Path(scratch) / "targets")
        found: dict[str, tuple[list[float], str]] = {}
        for arm in arms:
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            try:
                seconds = [timed(bench, arm, number, device) for number in range(rounds + 2)][2:]
            except torch.OutOfMemoryError:
                found[arm] = ([], "out of memory")
                bench.learner.zero_grad()
                continue
            peak = f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if device.type == "cuda" else "–"
            found[arm] = (seconds, peak)
    return found


def timed(bench: Bench, arm: str, number: int, device: torch.device) -> float:
    """Seconds of one step, the queue of the device drained before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    bench.step(arm, number)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def peak_rate(device: torch.device) -> float | None:
    """FLOP/s of the device, None where the table does not know it."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else ""
    return next((rate for card, rate in PEAK.items() if card in name), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--rounds", type=int, default=10)
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--no-trl", action="store_true", help="leave TRL's loss out, where trl is not installed")
    parser.add_argument("--dry-run", action="store_true")
    asked: Any = parser.parse_args()
    if not torch.cuda.is_available() and not asked.dry_run:
        raise SystemExit("there is no GPU here: nothing is measured (`--dry-run` shows that the code runs)")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arms = ARMS[:-1] if asked.no_trl else ARMS
    rate = peak_rate(device)
    print(f"{heading('benchmarks.training.gpu')}\n")
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for size, shape in (TINY if asked.dry_run else {name: SHAPES[name] for name in asked.sizes}).items():
        found = measure(shape, asked.rounds, arms, device)
        positions = shape.batch * shape.length
        for arm, (seconds, peak) in found.items():
            head = f"| {size} | {shape} | {shape.head_share:.0%} | {arm} |"
            if not seconds:
                print(f"{head} – | – | – | – | {peak} |", flush=True)
                continue
            middle, plain = statistics.median(seconds), found["ce"][0]
            mfu = f"{3 * shape.forward_flops * positions / middle / rate:.1%}" if rate else "–"
            ratio = f"{middle / statistics.median(plain):.2f}" if plain else "–"
            print(f"{head} {spread(seconds)} | {positions / middle:.0f} | {mfu} | {ratio} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
