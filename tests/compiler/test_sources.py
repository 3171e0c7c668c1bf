"""What is said of a source that is not what it looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.compile import compile_text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('files("**.md")', 'write `"**/*.md"`'),
        ('files("n/a**.md")', '`"n/a*/**/*.md"` for all below folders of such names, `"n/**/a*.md"` for such names in'),
        ('files("[**]a**.md")', 'write `"[**]a*/**/*.md"` for all below'),
        ('files("[**]**")', 'write `"[**]*/**"`'),
        ('files("a**b/**c")', "`*` is any part of one name"),
        (f'files("{"a**" * 99}b")', "`*` is any part of one name"),
        ('table("l**.duckdb#a**b")', 'write `"l*/**/*.duckdb#a**b"` for all below'),
        ('table("lake.duckdb#a**b")', None),
        (
            'files("file://server/n/*.md")',
            "`file:///server/n/*.md` is a path from the root of this machine, `server/n/*",
        ),
        ('files("file://n.md")', "`file:///n.md` is a path from the root of this machine, `n.md` one that is relative"),
        ('files("file://~/n/*.md")', "write `~/n/*.md`"),
        ('files("file://../n/*.md")', "write `../n/*.md`"),
        ('files("file://LOCALHOST/n/*.md")', None),
    ],
)
def test_a_source_that_is_not_what_it_looks_like(source: str, says: str | None) -> None:
    sink = compile_text(f"language 1\ncorpus a {{ source = {source}, role = domain }}\n", Path("s.adapt"))[1]
    helps = [help_ for diagnostic in sink if diagnostic.code == "E0303" for help_ in diagnostic.helps]
    if says is None:
        assert not helps
    else:
        (help_,) = helps
        assert says in help_
