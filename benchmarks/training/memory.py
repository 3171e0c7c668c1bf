"""Peak memory of the loss at V = 128k against batch × length: chunk by chunk, and with whole logits.

`python -m benchmarks.training.memory` prints a table and writes `memory.png`, which it draws anew with each point. A
point is a process of its own: what is counted is how far the peak of its resident memory (loss and gradients, teacher
included) lies above what it held before, hidden states and head among it; a pass over a few tokens comes first, so that
libraries have what they want. Whole logits are measured up to `--most` GB and at a few points, since the line they lie
on is plain from these.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
VOCAB: Final = 131_072
HIDDEN: Final = 256
WHOLE_COPIES: Final = 7  # matrices of logits that the dense form holds at its peak, to leave out what does not fit
TOKENS: Final = {"chunked": (256, 1024, 4096, 8192), "dense": (256, 512, 1024, 2048)}


def point(form: str, tokens: int) -> float:
    """MiB of one point; runs in a process of its own."""
    import torch  # noqa: PLC0415 - the parent needs none

    from structdsl.plan.operations import Swap  # noqa: PLC0415
    from structdsl_runtime.training.chunked import chunked_loss  # noqa: PLC0415
    from structdsl_runtime.training.lssd import Recipe, token_losses  # noqa: PLC0415
    from structdsl_runtime.training.teacher import from_hidden  # noqa: PLC0415

    recipe = Recipe(weight=0.5, swap=Swap(where="always"))
    weight_VD = torch.randn(VOCAB, HIDDEN, requires_grad=True)
    weight_VD.grad = torch.zeros_like(weight_VD)

    def loss(count: int) -> None:
        hidden_ND, teacher_ND = torch.randn(count, HIDDEN, requires_grad=True), torch.randn(count, HIDDEN)
        target_N = torch.randint(VOCAB, (count,))
        if form == "chunked":
            teacher = from_hidden(teacher_ND, weight_VD, None)
            total, *_ = chunked_loss(hidden_ND, weight_VD, None, target_N, recipe=recipe, teacher=teacher)
        else:
            with torch.no_grad():
                teacher_NV = teacher_ND @ weight_VD.t()
            loss_N, *_ = token_losses(hidden_ND @ weight_VD.t(), teacher_NV, target_N, recipe)
            total = loss_N.sum()
        total.backward()  # type: ignore[no-untyped-call]

    loss(8)
    before = _mebibytes("VmRSS")
    loss(tokens)
    return _mebibytes("VmHWM") - before


def _mebibytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def ask(form: str, tokens: int) -> float:
    """The same in a fresh process."""
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.training.memory", "--point", json.dumps([form, tokens])],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"{form}, {tokens} tokens: exit code {ran.returncode}\n{ran.stderr[-2000:]}")
    return float(ran.stdout.splitlines()[-1])


def plot(found: dict[str, dict[int, float]], file: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - of the `bench` extra

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    for form, points in found.items():
        line, *_ = axis.plot(list(points), [value / 1024 for value in points.values()], "o-", label=form)
        for tokens, value in points.items():
            axis.annotate(
                f"{value / 1024:.2f}",
                (tokens, value / 1024),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=line.get_color(),
            )
    ticks = sorted({tokens for points in found.values() for tokens in points})
    axis.set(xscale="log", yscale="log", xlabel="tokens (batch × length)", ylabel="peak memory of the loss (GiB)")
    axis.set_xticks(ticks, [f"{tokens:,}" for tokens in ticks])
    axis.set_yticks([0.25, 0.5, 1, 2, 4, 8, 16], ["0.25", "0.5", "1", "2", "4", "8", "16"])
    axis.set_ylim(0.25, 16)
    axis.minorticks_off()
    axis.set_title(f"LSSD's loss and gradients, V = {VOCAB:,}, d = {HIDDEN}, 32 bits", fontsize=11)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="upper left")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=float, default=8.0, help="GB that whole logits may take")
    parser.add_argument("--into", type=Path, default=HERE)
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.point:
        print(point(*asked.point))
        return
    from benchmarks.training.common import heading  # noqa: PLC0415 - brings transformers

    print(f"{heading('benchmarks.training.memory')}\n\nV = {VOCAB:,}, d = {HIDDEN}, fp32; MiB above what was there\n")
    print("| form | tokens | MiB | seconds |\n|---|---:|---:|---:|")
    found: dict[str, dict[int, float]] = {}
    for form, sizes in TOKENS.items():
        for tokens in sizes:
            if form == "dense" and WHOLE_COPIES * tokens * VOCAB * 4 > asked.most * 1e9:
                print(f"| {form} | {tokens} | left out | |", flush=True)
                continue
            started = time.perf_counter()
            mebibytes = found.setdefault(form, {})[tokens] = ask(form, tokens)
            print(f"| {form} | {tokens} | {mebibytes:.0f} | {time.perf_counter() - started:.1f} |", flush=True)
            plot(found, asked.into / "memory.png")


if __name__ == "__main__":
    main()
