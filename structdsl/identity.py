"""Canonical form and hashes: what makes two steps the same step.

A *recipe* is known at compile time: the hash of operation, version, canonical arguments, guards and the recipes of
the inputs. A *key* is known at run time: the same with the *digests* of the inputs in place of their recipes, so that
a change upstream which yields the same rows stops there. Guards enter because a result vouches for them: one that
became stricter has to be asked again. Labels (doc texts, owners) and placement (processes,
paths of this machine, worker counts) never enter; each field of the plan says which it is by its `Effect`.

An argument that is at the default of its field is left out, at whatever depth. So a field that a later version adds,
with a default that means what was done before, makes no result of an earlier version a stranger. Two rules follow:
the default of a field never changes its meaning (another default is another version of the operation), and a field
that tells the variants of a nested value apart has no default. `op` and `version` always enter.
"""

from __future__ import annotations

import enum
import hashlib
import json
from typing import Any

from pydantic import BaseModel

ALWAYS = ("op", "version")


class Effect(enum.Enum):
    """What a changed field does: yields other data, another cost, or another label."""

    DATA = "data"
    COST = "cost"
    LABEL = "label"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; the text that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(value: Any) -> str:
    """The first 128 bits of the SHA-256 of the canonical form, as 32 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def effective(part: BaseModel) -> dict[str, Any]:
    """What of an operation or a guard decides the data.

    Fields marked `Effect.COST` or `Effect.LABEL` are left out, and so are values at their default.
    """
    fields = type(part).model_fields
    said = part.model_dump(mode="json", exclude_defaults=True)
    always = part.model_dump(mode="json", include={name for name in ALWAYS if name in fields})
    return {
        name: value
        for name, value in {**always, **said}.items()
        if not any(mark in (Effect.COST, Effect.LABEL) for mark in fields[name].metadata)
    }
