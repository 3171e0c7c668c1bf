"""How a kind of block is described: a pydantic model whose fields each carry their type in the language.

`Annotated[int, Count("tokens")]` says both: what Python value results and how the text is read. The description
of a field is its documentation.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from structdsl.schema.reader import Type


class Schema(BaseModel):
    """What the attributes of a block, or the arguments of a call, may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)

    @classmethod
    def attributes(cls) -> dict[str, FieldInfo]:
        """Attributes and their fields, nested blocks left out."""
        return {name: info for name, info in cls.model_fields.items() if not isinstance(info.metadata[-1], Nested)}

    @classmethod
    def nested(cls) -> dict[str, tuple[str, Nested]]:
        """Nested blocks by the word that opens them: field name and what may stand there."""
        return {
            info.metadata[-1].word: (name, info.metadata[-1])
            for name, info in cls.model_fields.items()
            if isinstance(info.metadata[-1], Nested)
        }


def type_of(info: FieldInfo) -> Type:
    """The type in the language that a field carries."""
    type_: Type = info.metadata[-1]
    return type_


class Nested:
    """Blocks inside a block: one unnamed (`deepspeed { … }`) or many named (`rule x: headings { … }`)."""

    def __init__(self, word: str, variants: dict[str | None, Any], *, many: bool) -> None:
        self.word = word
        self.variants = variants
        self.many = many
