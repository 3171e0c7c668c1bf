"""Token ids and rows of them: what is supervised, and that nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.plan import Pack, Tokenise
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.pack import METHODS, OPEN, Piece, pack
from structdsl_runtime.operations.tokenise import cuts, tokenise
from structdsl_runtime.text import tokens
from structdsl_runtime.text.tokens import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.data.workshop import Table, Workshop

SAMPLES: Table = [
    {"position": n, "sample_id": f"s{n}", "kind": kind, "prompt": prompt, "response": response, "marks": None}
    for n, (kind, prompt, response) in enumerate(
        [
            ("chunk", "A map\n\n", "The text of a chunk."),
            ("plain", "", "Plain text, " * 30),
            ("question", "What is wet?\n", "Water"),
            ("recall", "Draw it.\n\n", "A\n├─ B\n│ └─ C"),
            ("plain", "", "x"),
        ]
    )
]


def tokenised(run: Workshop, samples: Table, length: int, folder: Path | None = None) -> pa.Table:
    return run(tokenise, Tokenise(length=length), {"samples": samples, "tokenizer": folder or run.tokenizer})["tokens"]


@pytest.mark.parametrize("length", [40, 64, 1000])
def test_supervised_tokens_are_the_response_and_its_end(
    run: Workshop, tokenizer: tokens.Tokenizer, length: int
) -> None:
    rows = tokenised(run, SAMPLES[::-1], length).to_pylist()
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    for sample in SAMPLES:
        pieces = [row for row in rows if row["position"] == sample["position"]]
        assert [row["piece"] for row in pieces] == list(range(len(pieces)))
        supervised = [number for row in pieces for number in row["input_ids"][row["n_prompt"] :]]
        assert tokenizer.decode(supervised) == sample["response"] + "<|endoftext|>"
        masked = [number for row in pieces for number in row["input_ids"][: row["n_prompt"]]]
        assert tokenizer.decode(masked) == sample["prompt"]
        for row in pieces:
            assert len(row["input_ids"]) == row["n_tokens"] <= length
            assert row["n_supervised"] == row["n_tokens"] - max(1, row["n_prompt"])
            assert row["n_supervised"] > 0
            assert row["mask_reason"] == ("prompt" if sample["prompt"] else None)


def test_what_is_too_long(run: Workshop) -> None:
    with pytest.raises(Fault) as caught:
        tokenised(run, [SAMPLES[0] | {"response": "word " * 200}], 64)
    assert caught.value.code == "E0710"
    assert "prompt" in caught.value.notes[0]


@given(size=st.integers(1, 200), length=st.integers(3, 50))
def test_cuts_leave_no_lone_token(size: int, length: int) -> None:
    bounds = cuts(size, length)
    sizes = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, size)
    assert sizes.max() <= length
    assert sizes.min() >= min(2, size)


def test_a_model_that_wants_a_beginning(run: Workshop, tmp_path: Path) -> None:
    plain = load(run.tokenizer)
    folder = tmp_path / "bos"
    folder.mkdir()
    for path in run.tokenizer.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    settings = folder / "tokenizer_config.json"
    token = plain.engine.id_to_token(300)
    settings.write_text(settings.read_text().replace("{", f'{{"add_bos_token": true, "bos_token": "{token}",', 1))
    assert load(folder).prefix == (300,)
    rows = tokenised(run, SAMPLES, 1000, folder).to_pylist()
    assert all(row["input_ids"][0] == 300 for row in rows)
    assert [row["n_prompt"] for row in rows if row["mask_reason"] is None] == [1, 1]


def test_rows(run: Workshop, tokenizer: tokens.Tokenizer) -> None:
    table = tokenised(run, SAMPLES, 40)
    source = {(row["position"], row["piece"]): row for row in table.to_pylist()}
    rows = run(pack, Pack(length=40, method="best_fit"), {"tokens": table})["packed"].to_pylist()
    assert [row["row"] for row in rows] == list(range(len(rows)))
    found = []
    for row in rows:
        end = 0
        for segment in row["segments"]:
            origin = source[segment["position"], segment["piece"]]
            assert segment["start"] == end
            end += segment["length"]
            assert row["input_ids"][segment["start"] : end] == origin["input_ids"]
            hidden = max(1, origin["n_prompt"])
            assert row["labels"][segment["start"] : end] == [-100] * hidden + origin["input_ids"][hidden:]
            found.append((segment["position"], segment["piece"]))
        assert len(row["input_ids"]) == len(row["labels"]) == 40
        assert set(row["input_ids"][end:]) <= {tokenizer.eos_id}
        assert set(row["labels"][end:]) <= {-100}
        assert row["density"] == end / 40
        assert row["n_supervised"] == sum(label != -100 for label in row["labels"]) > 0
    assert sorted(found) == sorted(source)
    assert sum(row["n_supervised"] for row in rows) == sum(row["n_supervised"] for row in source.values())


def test_nothing_to_pack(run: Workshop) -> None:
    table = tokenised(run, SAMPLES, 40).slice(0, 0)
    assert run(pack, Pack(length=40, method="best_fit"), {"tokens": table})["packed"].num_rows == 0


@given(sizes=st.lists(st.integers(1, 16), max_size=OPEN * 8), method=st.sampled_from(sorted(METHODS)))
def test_packing_loses_nothing(sizes: list[int], method: str) -> None:
    pieces = [Piece(position, 0, np.full(size, position, np.int32), 0) for position, size in enumerate(sizes)]
    rows = list(METHODS[method](iter(pieces), 16))
    assert [row.number for row in rows] == list(range(len(rows)))
    assert sorted(part.position for row in rows for part in row.pieces) == list(range(len(sizes)))
    assert all(sum(len(part.ids) for part in row.pieces) == 16 - row.room for row in rows)
    firsts = [row.pieces[0].position for row in rows]
    assert firsts == sorted(firsts)
    if method == "none":
        assert [len(row.pieces) for row in rows] == [1] * len(sizes)
    elif len(rows) <= OPEN:  # no two rows could have been one
        roomy = [row for row in rows if row.room >= 8]
        assert len(roomy) <= 1


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("best_fit", [[0, 4], [1, 3], [2, 5]]),
        ("first_fit", [[0, 3, 5], [1], [2], [4]]),
        ("none", [[0], [1], [2], [3], [4], [5]]),
    ],
)
def test_what_goes_where(method: str, expected: list[list[int]]) -> None:
    pieces = [Piece(position, 0, np.zeros(size, np.int32), 0) for position, size in enumerate([6, 9, 7, 1, 4, 3])]
    rows = list(METHODS[method](iter(pieces), 10))
    assert [[part.position for part in row.pieces] for row in rows] == expected


def test_a_row_for_each(run: Workshop) -> None:
    table = tokenised(run, SAMPLES, 40)
    rows = run(pack, Pack(length=40, method="none"), {"tokens": table})["packed"].to_pylist()
    assert [row["segments"] for row in rows] == [
        [{"position": row["position"], "piece": row["piece"], "start": 0, "length": row["n_tokens"]}]
        for row in table.to_pylist()
    ]
    assert sum(row["n_supervised"] for row in rows) == sum(row["n_supervised"] for row in table.to_pylist())
