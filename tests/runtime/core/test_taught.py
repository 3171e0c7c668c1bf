"""Which chat template and which datasets go with a model that is exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl_runtime.export import hub_datasets, taught_by
from tests.runtime.core.test_ability import plan_of

STAGES = """
stage talk: sft { from = stage.learn, data = corpus.asked, template = chatml, adapter = lora() }
stage plain: cpt { from = stage.talk, data = mixture.m }
stage soft: merge { base = stage.learn, tuned = stage.talk }
stage place: ssft { from = stage.talk, data = corpus.asked, structure = taxonomy.t, template = own }
stage more: sft { from = stage.soft, data = corpus.asked, template = own }
"""


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("stage.learn.train", None),
        ("stage.talk.train", "stage.talk.render"),
        ("stage.plain.train", "stage.talk.render"),
        ("stage.soft.merge", "stage.talk.render"),
        ("stage.place.train", "stage.place.render"),
        ("stage.more.train", "stage.more.render"),
    ],
)
def test_the_template_that_was_taught_last(step: str, expected: str | None) -> None:
    plan = plan_of(STAGES)
    found = taught_by(next(each for each in plan.steps if each.address == step), plan)
    assert (found.address if found is not None else None) == expected


def test_folders_are_no_datasets_of_the_hub(tmp_path: Path) -> None:
    tmp_path.joinpath("mine").mkdir()
    names = ("house/web", "mine", "./other")
    corpora = [f'corpus c{n} {{ source = hf_dataset("{name}"), role = probe }}' for n, name in enumerate(names)]
    assert hub_datasets(plan_of("\n".join(corpora)).steps, tmp_path) == ["house/web"]
