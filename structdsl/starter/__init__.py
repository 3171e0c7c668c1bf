"""A first spec, made for what lies in a folder."""

from structdsl.starter.look import Found, Group, NothingFound, look
from structdsl.starter.write import identifier, starter

__all__ = ["Found", "Group", "NothingFound", "identifier", "look", "starter"]
