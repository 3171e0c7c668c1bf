r"""Turns of a conversation in the forms that data comes in, as turns of one form; and turns as plain text.

A turn has a `role`, one of system, user, assistant and tool, and a `content`, its text. In plain text a reply stands on
the line below what it replies to, and every other turn after a blank line (Mix-CPT: `q + "\n" + r`, turns joined by a
blank line). Nothing of a conversation is left out: what has no place in a turn makes the row unfit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from structdsl_runtime.text.normalise import normalise

Turn = dict[str, str]

ROLES: Final[Mapping[str, str]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""Names of speakers, those of OpenAI's messages and of ShareGPT, and the role that each has."""

REPLY: Final = "\n"
TURN: Final = "\n\n"


class UnfitError(Exception):
    """Why a row is no document."""

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence


def turns_of(value: object, name: str) -> list[Turn]:
    """The turns in a field, written as `role` and `content` or as `from` and `value`; raises `UnfitError`."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnfitError("wrong type", f"`{name}` is no list of turns: {json.dumps(value)[:80]}")
    if not value:
        raise UnfitError("empty", f"`{name}` has no turns")
    return [_turn(item, f"turn {number} of `{name}`") for number, item in enumerate(value, 1)]


def split(turns: Sequence[Turn], name: str) -> tuple[str, str]:
    """What comes before the last reply as plain text, and that reply; raises `UnfitError` where there is neither."""
    if turns[-1]["role"] != "assistant":
        raise UnfitError("no answer", f"`{name}` ends with a turn of the {turns[-1]['role']}")
    if not any(turn["role"] == "user" for turn in turns):
        raise UnfitError("no question", f"`{name}` has no turn of a user")
    return plain(turns[:-1]), turns[-1]["content"]


def plain(turns: Sequence[Turn]) -> str:
    """The turns as text, without the names of who speaks."""
    parts: list[str] = []
    for turn in turns:
        if parts:
            parts.append(REPLY if turn["role"] == "assistant" else TURN)
        parts.append(turn["content"])
    return "".join(parts)


def _turn(item: Mapping[str, Any], shown: str) -> Turn:
    speaker = item["role"] if "role" in item else item.get("from")
    role = ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise UnfitError("unknown role", f"{shown} is of the role {json.dumps(speaker)[:40]}")
    for name in ("tool_calls", "function_call"):
        if item.get(name):
            raise UnfitError("tool call", f"{shown} has `{name}`, which is no text")
    content = _content(item["content"] if "content" in item else item.get("value"), shown)
    if not content.strip():
        raise UnfitError("empty turn", f"{shown} has no text")
    return {"role": role, "content": content}


def _content(value: object, shown: str) -> str:
    """Text, or the texts of a list of parts one after the other."""
    if value is None:
        return ""
    if isinstance(value, list):
        texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value]
        if all(isinstance(text, str) for text in texts):
            return normalise("".join(str(text) for text in texts))
    if not isinstance(value, str):
        raise UnfitError("not text", f"{shown} is no text: {json.dumps(value)[:80]}")
    return normalise(value)
