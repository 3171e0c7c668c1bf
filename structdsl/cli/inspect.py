"""`structdsl inspect`: every value of a block and where it came from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from structdsl.cli.common import Request, compile_spec, find_spec, format_option, spec_options, unknown
from structdsl.cli.sweep import single

if TYPE_CHECKING:
    from structdsl.resolve import Section
    from structdsl.unit import Unit


@click.command("inspect", short_help="Show the values of a block, and where each came from.")
@click.argument("address", required=False)
@spec_options
@format_option("text", "json", text="Text for people, or JSON for programs.")
def inspect_command(request: Request, address: str | None, format_: str) -> None:
    """Show the values of a block, such as stage.learn, each with where it came from.

    Without ADDRESS, all params and blocks. A value comes from the block itself, from what it extends, from the
    defaults of its file, or from the language.
    """
    from structdsl.resolve import parameters, section, shown  # noqa: PLC0415

    if address is not None and address.endswith(".adapt"):
        request, address = replace(request, spec=Path(address)), None
    unit, _ = compile_spec(find_spec(request), single(request, "inspect"))
    addresses = list(unit.blocks) if address is None else [_known(address, unit)]
    sections = {name: section(unit.blocks[name], unit) for name in addresses}
    if format_ == "json":
        found = {name: {"entries": _entries(each), "steps": _steps(name, unit)} for name, each in sections.items()}
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if address is not None:
        parts = [shown(sections[addresses[0]]), _listed(_steps(addresses[0], unit))]
    else:
        declared = "\n".join(line for lines in parameters(unit) for line in lines)
        parts = [declared, *(shown(each) for each in sections.values())]
    click.echo("\n\n".join(filter(None, parts)) or "no params and no blocks")


def _known(address: str, unit: Unit) -> str:
    """The address of a block, as it was given or as an import is written."""
    parts = address.split(".")
    imported = f"{parts[1]}.{parts[0]}_{parts[2]}" if len(parts) == 3 else address
    if imported in unit.blocks:
        return imported
    raise unknown("block", address, list(unit.blocks))


def _entries(section: Section) -> dict[str, Any]:
    from structdsl.resolve import Entry  # noqa: PLC0415

    return {
        entry.name if isinstance(entry, Entry) else entry.head: {"value": entry.value, "origin": entry.origin}
        if isinstance(entry, Entry)
        else _entries(entry)
        for entry in section.entries
    }


def _listed(steps: list[dict[str, str]]) -> str:
    """The steps of a block, each with what its result is kept under, and with how its work may be divided."""
    width = max((len(step["address"]) for step in steps), default=0)
    lines = [f"  {step['recipe'][:12]}  {step['address']:{width}}  {step['partition']}" for step in steps]
    return "\n".join(["steps: start of the recipe, address, how its work may be divided", *lines]) if lines else ""


def _steps(address: str, unit: Unit) -> list[dict[str, str]]:
    """The steps that a block becomes."""
    assert unit.plan is not None
    return [
        {
            "address": step.address,
            "op": step.operation.op,
            "recipe": step.recipe,
            "partition": "a view" if step.operation.op == "view" else str(step.partition),
        }
        for step in unit.plan.steps
        if step.address == address or step.address.startswith(f"{address}.")
    ]
