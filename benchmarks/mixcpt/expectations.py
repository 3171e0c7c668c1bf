"""What was expected, written down before the first run of the arms; `analyse.py` holds it against what came out.

They follow the identities of LSSD and the behaviour that its authors claim, not a look at the results: when this file
was written only the base and plain next-token training had been run, to choose sizes. It is not edited afterwards;
what is refuted stays and is printed as refuted.

An arm with a teacher, or an interpolation, is named with the teacher's weight in percent: `lssd@50`.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Measure = Literal["new_sentences", "new_questions", "kept_sentences", "kept_questions", "new_nats", "drift"]


class Comparison(NamedTuple):
    """`arm` − `against` of `measure` lies above `margin` where `more`, else below it."""

    measure: Measure
    arm: str
    more: bool
    against: str
    margin: float = 0.0


class Expectation(NamedTuple):
    text: str
    comparisons: tuple[Comparison, ...]


EXPECTATIONS: Final = (
    Expectation(
        "Next token alone forgets: kept sentences fall by more than 20 points",
        (Comparison("kept_sentences", "ce", more=False, against="base", margin=-0.20),),
    ),
    Expectation(
        "LSSD at 20% and 50% learns what next token learns (at most 5 points less) and keeps more",
        tuple(
            comparison
            for arm in ("lssd@20", "lssd@50")
            for comparison in (
                Comparison("new_sentences", arm, more=True, against="ce", margin=-0.05),
                Comparison("kept_sentences", arm, more=True, against="ce"),
                Comparison("kept_questions", arm, more=True, against="ce"),
            )
        ),
    ),
    Expectation(
        "The more weight, the more is kept",
        (
            Comparison("kept_sentences", "lssd@50", more=True, against="lssd@20"),
            Comparison("kept_sentences", "lssd@85", more=True, against="lssd@50"),
        ),
    ),
    Expectation(
        "Plain distillation learns less than LSSD at 50% and 85%: its teacher contradicts the new facts",
        (
            Comparison("new_sentences", "kd@50", more=False, against="lssd@50"),
            Comparison("new_sentences", "kd@85", more=False, against="lssd@85"),
        ),
    ),
    Expectation(
        "Replay of other old people keeps more than next token alone, and more than LSSD at 50% without replay",
        (
            Comparison("kept_sentences", "ce_replay", more=True, against="ce"),
            Comparison("kept_sentences", "ce_replay", more=True, against="lssd@50"),
        ),
    ),
    Expectation(
        "LSSD and replay add up: more is kept than with either",
        (
            Comparison("kept_sentences", "lssd_replay@50", more=True, against="lssd@50"),
            Comparison("kept_sentences", "lssd_replay@50", more=True, against="ce_replay"),
        ),
    ),
    Expectation(
        "LSSD is no smaller step: half the learning rate keeps less than LSSD at 50%",
        (Comparison("kept_sentences", "half_rate", more=False, against="lssd@50"),),
    ),
    Expectation(
        "LSSD is no label smoothing: that keeps at most 5 points more than next token",
        (Comparison("kept_sentences", "smoothed", more=False, against="ce", margin=0.05),),
    ),
    Expectation(
        "The teacher's share of the compute does not explain it: a third more of next token keeps no more",
        (Comparison("kept_sentences", "equal_flops", more=False, against="ce", margin=0.05),),
    ),
    Expectation(
        "An interpolation that keeps as much weight of the base learns less than LSSD at 50%",
        (Comparison("new_sentences", "interpolated@50", more=False, against="lssd@50"),),
    ),
    Expectation(
        "LSSD is less sure of what is new: more nats a token on new lives than next token",
        tuple(Comparison("new_nats", arm, more=True, against="ce") for arm in ("lssd@20", "lssd@50", "lssd@85")),
    ),
    Expectation(
        "LSSD stays nearer to the base on old text",
        tuple(Comparison("drift", arm, more=False, against="ce") for arm in ("lssd@20", "lssd@50", "lssd@85")),
    ),
)
