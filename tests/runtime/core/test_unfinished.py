"""What a step left unfinished: taken up under its key, told of under another, gone when the step is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.plan import CountTokens
from structdsl_runtime import unfinished
from structdsl_runtime.events import Event, Warned
from structdsl_runtime.executor import run
from structdsl_runtime.explain import preview
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.unfinished import State
from tests.runtime.core.toy_plan import OPERATIONS, count_tokens, plan

STEP = "corpus.x.count"


def stops(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    del arguments, inputs, outputs
    state = State(step=40, decides=dict(context.decides), bytes=0)
    unfinished.complete(unfinished.begin(context.kept), state, keep=1)
    raise Fault("E0805", "stopped")


def test_a_state_of_other_data_is_told_of_and_kept(root: Path, store: Path) -> None:
    run(plan(), root=root, store=store, operations={**OPERATIONS, "count_tokens": stops})
    (left,) = store.glob(f"unfinished/{STEP}/*")
    assert [state.step for _, state in unfinished.states(left)] == [40]

    (previewed,) = (entry for entry in preview(plan(), root=root, store=store) if entry.address == STEP)
    assert previewed.reasons == ("never run", "goes on from its checkpoint at step 40")
    seen: list[Event] = []
    run(plan(hidden=16), root=root, store=store, operations=OPERATIONS, observer=seen.append)
    (told,) = (event.message for event in seen if isinstance(event, Warned) and "checkpoint" in event.message)
    assert "at step 40 fits no more (`tokenizer` changed) and is not used" in told
    assert f"rm -r {left}" in told
    assert left.exists()

    def goes_on(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
        assert [state.step for _, state in unfinished.states(context.kept)] == [40]
        count_tokens(arguments, inputs, outputs, context)

    result = run(plan(), root=root, store=store, operations={**OPERATIONS, "count_tokens": goes_on})
    assert STEP in result.ran
    assert not (store / "unfinished" / STEP).exists()

    left.mkdir(parents=True)  # as of a run that was killed after the commit
    run(plan(), root=root, store=store, operations=OPERATIONS)
    assert not left.exists()


@pytest.mark.parametrize("keep", [1, 2])
def test_older_states_go_when_the_newer_is_whole(keep: int, tmp_path: Path) -> None:
    for step in (1, 2, 3):
        unfinished.complete(unfinished.begin(tmp_path), State(step=step, decides={}, bytes=0), keep)
    unfinished.begin(tmp_path)
    (tmp_path / "step-00000009").mkdir()  # without a word on what it is
    assert [state.step for _, state in unfinished.states(tmp_path)] == [1, 2, 3][-keep:]
