"""Token ids and rows of them: what is supervised, and that nothing is lost."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.plan import LayOut, Pack, Tokenise
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.lay_out import lay_out
from structdsl_runtime.operations.pack import pack
from structdsl_runtime.operations.tokenise import cuts, tokenise
from structdsl_runtime.text import packing, ragged, tokens
from structdsl_runtime.text.fits import METHODS
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


def packed(run: Workshop, tokens: pa.Table, method: Literal["best_fit", "none"] = "best_fit") -> pa.Table:
    layout = run(lay_out, LayOut(length=40, method=method), {"tokens": tokens})["layout"]
    return run(pack, Pack(length=40), {"layout": layout, "tokens": tokens})["packed"]


@pytest.mark.parametrize("length", [40, 64, 1000])
def test_supervised_tokens_are_the_response_and_its_end(
    run: Workshop, tokenizer: tokens.Tokenizer, length: int
) -> None:
    rows = tokenised(run, SAMPLES[::-1], length).to_pylist()
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


@given(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=9), length=st.integers(3, 50))
def test_cuts_leave_no_lone_token(sizes: list[int], length: int) -> None:
    number, begin = cuts(np.array(sizes), length)
    firsts = np.flatnonzero(number == 0)
    ends = np.cumsum(sizes)
    assert begin[firsts].tolist() == [0, *ends[:-1]]
    assert begin[-1] == ends[-1]
    for size, pieces in zip(sizes, np.split(np.diff(begin), firsts[1:]), strict=True):
        assert pieces.sum() == size
        assert pieces.max() <= length
        assert pieces.min() >= min(2, size)


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


@given(
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    runs=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 4)), max_size=4),
)
def test_lists_are_taken_in_any_order(sizes: list[int], runs: list[tuple[int, int]]) -> None:
    numbers = [number for first, count in runs for number in range(first, first + count) if number < len(sizes)]
    lists = ragged.of_lists([[10 * number + place for place in range(size)] for number, size in enumerate(sizes)])
    taken = lists.take(np.array(numbers, np.int64))
    kept = [found.tolist() for found in lists.lists()]
    assert [found.tolist() for found in taken.lists()] == [kept[number] for number in numbers]


def test_rows(run: Workshop, tokenizer: tokens.Tokenizer) -> None:
    table = tokenised(run, SAMPLES, 40)
    source = {(row["position"], row["piece"]): row for row in table.to_pylist()}
    whole = packed(run, table)
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert packed(run, shuffled).equals(whole)
    rows = whole.to_pylist()
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
    assert packed(run, table).num_rows == 0


def of(sizes: list[int]) -> packing.Pieces:
    return packing.numbered(np.array(sizes, np.int64))


@given(
    sizes=st.lists(st.integers(1, 16), max_size=packing.AHEAD * 8),
    method=st.sampled_from(sorted(METHODS)),
    cuts_=st.lists(st.integers(0, packing.AHEAD * 8), max_size=3),
)
def test_packing_loses_nothing_however_it_is_fed(sizes: list[int], method: str, cuts_: list[int]) -> None:
    whole = of(sizes)
    found = list(packing.windows([whole], 16, METHODS[method]))
    laid = [(window.pieces.position, window.row, window.start, window.pieces.size) for window in found]
    assert sorted(np.concatenate([[], *(position for position, *_ in laid)])) == list(range(len(sizes)))
    for position, row, start, size in laid:
        assert (np.diff(row) >= 0).all()
        for number in np.unique(row):
            there = row == number
            lengths = size[there]
            assert lengths.sum() <= 16
            assert start[there].tolist() == np.cumsum([0, *lengths[:-1]]).tolist()
        assert size.tolist() == whole.size[position].tolist()
    bounds = [0, *sorted(min(cut, len(sizes)) for cut in cuts_), len(sizes)]
    again = packing.windows([whole.take(slice(*pair)) for pair in pairwise(bounds)], 16, METHODS[method])
    assert [window.pieces.position.tolist() for window in again] == [position.tolist() for position, *_ in laid]
    if method == "none":
        assert [window.count for window in found] == [len(window.pieces) for window in found]
        assert np.concatenate([[], *(position for position, *_ in laid)]).tolist() == list(range(len(sizes)))
    elif len(found) == 1:  # no two rows could have been one
        used = np.bincount(laid[0][1], weights=laid[0][3])
        assert (used <= 8).sum() <= 1


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("best_fit", [[0, 3, 4], [1, 2, 5]]),
        ("first_fit", [[0, 1, 2, 3], [4], [5]]),
        ("first_fit_decreasing", [[1, 3, 4], [0, 2, 5]]),
        ("none", [[0], [1], [2], [3], [4], [5]]),
    ],
)
def test_what_goes_where(method: str, expected: list[list[int]]) -> None:
    (window,) = packing.windows([of([1, 1, 2, 4, 5, 7])], 10, METHODS[method])
    rows = [window.pieces.position[window.row == row].tolist() for row in range(window.count)]
    assert rows == expected


NATURAL = {
    "articles": np.random.default_rng(1).lognormal(6.4, 1.0, 16_000),
    "books": np.random.default_rng(2).lognormal(6.9, 1.2, 8_000),
    "chunks": np.clip(np.random.default_rng(3).lognormal(6.3, 0.6, 12_000), 2, 1024),
    "answers": np.random.default_rng(4).lognormal(5.0, 0.8, 30_000),
}


@pytest.mark.parametrize("method", ["best_fit", "first_fit_decreasing"])
@pytest.mark.parametrize("kind", sorted(NATURAL))
def test_rows_are_full_and_near_their_place(kind: str, method: str) -> None:
    _, begin = cuts(np.maximum(2, NATURAL[kind]).astype(np.int64), 4096)
    sizes = np.diff(begin)
    pieces = packing.numbered(sizes)
    tokens_before = np.cumsum(sizes) - sizes
    rows = 0
    for window in packing.windows([pieces], 4096, METHODS[method]):
        moved = (rows + window.row) * 4096 - tokens_before[window.pieces.position]
        assert np.abs(moved).max() <= 2 * packing.AHEAD * 4096
        rows += window.count
    assert sizes.sum() / (rows * 4096) >= 0.995


def test_a_row_for_each(run: Workshop) -> None:
    table = tokenised(run, SAMPLES, 40)
    rows = packed(run, table, "none").to_pylist()
    assert [row["segments"] for row in rows] == [
        [{"position": row["position"], "piece": row["piece"], "start": 0, "length": row["n_tokens"]}]
        for row in table.to_pylist()
    ]
    assert sum(row["n_supervised"] for row in rows) == sum(row["n_supervised"] for row in table.to_pylist())
