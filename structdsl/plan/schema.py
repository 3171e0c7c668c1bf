"""The JSON Schema of `plan.json`: what programs other than the runtime may rely on.

It is made from the models by `make docs` and kept beside them, so that a build copies it without making it again.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreSchema

from structdsl.plan.plan import Plan

PUBLISHED = Path(__file__).with_name("plan.schema.json")


class _Untitled(GenerateJsonSchema):
    """Without the titles of fields, which only repeat their names."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> dict[str, object]:
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - asked of every field
        return False


def generated() -> str:
    """The text of the schema as the models are now."""
    schema = Plan.model_json_schema(mode="serialization", schema_generator=_Untitled)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def published() -> str:
    """The text of the schema as it is kept."""
    return PUBLISHED.read_text(encoding="utf-8")
