"""The hash of a row: other values, another hash; however Arrow keeps them, the same."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.digest import NOTHING, sums
from structdsl_runtime.rowhash import hashes

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=4)
NUMBER = st.integers(-(2**31), 2**31 - 1)
LEAVES: tuple[tuple[pa.DataType, st.SearchStrategy[Any]], ...] = (
    (pa.string(), TEXT),
    (pa.binary(), st.binary(max_size=4)),
    (pa.int32(), NUMBER),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.date32(), st.dates()),
    (pa.decimal128(12, 2), st.decimals(-1000, 1000, places=2)),
)


def typed(depth: int) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    """A type, and values of it that may be NULL."""
    leaf = st.sampled_from(LEAVES)
    if not depth:
        return leaf.map(nullable)
    below = typed(depth - 1)
    return st.one_of(
        leaf.map(nullable),
        below.map(lambda one: nullable((pa.list_(one[0]), st.lists(one[1], max_size=3)))),
        st.tuples(below, below).map(
            lambda two: nullable(
                (
                    pa.struct([("x", two[0][0]), ("y", two[1][0])]),
                    st.fixed_dictionaries({"x": two[0][1], "y": two[1][1]}),
                )
            )
        ),
    )


def nullable(one: tuple[pa.DataType, st.SearchStrategy[Any]]) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    return one[0], st.none() | one[1]


def of(*columns: pa.Array[Any]) -> list[tuple[int, ...]]:
    """The hashes of rows, as pairs."""
    batch = pa.RecordBatch.from_arrays(list(columns), [str(number) for number in range(len(columns))])
    return [tuple(map(int, pair)) for pair in hashes(batch)]


@settings(max_examples=150)
@given(st.data())
def test_equal_rows_alone_are_equal(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(typed(2), min_size=1, max_size=3))
    rows = data.draw(st.lists(st.tuples(*(values for _, values in kinds)), min_size=2, max_size=6))
    columns: list[Any] = [
        pa.array([row[place] for row in rows], kind, from_pandas=False) for place, (kind, _) in enumerate(kinds)
    ]
    found, shown = of(*columns), list(zip(*(map(repr, column.to_pylist()) for column in columns), strict=True))
    for one, left in zip(found, shown, strict=True):
        for two, right in zip(found, shown, strict=True):
            assert (one == two) == (left == right), (left, right)
    cut = data.draw(st.integers(0, len(rows)))
    assert of(*(column[:cut] for column in columns)) + of(*(column[cut:] for column in columns)) == found


SAME: dict[str, tuple[Callable[[], pa.Array[Any]], Callable[[], pa.Array[Any]]]] = {
    "dictionary": (lambda: pa.array(["a", None, "a"]), lambda: pa.array(["a", None, "a"]).dictionary_encode()),
    "large text": (lambda: pa.array(["a", None]), lambda: pa.array(["a", None], pa.large_string())),
    "text view": (lambda: pa.array(["a", None]), lambda: pa.array(["a", None], pa.string_view())),
    "JSON": (
        lambda: pa.array(["{}", None]),
        lambda: pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(["{}", None])),
    ),
    "NaN": (
        lambda: pa.array([math.nan]),
        lambda: pa.array(np.frombuffer(struct.pack("<Q", 0xFFF8000000000001), "<f8")),
    ),
    "list of one size": (lambda: pa.array([[1, 2], None]), lambda: pa.array([[1, 2], None], pa.list_(pa.int64(), 2))),
    "map": (
        lambda: pa.array([[{"key": "a", "value": 1}], None]),
        lambda: pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    ),
    "what lies under a NULL": (
        lambda: pa.array([[1], None, [3]]),
        lambda: pa.ListArray.from_arrays([0, 1, 2, 3], pa.array([1, 2, 3]), mask=pa.array([False, True, False])),
    ),
    "a structure under a NULL": (
        lambda: pa.array([None], pa.struct([("x", pa.int64())])),
        lambda: pa.StructArray.from_arrays([pa.array([7])], ["x"], mask=pa.array([True])),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_however_arrow_keeps_it(case: str) -> None:
    one, two = SAME[case]
    assert of(one()) == of(two())


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([0.0], [-0.0]),
        ([[None, 0]], [[0, None]]),
        ([[0]], [[None]]),
        ([["a", "b"]], [["ab"]]),
        ([[[], [1]]], [[[1], []]]),
        ([Decimal("0.10")], [Decimal("0.20")]),
        ([dt.timedelta(1)], [dt.timedelta(2)]),
    ],
)
def test_what_differs_differs(left: list[Any], right: list[Any]) -> None:
    type_ = pa.array(left + right).type
    assert of(pa.array(left, type_)) != of(pa.array(right, type_))


def test_the_bytes_that_are_hashed() -> None:
    """One row spelt out: a change of the encoding is another digest of every table."""
    expected = b"\1" + struct.pack("<i", 5) + b"\1" + struct.pack("<q", 2) + b"\0" * 9 + "é".encode()
    number, text, none = pa.array([5], pa.int32()), pa.array(["é"]), pa.array([None], pa.string())
    assert of(number, text, none) == [divmod(xxhash.xxh3_128_intdigest(expected), 2**64)]


def test_sums_are_exact() -> None:
    batch = pa.RecordBatch.from_pydict({"n": list(range(1000))})
    pairs = hashes(batch).tolist()
    assert (sums(batch).upper, sums(batch).lower) == tuple(sum(half) for half in zip(*pairs, strict=True))
    assert sums(batch[:0]) == NOTHING
