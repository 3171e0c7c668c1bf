"""`structdsl lock`: write down what outside of a spec its results depend on, and tell when that has changed."""

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
    unwritable,
)
from structdsl.cli.sweep import single
from structdsl.counts import counted

if TYPE_CHECKING:
    from structdsl.cli.pins import Asking, Gathered
    from structdsl.diagnostics import Diagnostic
    from structdsl.lock import Lock
    from structdsl.plan import Plan

EXIT_STALE = 3
OFFLINE = "`structdsl lock --offline` keeps what an earlier lock says of repositories"


@click.command("lock")
@spec_options
@click.option("--check", is_flag=True, help="Write nothing; exit with 3 where the lock is stale or absent.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub; keep what the lock says of what is not cached.")
def lock_command(
    request: Request,
    check: bool,  # noqa: FBT001 - a flag of the command line
    offline: bool,  # noqa: FBT001 - the same
) -> None:
    """Pin sources, models and tokenizers in <spec>.adapt.lock.

    The lock belongs into version control; `structdsl run --locked` refuses to run on anything else than it says.
    """
    from structdsl.cli.pins import gather, remember  # noqa: PLC0415 - brings the runtime
    from structdsl.lock import BadLock, lock_path, read, write  # noqa: PLC0415

    place, style = find_spec(request), request.style
    path = lock_path(place.spec)
    _, plan = compile_spec(place, single(request, "lock"), locked=False)
    asking: Asking = "cache" if offline else "hub"
    if check:
        require_lock(plan, place, style, asking=asking, params=True)
        click.echo(f"{shown(path)} is current")
        return
    try:
        earlier = read(path.read_text(encoding="utf-8")) if offline and path.is_file() else None
    except (BadLock, UnicodeDecodeError):
        earlier = None  # it is about to be replaced
    gathered = gather(plan, root=place.root, store=place.store, earlier=earlier, asking=asking)
    if gathered.missing:
        click.echo("no lock was written, for it would have holes", err=True)
        raise failure([_unpinned(gathered)], style, EXIT_STEP)
    remember(gathered, root=place.root, store=place.store)
    for address in gathered.carried:
        click.echo(f"kept: {address} is pinned as before, for the Hub was not asked", err=True)
    text = write(gathered.lock)
    try:
        unchanged = path.is_file() and path.read_bytes() == text.encode()
        if not unchanged:
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise unwritable(path, error) from None
    click.echo(f"{shown(path)}: {counted(len(gathered.lock.pins), 'pin')}{', unchanged' if unchanged else ''}")


def require_lock(plan: Plan, place: Place, style: str, *, asking: Asking, params: bool) -> None:
    """End the process with exit code 3 where the lock of a spec is absent, or says something else than is found now."""
    from structdsl.cli.pins import gather, remember  # noqa: PLC0415 - brings the runtime
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415
    from structdsl.lock import changes, lock_path  # noqa: PLC0415

    path = lock_path(place.spec)
    helps = ("`structdsl lock` writes it",)
    if not path.exists():
        raise failure([Diagnostic(code="E0811", message=f"there is no `{path.name}`", helps=helps)], style, EXIT_STALE)
    earlier = _read(path, style)
    gathered = gather(plan, root=place.root, store=place.store, earlier=earlier, asking=asking)
    if gathered.unreached:
        raise failure([_unpinned(gathered)], style, EXIT_STEP)
    sources = remember(gathered, root=place.root, store=place.store)
    present = {address: pin for address, pin in earlier.pins.items() if address not in gathered.missing}
    found = [f"{address}: {why}" for address, why in gathered.missing.items()] + changes(
        earlier.model_copy(update={"pins": present}),
        gathered.lock,
        lambda key: gathered.listings.get(key) or sources.kept(key),
        params=params,
    )
    if found:
        message = f"`{path.name}` is stale"
        helps = ("run `structdsl lock` if these changes are meant",)
        raise failure([Diagnostic(code="E0811", message=message, notes=tuple(found), helps=helps)], style, EXIT_STALE)


def _read(path: Path, style: str) -> Lock:
    from structdsl.lock import BadLock, read  # noqa: PLC0415
    from structdsl.passes.read_lock import bad_lock  # noqa: PLC0415

    try:
        return read(path.read_bytes().decode())
    except OSError as error:
        message = f"`{shown(path)}` cannot be read: {(error.strerror or str(error)).lower()}"
        raise click.UsageError(message) from None
    except UnicodeDecodeError:
        raise failure([bad_lock(path, BadLock("it is not UTF-8"))], style, EXIT_STALE) from None
    except BadLock as error:
        raise failure([bad_lock(path, error)], style, EXIT_STALE) from None


def _unpinned(gathered: Gathered) -> Diagnostic:
    """E0812: what could not be pinned, and why."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

    total = len(gathered.missing) + len(gathered.lock.pins)
    return Diagnostic(
        code="E0812",
        message=f"{len(gathered.missing)} of {counted(total, 'source')} cannot be pinned",
        notes=tuple(f"{address}: {why}" for address, why in gathered.missing.items()),
        helps=(OFFLINE,) if gathered.unreached else (),
    )
