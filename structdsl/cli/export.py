"""`structdsl export`: a finished stage as a folder that others can load, serve and read about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from structdsl.cli.common import (
    EXIT_STEP,
    Place,
    Request,
    compile_spec,
    failure,
    find_spec,
    shown,
    spec_options,
    unknown,
)
from structdsl.cli.sweep import single

if TYPE_CHECKING:
    from structdsl.plan import Plan, Step
    from structdsl.unit import Unit
    from structdsl_runtime.export import Told
    from structdsl_runtime.store import Manifest


@click.command("export", short_help="Copy the model of a finished stage, with a card.")
@click.argument("address")
@spec_options
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write [export/<stage> beside the spec].")
@click.option("--adapter", is_flag=True, help="The low-rank updates alone, in place of the merged weights.")
def export_command(request: Request, address: str, out: Path | None, adapter: bool) -> None:  # noqa: FBT001 - a flag
    """Copy the model of a finished stage, such as stage.learn, to a folder that transformers loads.

    Beside the weights and the tokenizer stands a model card with the spec, the lock, a summary of the data and the
    scores of every evaluation of the stage.
    """
    if out is None and request.spec is not None and not request.spec.is_file() and request.spec.suffix != ".adapt":
        message = f"`{shown(request.spec)}` is no spec; name the folder to write with `--out {shown(request.spec)}`"
        raise click.UsageError(message)
    place = find_spec(request)
    unit, plan = compile_spec(place, single(request, "export"))
    step = _step(address, unit, plan)
    if adapter and "adapter" not in step.outputs:
        message = f"{address} trains all of its weights: there is no adapter to export"
        raise click.UsageError(message)
    results = _results(step, plan, place, request.style)
    from structdsl_runtime import export  # noqa: PLC0415 - brings DuckDB
    from structdsl_runtime.store import Store  # noqa: PLC0415

    folder = out if out is not None else place.root / "export" / address.removeprefix("stage.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"`{shown(folder)}` is not an empty folder; empty it, or name another with --out"
        raise click.UsageError(message)
    folder.mkdir(parents=True, exist_ok=True)
    write = export.write_adapter if adapter else export.write
    write(step, plan, results, Store(root=place.store.absolute()), folder, _told(address, unit, place.root, request))
    click.echo(f"{shown(folder)}: {'the adapter' if adapter else 'the model'} of {address}")
    click.echo("serve it:")
    served = f"vllm serve BASE --enable-lora --lora-modules {address}={shown(folder)}"
    for line in (served,) if adapter else (f"vllm serve {shown(folder)}", f"transformers serve {shown(folder)}"):
        click.echo(f"  {line}")


def _step(address: str, unit: Unit, plan: Plan) -> Step:
    """The step that makes the weights of a stage."""
    stages = [stage.address for stage in unit.of_kind("stage")]
    if address not in stages:
        raise unknown("stage", address, stages)
    return next(step for step in plan.steps if step.address in {f"{address}.train", f"{address}.merge", f"{address}"})


def _results(step: Step, plan: Plan, place: Place, style: str) -> dict[str, Manifest]:
    """The results that the plan leads to now; ends the process with E0806 where that of the stage is not among them."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415
    from structdsl_runtime.explain import preview  # noqa: PLC0415
    from structdsl_runtime.lock import StoreUnusable  # noqa: PLC0415

    try:
        previews = preview(plan, root=place.root, store=place.store)
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    results = {each.address: each.manifest for each in previews if each.action == "reuse" and each.manifest is not None}
    if step.address not in results:
        found = next(each for each in previews if each.address == step.address)
        stage = step.address.rpartition(".")[0]
        diagnostic = Diagnostic(
            code="E0806",
            message=f"`{stage}` has not been run as it stands",
            notes=found.reasons,
            helps=(f"`structdsl run --select {stage}` brings it up to date",),
        )
        raise failure([diagnostic], style, EXIT_STEP)
    return results


def _told(address: str, unit: Unit, root: Path, request: Request) -> Told:
    from structdsl.lineage import ancestry, data_of, mixed_corpora  # noqa: PLC0415
    from structdsl.resolve import resolved  # noqa: PLC0415
    from structdsl_runtime.export import Told  # noqa: PLC0415

    data = [
        unit.blocks[name]
        for stage in ancestry(unit.blocks[address], unit)
        if stage.kind == "stage" and (name := data_of(stage)) is not None
    ]
    corpora = [mixed_corpora(block, unit) if block.kind == "mixture" else (block.address,) for block in data]
    tables = {evaluation.address: evaluation.values.models[0] for evaluation in unit.of_kind("evaluation")}
    asked = [*(f"-p {each}" for each in request.params), *([f"--profile {request.profile}"] if request.profile else [])]
    return Told(
        stage=address,
        root=root,
        corpora=tuple(dict.fromkeys(name for names in corpora for name in names)),
        mixtures=tuple(dict.fromkeys(block.address for block in data if block.kind == "mixture")),
        beside={f"{name}_scores": model for name, model in tables.items()},
        spec=resolved(unit),
        lock=unit.lock_text,
        arguments=f"Compiled with `{' '.join(asked)}`.\n" if asked else "",
    )
