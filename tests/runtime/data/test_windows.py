"""Chunks of the two other kinds: windows of tokens that no heading stops, and sections cut as evenly as can be."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.plan import ChunkSections, ChunkTokens
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.chunk_sections import chunk_sections
from structdsl_runtime.operations.chunk_tokens import chunk_tokens
from structdsl_runtime.text import tokens
from structdsl_runtime.text.chunking import chunk_documents, window_documents
from tests.runtime.data.plain_chunks import parts_of
from tests.runtime.data.test_chunk import DOCUMENTS, with_borders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.runtime.data.workshop import Workshop

TEXTS = st.lists(DOCUMENTS | st.text(max_size=90), min_size=1, max_size=3)
SHARES = st.sampled_from([0, 1, 2, 4])


def words(texts: Iterable[str]) -> list[int]:
    """Words for tokens."""
    return [len(text.split()) for text in texts]


@given(texts=TEXTS, cap=st.integers(4, 60), share=SHARES)
def test_windows_cover_the_text(tokenizer: tokens.Tokenizer, texts: list[str], cap: int, share: int) -> None:
    overlap = cap * share // 5
    made = parts_of(texts, window_documents, cap=cap, overlap=overlap, count=tokenizer.count_batch)
    for text, document in zip(texts, made, strict=True):
        data, parts = text.encode(), document.chunks
        assert all(data[part.start : part.end].decode() == part.text != "" for part in parts)
        assert all(part.tokens == tokenizer.count_batch([part.text])[0] <= cap for part in parts)
        assert [part.start for part in parts[:1]] == [0] * bool(text)
        assert [part.end for part in parts[-1:]] == [len(data)] * bool(text)
        for before, after in pairwise(parts):
            assert before.start < after.start <= before.end < after.end
            assert overlap or after.start == before.end


def test_windows_are_full_and_overlap_by_what_is_asked(tokenizer: tokens.Tokenizer, world: str) -> None:
    text = world * 5
    [plain] = parts_of([text], window_documents, cap=100, overlap=0, count=tokenizer.count_batch)
    [lapped] = parts_of([text], window_documents, cap=100, overlap=25, count=tokenizer.count_batch)
    assert min(part.tokens for part in plain.chunks[:-1]) > 90
    repeated = [text.encode()[b.start : a.end].decode() for a, b in pairwise(lapped.chunks)]
    counts = tokenizer.count_batch(repeated)
    assert 15 < sum(counts) / len(counts) < 27
    assert min(counts) > 5, counts
    assert max(counts) < 40, counts


def test_windows_of_a_script_without_spaces_are_full(tokenizer: tokens.Tokenizer) -> None:
    [made] = parts_of(["水と魚の世界" * 40], window_documents, cap=60, overlap=0, count=tokenizer.count_batch)
    assert min(part.tokens for part in made.chunks[:-1]) > 50


def test_a_window_is_below_the_heading_at_which_it_begins() -> None:
    text = "before\n\n# A\n\n## B\n\nfirst second third\n\n# C\n\nlast"
    [made] = parts_of([text], window_documents, cap=3, overlap=0, count=words)
    assert len(made.chunks) > 3
    for part in made.chunks:
        title = made.headings[part.heading].title if part.heading is not None else None
        assert title == (None if part.start < text.index("# A") else "B" if part.start < text.index("# C") else "C")


@given(text=DOCUMENTS, cap=st.integers(4, 60))
def test_sections_are_the_text(tokenizer: tokens.Tokenizer, text: str, cap: int) -> None:
    [made], [filled] = (
        parts_of([text], chunk_documents, cap=cap, count=tokenizer.count_batch, even=even) for even in (True, False)
    )
    assert "".join(part.text for part in made.chunks) == text
    assert all(part.text for part in made.chunks)
    assert all(part.tokens == tokenizer.count_batch([part.text])[0] <= cap for part in made.chunks)
    assert [part.heading for part in made.chunks] == [part.heading for part in filled.chunks] or len(filled.chunks) > 1
    assert made.headings == filled.headings


def test_a_section_that_is_too_long_is_cut_evenly() -> None:
    text = "# A\n\n" + "\n\n".join(["one two three."] * 9) + "\n\n# B\n\nwhole\n\nsection"
    sizes = {
        even: [part.tokens for part in parts_of([text], chunk_documents, cap=20, count=words, even=even)[0].chunks]
        for even in (True, False)
    }
    assert sizes == {False: [20, 9, 4], True: [14, 15, 4]}


def test_packing_evenly_ends_where_texts_have_more_tokens_than_their_parts() -> None:
    [made] = parts_of(["a b c d\n\ne f\n\ng h"], chunk_documents, cap=4, count=with_borders, even=True)
    assert [part.tokens for part in made.chunks] == [4, 2, 2]


def test_the_tables(run: Workshop, world: str) -> None:
    documents = [{"doc_id": "a", "corpus": "c", "text": world}, {"doc_id": "b", "corpus": "c", "text": ""}]
    for made in (
        run(chunk_tokens, ChunkTokens(max_tokens=50, overlap=10), {"documents": documents}),
        run(chunk_sections, ChunkSections(max_tokens=50), {"documents": documents}),
    ):
        chunks = made["chunks"].to_pylist()
        assert [row["chunk_id"] for row in chunks] == [f"c/a#{number:04d}" for number in range(len(chunks))]
        assert all(world.encode()[row["start_byte"] : row["end_byte"]].decode() == row["text"] for row in chunks)
        assert chunks[-1]["heading_path"][0] == "Fish keeping"
        assert made["headings"].num_rows == 6


def test_a_character_above_the_cap(tokenizer: tokens.Tokenizer) -> None:
    with pytest.raises(Fault) as caught:
        parts_of(["a 😀"], window_documents, cap=2, overlap=0, count=tokenizer.count_batch)
    assert caught.value.code == "E0710"
