"""What a string says, and where each of its characters stands in the file."""

from __future__ import annotations

import pytest

from structdsl.syntax import strings


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('""', ""),
        ('"a"', "a"),
        ('"é日"', "é日"),
        (r'"\"\\\n\t\r"', '"\\\n\t\r'),
        (r'"\u{41}\u{1F600}é"', "A😀é"),
        ('r"\\d\\"', "\\d\\"),
        ('""""""', ""),
        ('"""one line"""', "one line"),
        ('"""\n  a\n  b\n  """', "a\nb"),
        ('"""\n    a\n\n      b\n  """', "  a\n\n    b"),
        ('"""\na\n"""', "a"),
        ('"""\n a\n  """', "a"),
        ('"""a\n  b\n  """', "a\nb"),
        ('"""\n  a\n  b"""', "  a\n  b"),
        ('"""\n  a\\n\n  """', "a\\n"),
        ('"""\r\n  a\r\n  b\r\n  """', "a\nb"),
        ('"""\n\n"""', ""),
        ('"""\n"""', ""),
        ('r"""\n  é\n  """', "é"),
    ],
)
def test_read(literal: str, value: str) -> None:
    start = 7
    data = literal.encode()
    text = strings.read(data.decode("latin-1"), start)
    assert text.value == value
    assert text.raw is literal.startswith("r")
    assert (text.span.start, text.span.end) == (start, start + len(data))
    assert len(text.origins) == len(value) + 1
    assert list(text.origins) == sorted(text.origins)
    for character, origin in zip(value, text.origins, strict=False):
        there = data[origin - start :].decode()
        assert there.startswith((character, "\\", "\r\n" if character == "\n" else character)), (character, there)
