"""The values of two specs, block by block: what their authors changed, spelled as they spelled it.

Values are held against each other as they are read, after imports, `extends`, `defaults` and params, so another
spelling of the same value is no change, and a change in `defaults` shows at every block that takes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from structdsl.resolve import Entry, Section, section
from structdsl.unit import Declaration, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """An attribute and its two values as text of the language; none where a block says nothing of it."""

    name: str  # "budget", "deepspeed.zero", "rule outline.depth"
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChange:
    address: str  # "mixture.knowledge"; "param.budget" of a param
    sort: Literal["new", "retired", "changed"]
    values: tuple[ValueChange, ...] = ()


def changed_values(before: Unit | None, after: Unit | None) -> list[BlockChange]:
    """Blocks and params that came, went or say something else; none stands for a spec that is not there."""
    old, new = (dict(unit.blocks) if unit is not None else {} for unit in (before, after))
    changes = list(_parameters(before, after))
    for address in [*new, *(address for address in old if address not in new)]:
        if address not in old or address not in new:
            changes.append(BlockChange(address=address, sort="new" if address in new else "retired"))
            continue
        assert before is not None, "it has blocks"
        assert after is not None, "it has blocks"
        values = tuple(_block(old[address], new[address], before, after))
        if values:
            changes.append(BlockChange(address=address, sort="changed", values=values))
    return changes


def _parameters(before: Unit | None, after: Unit | None) -> Iterator[BlockChange]:
    old, new = (unit.parameters if unit is not None else {} for unit in (before, after))
    for name in dict.fromkeys([*new, *old]):
        if old.get(name) == new.get(name):
            continue
        sort: Literal["new", "retired", "changed"] = (
            "new" if name not in old else "retired" if name not in new else "changed"
        )
        values = (ValueChange(name="value", before=old.get(name), after=new.get(name)),) if sort == "changed" else ()
        yield BlockChange(address=f"param.{name}", sort=sort, values=values)


def _block(old: Declaration, new: Declaration, before: Unit, after: Unit) -> Iterator[ValueChange]:
    """Attributes that differ in value, and the description."""
    if old.variant != new.variant:
        yield ValueChange(name="variant", before=old.variant, after=new.variant)
    if old.block.doc != new.block.doc:
        yield ValueChange(name="##", before=old.block.doc or None, after=new.block.doc or None)
    if old.values == new.values:
        return
    texts = [dict(_entries(section(block, unit))) for block, unit in ((old, before), (new, after))]
    meant = [_meant(block) for block in (old, new)]
    for name in dict.fromkeys([*texts[1], *texts[0]]):
        head = name.partition(".")[0]
        if head in meant[0] and head in meant[1] and meant[0][head] == meant[1][head]:
            continue
        if texts[0].get(name) != texts[1].get(name):
            yield ValueChange(name=name, before=texts[0].get(name), after=texts[1].get(name))


def _meant(block: Declaration) -> dict[str, Any]:
    """The values of a block as they were read, by the names that a spec gives them."""
    fields = type(block.values).model_fields
    return {info.alias or name: getattr(block.values, name) for name, info in fields.items()}


def _entries(part: Section, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in part.entries:
        if isinstance(entry, Entry):
            yield f"{prefix}{entry.name}", entry.value
        else:
            yield from _entries(entry, f"{prefix}{entry.head.partition(':')[0]}.")
