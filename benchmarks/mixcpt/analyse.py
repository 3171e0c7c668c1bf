"""The runs as a table, a plot of learning against retention, and each expectation held against them.

`python -m benchmarks.mixcpt.analyse` reads the store beside the spec and writes `results.md` and `results.png` here.

Everything is paired by base: an arm is compared with next token alone (or another arm) that started from the same
base and lived in the same world, and the differences of the seeds make the interval (95%, Student's t). One seed has
no interval, and none is shown. A seed whose base does not know the Vale counts for nothing, and that is said.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.mixcpt.expectations import EXPECTATIONS, Comparison, Expectation
from benchmarks.mixcpt.measures import Measured, read

HERE: Final = Path(__file__).parent
STUDENT: Final = (math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # 97.5%, by degrees
GATE: Final = {"sentences": 0.98, "questions": 0.95}
REFERENCE: Final = "ce"
SHOWN: Final = {
    "new_told": "new, told",
    "new_untold": "new, untold",
    "new_question": "new, asked",
    "new_nats": "new, nats",
    "kept_sentences": "kept, told",
    "kept_question": "kept, asked",
    "known_sentences": "known, told",
    "skill_list": "skill",
    "drift": "drift, nats",
}
Verdict = Literal["held", "undecided", "REFUTED"]
VERDICTS: Final[tuple[Verdict, ...]] = ("held", "undecided", "REFUTED")
NATS: Final = frozenset({"new_nats", "drift"})
FAMILIES: Final = {  # colour and marker of an arm in the plot
    "ce": ("tab:red", "o"),
    "ce_replay": ("tab:red", "s"),
    "kd": ("tab:blue", "o"),
    "kd_replay": ("tab:blue", "s"),
    "lssd": ("tab:green", "o"),
    "lssd_replay": ("tab:green", "s"),
    "interpolated": ("tab:purple", "D"),
    "half_rate": ("tab:brown", "v"),
    "smoothed": ("tab:orange", "^"),
    "equal_flops": ("tab:gray", "P"),
}


def margin(values: Sequence[float]) -> float:
    """Half the 95% interval of the mean of a few values; NaN for one."""
    if len(values) < 2:
        return math.nan
    return STUDENT[min(len(values) - 1, len(STUDENT) - 1)] * statistics.stdev(values) / math.sqrt(len(values))


def number(measure: str, value: float) -> str:
    return f"{value:.3f}" if measure in NATS else f"{100 * value:.1f}"


def signed(value: float, half: float) -> str:
    """A difference in points, with its interval where there is one."""
    interval = "" if math.isnan(half) else f" ({100 * (value - half):+.1f} … {100 * (value + half):+.1f})"
    return f"{100 * value:+.1f}{interval}"


def differences(measured: Measured, measure: str, arm: str, against: str) -> list[float]:
    """`arm` − `against`, a seed each."""
    pairs = zip(measured.of(measure, arm), measured.of(measure, against), strict=True)
    return [one - other for one, other in pairs]


def table(measured: Measured) -> str:
    """Means over the seeds, and what was kept and learnt more than by next token alone."""
    heads = ["arm", *SHOWN.values(), "Δ new sentences", "Δ kept sentences"]
    lines = [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|"]
    for arm in measured.arms:
        cells = [number(measure, statistics.fmean(measured.of(measure, arm))) for measure in SHOWN]
        for measure in ("new_sentences", "kept_sentences"):
            found = differences(measured, measure, arm, REFERENCE)
            cells.append("" if arm in {"base", REFERENCE} else signed(statistics.fmean(found), margin(found)))
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def judged(measured: Measured, comparison: Comparison) -> tuple[Verdict, str]:
    """Held where every seed is as expected, refuted where the mean is not, undecided between."""
    arm, against, measure = comparison.arm, comparison.against, comparison.measure
    found = differences(measured, measure, arm, against)
    mean, half = statistics.fmean(found), margin(found)
    held = [value > comparison.margin if comparison.more else value < comparison.margin for value in [*found, mean]]
    word: Verdict = "held" if all(held) else "undecided" if held[-1] else "REFUTED"
    shown = f"{mean:+.3f}" if measure in NATS else f"{signed(mean, half)} points"
    sign, least = ">" if comparison.more else "<", comparison.margin if measure in NATS else 100 * comparison.margin
    text = f"{measure.replace('_', ' ')}, {arm} − {against}: {shown}, expected {sign} {least:g}"
    return word, f"{text}; so in {sum(held[:-1])} of {len(found)} seeds"


def verdict(measured: Measured, expectation: Expectation) -> str:
    """The worst of its comparisons, which stand below it; *not run* where an arm is missing."""
    absent = sorted({arm for c in expectation.comparisons for arm in (c.arm, c.against)} - {*measured.arms})
    if absent:
        return f"- **not run** ({', '.join(absent)}): {expectation.text}"
    results = [judged(measured, comparison) for comparison in expectation.comparisons]
    word = max((word for word, _ in results), key=VERDICTS.index)
    return "\n".join([f"- **{word}**: {expectation.text}", *(f"  - {text}" for _, text in results)])


def gated(measured: Measured) -> Iterable[str]:
    """Takes away the seeds whose base failed the gate, and says so."""
    for seed, found in sorted(measured.gate.items()):
        shown = ", ".join(f"{task} {100 * value:.1f}" for task, value in sorted(found.items()))
        passed = all(found[task] >= least for task, least in GATE.items())
        if not passed:
            del measured.values[seed]
        yield f"- seed {seed}: {shown}" + ("" if passed else " — below the gate, left out")


def plot(measured: Measured, file: Path) -> None:
    """Learning against retention, sentences and questions; arms of several weights are joined by a line."""
    import matplotlib  # noqa: PLC0415, ICN001 - the table needs none

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
    for axis, form in zip(axes, ("sentences", "questions"), strict=True):
        base = 100 * statistics.fmean(measured.of(f"kept_{form}", "base"))
        axis.axhline(base, color="black", linewidth=0.8, linestyle="--", label="base")
        for family, (colour, marker) in FAMILIES.items():
            arms = [arm for arm in measured.arms if arm.partition("@")[0] == family]
            if not arms:
                continue
            points = [_point(measured, form, arm) for arm in arms]
            (x, x_half), (y, y_half) = (list(zip(*(point[side] for point in points), strict=True)) for side in (0, 1))
            replay = family.endswith("replay")
            axis.errorbar(
                *(x, y, y_half, x_half), fmt=marker + (":" if replay else "-"), color=colour, label=family,
                markersize=6, markerfacecolor="white" if replay else colour, linewidth=1, elinewidth=0.6, alpha=0.85,
            )  # fmt: skip
            place = {"xytext": (6, 4), "ha": "left"} if replay else {"xytext": (-6, -9), "ha": "right"}
            for arm, across, up in zip(arms, x, y, strict=True) if len(arms) > 1 else ():
                axis.annotate(
                    arm.partition("@")[2], (across, up), textcoords="offset points", fontsize=7, color=colour, **place
                )
        axis.set(xlabel=f"new {form} right, %", ylabel=f"kept {form} right, %", title=form.capitalize())
        axis.grid(alpha=0.3)
    axes[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    seeds, numbers = len(measured.seeds), "numbers: weight of the teacher, %; hollow: with replay"
    figure.suptitle(f"Learning and keeping; {seeds} seed{'s' if seeds > 1 else ''}; {numbers}", fontsize=11)
    figure.savefig(file, dpi=100)


def _point(measured: Measured, form: str, arm: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean and half interval of what was learnt and of what was kept, in percent."""
    sides: list[tuple[float, float]] = []
    for who in ("new", "kept"):
        values = [100 * value for value in measured.of(f"{who}_{form}", arm)]
        half = margin(values)
        sides.append((statistics.fmean(values), 0.0 if math.isnan(half) else half))
    return sides[0], sides[1]


