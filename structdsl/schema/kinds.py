"""Every kind of block of edition 1, with its variants.

What is not built yet is named as well, so that it can be refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.schema.block import Schema
from structdsl.schema.cluster import Cluster
from structdsl.schema.corpus import Corpus
from structdsl.schema.evaluation import Evaluation
from structdsl.schema.mixture import Mixture
from structdsl.schema.model import Model
from structdsl.schema.project import Project
from structdsl.schema.stage import Cpt, Scpt, Sft, Ssft
from structdsl.schema.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of block; a kind without variants has the single variant `None`."""

    variants: dict[str | None, type[Schema]]
    planned: tuple[str, ...] = ()  # variants
    derived: tuple[str, ...] = ()  # suffixes of the tables that a block of this kind makes
    many: bool = True  # whether a spec may have several


KINDS: dict[str, Kind] = {
    "project": Kind(variants={None: Project}, many=False),
    "model": Kind(variants={None: Model}),
    "corpus": Kind(
        variants={None: Corpus},
        planned=("synthetic", "derived"),
        derived=(
            "read",
            "faults",
            "counts",
            "verdicts",
            "dropped",
            "chunks",
            "headings",
            "clusters",
            "matches",
            "heldout",
        ),
    ),
    "taxonomy": Kind(variants={None: Taxonomy}, derived=("nodes", "links", "titles", "attempts")),
    "mixture": Kind(variants={None: Mixture}, derived=("pool", "summary")),
    "cluster": Kind(variants={None: Cluster}),
    "stage": Kind(
        variants={"cpt": Cpt, "scpt": Scpt, "sft": Sft, "ssft": Ssft},
        planned=("dpo", "merge"),
        derived=("rows", "rendered", "tokens", "samples", "packed", "log", "loss", "checkpoints"),
    ),
    "evaluation": Kind(variants={None: Evaluation}, derived=("scores",)),
}

PLANNED_KINDS = ("check", "test", "defaults", "profile")

HINTS: dict[tuple[str, str], dict[str, str]] = {
    ("mixture", "budget"): {"docs": "`budget` counts tokens; a document cap is `limit` of the corpus"},
    ("corpus", "limit"): {"tokens": "`limit` counts documents; a token budget is `budget` of the mixture"},
}
"""(kind, attribute) -> unit -> help, where another unit shows what the user meant."""
