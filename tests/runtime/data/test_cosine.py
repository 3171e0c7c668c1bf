"""Vectors that are alike: the pairs that are kept say as much as all pairs would."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.dedup import cosine
from structdsl_runtime.dedup.clusters import components

Floats = npt.NDArray[np.float32]


def unit(values: list[list[int]]) -> Floats:
    vectors = np.array(values, np.float32).reshape(len(values), 3)
    vectors[:, 2] += 20  # none is of length 0, and all point about the same way
    found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


rows = st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), max_size=25)


@settings(max_examples=200)
@given(rows, st.lists(rows, max_size=2), st.sampled_from([0.8, 0.95, 0.99, 1.0]))
def test_kept_pairs_say_what_all_pairs_say(own: list[list[int]], more: list[list[list[int]]], above: float) -> None:
    vectors, others = unit(own), [unit(each) for each in more]
    every = np.concatenate([vectors, *others]).astype(np.float64)
    cosines = np.round(every @ every.T, 6)
    cosines[np.arange(len(every)) >= len(own)] = -1  # others are not compared with one another
    np.fill_diagonal(cosines, -1)
    first, second = np.nonzero(cosines >= above)
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosine, "BLOCK", 4)
        found = list(cosine.alike(vectors, others, above, done.append))
    ones, anothers, similarity = (np.concatenate([part[end] for part in found] or [np.empty(0)]) for end in range(3))
    kept = ones.astype(np.int64), anothers.astype(np.int64)
    assert (components(len(every), kept[0], kept[1]) == components(len(every), first, second)).all()
    best = np.zeros(len(every))
    for end in kept:
        np.maximum.at(best, end, similarity)
    wanted = np.zeros(len(every))
    for end in (first, second):
        np.maximum.at(wanted, end, cosines[first, second])
    np.testing.assert_allclose(best, wanted, atol=2e-6)
    assert done == sorted(done)
    assert (done or [0])[-1] == len(own)


def test_a_crowd_is_told_in_few_pairs() -> None:
    crowd = unit([[1, 2, 3]] * 3000)
    assert sum(len(found[0]) for found in cosine.alike(crowd, [], 0.9, lambda _: None)) < 4 * len(crowd)