def report(measured: Measured, title: str) -> str:
    """The whole of `results.md`."""
    gate = "\n".join(gated(measured))
    if not measured.values:
        raise SystemExit(f"no base passed the gate\n{gate}")
    verdicts = "\n".join(verdict(measured, expectation) for expectation in EXPECTATIONS)
    least = ", ".join(f"{task} {100 * value:g}" for task, value in GATE.items())
    return f"""\
<!-- Written by `python -m benchmarks.mixcpt.analyse`. -->

# {title}

Shares in percent, means over the seeds {measured.seeds}; Δ against next token alone (`{REFERENCE}`), paired by base,
in points, with its 95% interval. `@50`: the weight of the teacher, or of the base in an interpolation.

{table(measured)}

The bases on kept people, before anything new was read (gate: {least}):

{gate}

## What was expected
{verdicts}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=HERE / ".structdsl" / "mixcpt")
    parser.add_argument("--reduced", action="store_true", help="the runs of the reduced form")
    parser.add_argument("--into", type=Path, default=HERE, help="the folder to write to")
    asked: Any = parser.parse_args()
    name = "reduced" if asked.reduced else "results"
    text = report(
        measured := read(asked.store, hidden=64 if asked.reduced else 96),
        "Reduced form" if asked.reduced else "Results",
    )
    (asked.into / f"{name}.md").write_text(text, encoding="utf-8")
    plot(measured, asked.into / f"{name}.png")
    print(text)


if __name__ == "__main__":
    main()
