"""Every kind of block of edition 1, with its variants."""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.schema.block import Schema
from structdsl.schema.check import Distribution, Rows, Violations
from structdsl.schema.cluster import Cluster
from structdsl.schema.corpus import Corpus, Derived, Synthetic
from structdsl.schema.evaluation import Evaluation
from structdsl.schema.mixture import Mixture
from structdsl.schema.model import Model
from structdsl.schema.project import Project
from structdsl.schema.stage import Cpt, Dpo, Merge, Scpt, Sft, Ssft
from structdsl.schema.tables import INNER_TABLES, PROMISED_TABLES
from structdsl.schema.taxonomy import Taxonomy
from structdsl.schema.test import Test


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of block; a kind without variants has the single variant `None`."""

    variants: dict[str | None, type[Schema]]
    derived: tuple[str, ...] = ()  # suffixes of the tables that a block of this kind makes
    many: bool = True  # whether a spec may have several


KINDS: dict[str, Kind] = {
    "project": Kind(variants={None: Project}, many=False),
    "model": Kind(variants={None: Model}),
    "corpus": Kind(
        variants={None: Corpus, "read": Corpus, "synthetic": Synthetic, "derived": Derived},
        derived=PROMISED_TABLES["corpus"] + INNER_TABLES["corpus"],
    ),
    "taxonomy": Kind(variants={None: Taxonomy}, derived=PROMISED_TABLES["taxonomy"] + INNER_TABLES["taxonomy"]),
    "mixture": Kind(variants={None: Mixture}, derived=PROMISED_TABLES["mixture"] + INNER_TABLES["mixture"]),
    "cluster": Kind(variants={None: Cluster}),
    "stage": Kind(
        variants={"cpt": Cpt, "scpt": Scpt, "sft": Sft, "ssft": Ssft, "dpo": Dpo, "merge": Merge},
        derived=PROMISED_TABLES["stage"] + INNER_TABLES["stage"],
    ),
    "check": Kind(variants={"rows": Rows, "sql": Violations, "distribution": Distribution}),
    "test": Kind(variants={None: Test}),
    "evaluation": Kind(variants={None: Evaluation}, derived=PROMISED_TABLES["evaluation"] + INNER_TABLES["evaluation"]),
}

OVERLAYS = ("defaults", "profile")  # written like blocks, and gone once they are laid over blocks

_MEASURED = frozenset({"exam", "probe"})
_ROWS = frozenset({"instruction", "preference"})
USELESS: dict[tuple[str, str], frozenset[str | None]] = {
    ("corpus", "keep"): _MEASURED,
    ("corpus", "normalise"): _MEASURED,
    ("corpus", "redact"): _MEASURED,
    ("corpus", "dedup"): _MEASURED,
    ("corpus", "decontaminate"): _MEASURED,
    ("corpus", "holdout"): _MEASURED,
    ("corpus", "chunk"): _MEASURED | _ROWS,
    ("stage", "distill"): frozenset({"sft", "ssft", "dpo"}),
}
"""(kind, attribute) -> roles or variants whose blocks pass over it in `defaults`: what is only measured is left as it
is, and a teacher is heard over plain text alone."""

HINTS: dict[tuple[str, str], dict[str, str]] = {
    ("mixture", "budget"): {"docs": "`budget` counts tokens; a document cap is `limit` of the corpus"},
    ("corpus", "limit"): {"tokens": "`limit` counts documents; a token budget is `budget` of the mixture"},
}
"""(kind, attribute) -> unit -> help, where another unit shows what the user meant."""
