"""Values of tables in what JSON can say: times as ISO 8601, exact numbers as text, bytes as the text that they are."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any


def jsonable(value: Any) -> Any:
    """The value in types of JSON: what is no number is null, bytes that are no text are hexadecimal digits."""
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return _text(value)
        case list() | tuple():
            return [jsonable(item) for item in value]
        case dict():
            return {str(jsonable(name)): jsonable(item) for name, item in value.items()}
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
