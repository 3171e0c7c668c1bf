"""`corpus`: documents of one kind, where they come from and what they are for."""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from decimal import Decimal
from typing import Annotated, ClassVar
from typing import Literal as Exactly

from pydantic import Field

from structdsl.plan.operations import Role
from structdsl.schema.block import Schema
from structdsl.schema.chunking import CHUNKINGS, Chunking
from structdsl.schema.cleaning import (
    DEDUPLICATIONS,
    NORMALISATIONS,
    REDACTIONS,
    Deduplication,
    Ngrams,
    Normalisation,
    Quality,
    Redaction,
)
from structdsl.schema.containers import CallOf, MapOf, OneOf, OneOrMany
from structdsl.schema.reader import ERROR, Reader, Type
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Choice, Count, Integer, Literal, Predicate, Ratio, String
from structdsl.schema.tables import PROMISED_TABLES
from structdsl.schema.texts import DatasetName, PythonFunction, Query, Secret, SourcePattern
from structdsl.syntax.tree import Call, Expression, Keyword, Mapping, Reference, Sql

ROLES = ("domain", "replay", "instruction", "preference", "exam", "probe")
TABLES = tuple(dict.fromkeys(suffix for suffixes in PROMISED_TABLES.values() for suffix in suffixes))


class NoneOr:
    """What a type reads as one or many, or `none` for nothing of it."""

    def __init__(self, item: Type) -> None:
        self.item = OneOrMany(item)

    def read(self, value: Expression, at: Reader) -> object:
        """A tuple, empty for `none`."""
        return () if isinstance(value, Keyword) and value.text == "none" else self.item.read(value, at)

    def describe(self) -> str:
        return f"{self.item.describe()}, or `none`"


class Files(Schema):
    """`files("notes/*.md")`: texts whole, tables and JSON Lines row by row, from a folder or an object store."""

    pattern: Annotated[str, SourcePattern()] = Field(
        description="A glob, relative to the file that declares it; `**` crosses folders, `s3://…` names a bucket."
    )


class HfDataset(Schema):
    """`hf_dataset("HuggingFaceFW/fineweb-edu", split = "train")`: a dataset of the Hugging Face hub, or of a folder."""

    id: Annotated[str, DatasetName()] = Field(
        description="Owner and name, as the hub shows them; or a folder, where there is one of that name below the"
        " folder of the spec, or it opens with `.`, `/` or `~`."
    )
    name: Annotated[str | None, String(minimum=1)] = Field(
        default=None, description="The configuration, where there are several."
    )
    split: Annotated[str, String(minimum=1)] = Field(default="train", description="The split to read.")
    revision: Annotated[str | None, String(minimum=1)] = Field(
        default=None, description="A commit, tag or branch [what the lock file pins]."
    )
    token: Annotated[str | None, Secret()] = Field(default=None, description="The access token of a private dataset.")


class Table(Schema):
    """`table("warehouse/articles.parquet")`: a table that is there already, in files of rows or in a database."""

    uri: Annotated[str, SourcePattern(is_table=True)] = Field(
        description="A path or glob relative to the file that declares it, or a URI; `lake.duckdb#articles` is a table"
        " of a DuckDB file."
    )


class Hops:
    """How many edges of the taxonomy a question spans: a number, or the share of each number."""

    _shares = MapOf(Integer(minimum=1, maximum=8), OneOf(((Keyword, Literal("rest")), (object, Ratio()))), minimum=1)

    def read(self, value: Expression, at: Reader) -> object:
        """A map from hops to shares."""
        if isinstance(value, Mapping):
            return self._shares.read(value, at)
        hops = Integer(minimum=1, maximum=8).read(value, at)
        return ERROR if hops is ERROR else {hops: Decimal(1)}

    def describe(self) -> str:
        return "a whole number, or a map such as `{ 1: 70%, 2: rest }`"


