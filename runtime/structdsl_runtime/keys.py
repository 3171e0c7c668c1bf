"""What a step would be under today's arguments, inputs and sources: its key.

The same function serves the executor, which looks the key up to skip a step, and the preview, which explains why a
key is not there. The operation enters as this machine settles it. Inputs enter by the digest of their content, so a
change upstream that yields the same rows stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from structdsl.identity import effective, fingerprint
from structdsl.plan import ReadFiles, ReadObjects, ReadTable, ReadTerms, Step
from structdsl_runtime.settled import settled
from structdsl_runtime.sources import Listing, Sources, digest
from structdsl_runtime.store import Consumed, Manifest

OF_FILES: Final = (ReadFiles, ReadObjects, ReadTable, ReadTerms)
"""Operations whose patterns are of files: a folder that one names outright is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """All that decides the data of a step; the key is its hash."""

    key: str
    arguments: dict[str, Any]
    guards: tuple[dict[str, Any], ...]
    inputs: dict[str, Consumed]
    listings: dict[str, Listing]  # glob -> files
    stamps: dict[str, Mapping[str, str]]  # glob -> the stamp of each file when it was listed

    @property
    def sources(self) -> dict[str, str]:
        return {pattern: digest(found) for pattern, found in self.listings.items()}


def identify(step: Step, digests: Mapping[str, str], sources: Sources) -> Identity:
    """The identity of a step, given the digest of each `address:output` that it reads."""
    inputs = {name: Consumed(ref=ref, digest=digests[ref]) for name, ref in step.inputs.items()}
    listings = {pattern: listing(step, pattern, sources) for pattern in step.sources}
    stamps = {pattern: sources.stamps(pattern) for pattern in step.sources}
    arguments, checked = decisive(step), guards(step)
    parts = {
        "op": step.operation.op,
        "version": step.operation.version,
        "arguments": arguments,
        "guards": checked,
        "inputs": {name: consumed.digest for name, consumed in inputs.items()},
        "sources": {pattern: digest(found) for pattern, found in listings.items()},
    }
    return Identity(
        key=fingerprint(parts), arguments=arguments, guards=checked, inputs=inputs, listings=listings, stamps=stamps
    )


def listing(step: Step, pattern: str, sources: Sources) -> Listing:
    """What one of the patterns of a step matches now; what reads files refuses folders, and nothing in them is read."""
    return sources.listing(pattern, folders=not isinstance(step.operation, OF_FILES))


def decisive(step: Step) -> dict[str, Any]:
    """The arguments that decide the data; operation and version stand beside them."""
    return {name: value for name, value in effective(settled(step.operation)).items() if name not in ("op", "version")}


def guards(step: Step) -> tuple[dict[str, Any], ...]:
    """What its guards ask, their code and SQL; a result under the key has passed them."""
    return tuple(effective(guard) for guard in step.guards)


def digests(manifest: Manifest) -> dict[str, str]:
    """`address:output` -> digest, of one result."""
    return {f"{manifest.address}:{name}": made.digest for name, made in manifest.outputs.items()}
