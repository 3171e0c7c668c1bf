"""The compiler, as one tuple of passes: each takes what is known of a spec so far and returns more of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from structdsl.diagnostics import Sink
from structdsl.lower import lower
from structdsl.passes.allow import allow, read_annotations
from structdsl.passes.analyze_sql import analyze_sql
from structdsl.passes.apply_defaults import apply_defaults
from structdsl.passes.apply_profile import apply_profile
from structdsl.passes.bind_params import bind_params
from structdsl.passes.check_data import check_data
from structdsl.passes.check_training import check_training
from structdsl.passes.check_types import check_types
from structdsl.passes.declare import declare
from structdsl.passes.inherit import inherit
from structdsl.passes.lint import lint
from structdsl.passes.load_imports import load_imports
from structdsl.passes.parse import parse
from structdsl.passes.read_lock import read_lock
from structdsl.plan import Plan
from structdsl.syntax.source import Source
from structdsl.unit import Unit, read_text

Pass = Callable[[Unit, Sink], Unit]

PASSES: tuple[Pass, ...] = (
    parse,
    read_lock,
    load_imports,
    read_annotations,
    apply_profile,
    bind_params,
    inherit,
    apply_defaults,
    declare,
    check_types,
    analyze_sql,
    check_data,
    check_training,
    lint,
    allow,
    lower,
)


def compile_text(
    text: str,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    *,
    profile: str | None = None,
    read: Callable[[Path], str] = read_text,
    environment: Mapping[str, str] | None = None,
) -> tuple[Plan | None, Sink]:
    """The plan of a spec, and all that there is to say about it; see `compile_unit`."""
    unit, sink = compile_unit(text, path, overrides, profile=profile, read=read, environment=environment)
    return unit.plan, sink


def compile_unit(
    text: str,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    *,
    profile: str | None = None,
    read: Callable[[Path], str] = read_text,
    environment: Mapping[str, str] | None = None,
    lock: str | None = None,
) -> tuple[Unit, Sink]:
    """All that is known of a spec after every pass, and all that there is to say about it.

    Parameters
    ----------
    text
        The spec.
    path
        Its path as messages shall show it; its stem is the name of the spec.
    overrides
        Values of params, as text of the language: `{"budget": "20M tokens"}`.
    profile
        The name of the profile to be laid over the spec.
    read
        How the text of an imported file is had; raises OSError or UnicodeDecodeError.
    environment
        What `env("…")` reads [the environment of the process].
    lock
        The text of the lock beside the spec, where there is one.

    Returns
    -------
    unit
        Its `plan` is none where the spec has errors.
    sink
        Every diagnostic, in the order of the text.

    """
    sink = Sink()
    unit = Unit(
        source=Source(path, text),
        overrides=overrides or {},
        profile=profile,
        read=read,
        environment=os.environ if environment is None else environment,
        lock_text=lock,
    )
    collecting = gc.isenabled()
    gc.disable()  # what a pass makes lives until the end; looking for garbage costs a fifth of a large compilation
    try:
        for step in PASSES:
            unit = step(unit, sink)
    finally:
        if collecting:
            gc.enable()
    return unit, sink