class Documents(Schema):
    """What every corpus has: what may stay of its documents, and how they are cut."""

    title: Annotated[str | None, String()] = Field(
        default=None, description="The title of the whole, root of its taxonomy [its name]."
    )
    keep: Annotated[
        tuple[Sql | Quality, ...],
        OneOrMany(OneOf(((Sql, Predicate()), ((Call, Reference), CallOf({"quality": Quality}))))),
    ] = Field(
        default=(),
        description="A condition that a document must meet, as SQL or as a bundle such as `quality(gopher)`; with"
        " several, the first it fails is its reason.",
    )
    dedup: Annotated[tuple[Deduplication, ...], NoneOr(CallOf(DEDUPLICATIONS))] = Field(
        default=(), description="How documents that are there already are found; they leave, one of each kind stays."
    )
    decontaminate: Annotated[
        tuple[Ngrams, ...] | Exactly["none"] | None,
        OneOf(((Keyword, Literal("none")), (object, OneOrMany(CallOf({"ngrams": Ngrams}))))),
    ] = Field(
        default=None,
        description="How items of exams are found in what is trained on, which then leaves; `none` opts out.",
    )
    holdout: Annotated[Decimal | None, Ratio()] = Field(
        default=None, description="The share of documents that `corpus.<name>_heldout` takes away from training."
    )
    license: Annotated[str | None, String(minimum=1)] = Field(
        default=None, description="The terms of use, for the data card: `CC-BY-4.0`."
    )
    chunk: Annotated[Chunking | None, CallOf(CHUNKINGS)] = Field(
        default=None, description="How documents are cut for training [`paragraphs(max = 1024 tokens)`]."
    )
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where its documents are worked on [one process of this machine]."
    )

    @property
    def conditions(self) -> tuple[Sql, ...]:
        """The conditions of `keep` that are SQL."""
        return tuple(entry for entry in self.keep if isinstance(entry, Sql))


class Corpus(Documents):
    """Documents that are read from somewhere."""

    source: Annotated[Files | HfDataset | Table, CallOf({"files": Files, "hf_dataset": HfDataset, "table": Table})] = (
        Field(description="Where the documents are.")
    )
    role: Annotated[Role, Choice(ROLES)] = Field(
        description="What the documents are for: to learn, to rehearse, to answer, to prefer, or only to measure."
    )
    columns: Annotated[dict[str, str], MapOf(None, String())] = Field(
        default={}, description="Our name of a column and the name that it has in the source."
    )
    normalise: Annotated[tuple[Normalisation, ...], NoneOr(CallOf(NORMALISATIONS))] = Field(
        default=(), description="What every text is brought into the form of, before anything else sees it [line ends]."
    )
    redact: Annotated[tuple[Redaction, ...], NoneOr(CallOf(REDACTIONS))] = Field(
        default=(), description="What is replaced in every text, so that it is stored nowhere."
    )
    limit: Annotated[int | None, Count("docs")] = Field(default=None, description="Read the first N documents.")


class Synthetic(Documents):
    """Questions and answers written along paths of a taxonomy."""

    role: ClassVar[Role] = "instruction"
    columns: ClassVar[Mapping_[str, str]] = {}

    over: Annotated[str, RefTo(("taxonomy",))] = Field(description="The taxonomy whose paths the questions follow.")
    writer: Annotated[str | None, RefTo(("model",))] = Field(
        default=None, description="The model that writes them [templates filled from the text itself]."
    )
    hops: Annotated[dict[int, Decimal | Exactly["rest"]], Hops()] = Field(
        default={1: Decimal(1)},
        description="How many edges of the taxonomy a question spans; or shares, as in `{ 1: 70%, 2: rest }`.",
    )
    limit: Annotated[int, Count("docs")] = Field(description="How many are written.")


class Derived(Documents):
    """Documents made from what the spec has already: by a query, or by a function in Python."""

    columns: ClassVar[Mapping_[str, str]] = {}

    over: Annotated[
        tuple[str, ...], OneOrMany(RefTo(("corpus", "taxonomy", "mixture", "stage", "evaluation"), tables=TABLES))
    ] = Field(description="What it is made from: corpora, or other tables of the spec.")
    select: Annotated[Sql | None, Query()] = Field(
        default=None, description="One SELECT that yields the documents, with a `doc_id` and what the role needs."
    )
    python: Annotated[str | None, PythonFunction()] = Field(
        default=None,
        description="Instead of `select`: `package.module:function`, Arrow batch in, Arrow batch out.",
    )
    version: Annotated[int | None, Integer(minimum=1)] = Field(
        default=None, description="The version of that function: results are kept until it changes."
    )
    role: Annotated[Role, Choice(ROLES)] = Field(description="What the documents are for.")
