"""`taxonomy`: the structure of a body of text; every chunk gets exactly one node of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from structdsl.schema.block import Nested, Schema
from structdsl.schema.chunking import CHUNKINGS, Chunking
from structdsl.schema.containers import CallOf, ListOf, Names, OneOf
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Boolean, Choice, Integer, Predicate, Ratio, String
from structdsl.schema.texts import NodePath, Pattern, Query, SourcePattern
from structdsl.syntax.tree import Call, Reference, Sequence, Sql


class File(Schema):
    """`file("terms.txt")`: a file beside the spec."""

    path: Annotated[str, SourcePattern()] = Field(description="Its path, relative to the file that declares it.")


class Headings(Schema):
    """`rule outline: headings { depth = 3 }`: the headings of the documents themselves."""

    depth: Annotated[int, Integer(minimum=1, maximum=6)] = Field(
        default=3, description="The deepest heading level that is a node."
    )


class Keywords(Schema):
    """`rule drugs: keywords { path = "pharmacology", terms = ["aspirin"] }`: chunks in which these words stand."""

    path: Annotated[str, NodePath()] = Field(description="The node of a chunk that has the words.")
    terms: Annotated[
        tuple[str, ...] | File,
        OneOf(((Sequence, ListOf(String(minimum=1))), ((Call, Reference), CallOf({"file": File})))),
    ] = Field(description="Words or phrases, found whole and whatever their case: a list, or a file with one a line.")
    at_least: Annotated[int, Integer(minimum=1)] = Field(
        default=1, description="How many different terms a chunk must have."
    )


class Regex(Schema):
    r"""`rule dosing: regex { path = "dosing", pattern = r"\d+ mg" }`: chunks in which a pattern is found."""

    path: Annotated[str, NodePath()] = Field(description="The node of a chunk that has a match.")
    pattern: Annotated[str, Pattern()] = Field(description="A regular expression of RE2, as DuckDB reads it.")
    at_least: Annotated[int, Integer(minimum=1)] = Field(
        default=1, description="How often the pattern must be found in a chunk."
    )


class SqlRule(Schema):
    """`rule short: sql { path = "notes", where = sql "n_tokens < 50" }`: chunks that a condition or a query chooses."""

    path: Annotated[str | None, NodePath()] = Field(default=None, description="The node of a chunk that meets `where`.")
    where: Annotated[Sql | None, Predicate()] = Field(
        default=None, description="A condition over the columns of a chunk."
    )
    select: Annotated[Sql | None, Query()] = Field(
        default=None,
        description="Instead of `path` and `where`: one SELECT with a `chunk_id` and a `path`, for many nodes at once.",
    )


class Embedding(Schema):
    """`rule near: embedding { model = model.encoder, seeds = file("seeds.jsonl") }`: the nearest of some examples."""

    model: Annotated[str, RefTo(("model",))] = Field(description="The model that embeds.")
    seeds: Annotated[File, CallOf({"file": File})] = Field(
        description="JSON Lines, each with a `path` and a `text` that belongs there."
    )
    above: Annotated[Decimal, Ratio()] = Field(
        default=Decimal("0.5"), description="The least cosine similarity for an answer."
    )


class Structurise(Schema):
    """`rule built: structurise { model = model.writer, max_calls = 50k }`: a model reads chunks and builds the tree."""

    model: Annotated[str, RefTo(("model",))] = Field(description="The model that is asked.")
    max_calls: Annotated[int, Integer(minimum=1)] = Field(
        description="The most calls it may cost; chunks beyond that stay for the rules below."
    )
    attempts: Annotated[int, Integer(minimum=1, maximum=10)] = Field(
        default=3, description="How often a chunk is asked about before it is left."
    )
    depth: Annotated[int, Integer(minimum=1, maximum=6)] = Field(
        default=3, description="The deepest level that it may add."
    )


class Given(Schema):
    """`rule known: given { nodes = file("icd.csv"), links = file("places.csv") }`: a structure made elsewhere."""

    nodes: Annotated[File | None, CallOf({"file": File})] = Field(
        default=None, description="CSV or JSON Lines with a `path`, and a `title` where it has one."
    )
    links: Annotated[File | None, CallOf({"file": File})] = Field(
        default=None, description="CSV or JSON Lines with a `path` and a `chunk_id`, or a `doc_id` for all its chunks."
    )


class Cohesion(Schema):
    """`rule rest: cohesion { }`: neighbouring chunks that share their words, without any model."""

    window: Annotated[int, Integer(minimum=1, maximum=64)] = Field(
        default=3, description="Chunks on either side of a border that are compared."
    )
    depth: Annotated[int, Integer(minimum=1, maximum=6)] = Field(
        default=2, description="The deepest level that it may add."
    )
    invent_titles: Annotated[bool, Boolean()] = Field(
        default=True, description="Whether a group is called by its most telling words, or by its number."
    )


RULES = {
    "headings": Headings,
    "keywords": Keywords,
    "regex": Regex,
    "sql": SqlRule,
    "embedding": Embedding,
    "structurise": Structurise,
    "given": Given,
    "cohesion": Cohesion,
}

Rule = Headings | Keywords | Regex | SqlRule | Embedding | Structurise | Given | Cohesion


class Taxonomy(Schema):
    """Nodes from rules; the first rule that answers for a chunk wins."""

    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(description="Corpora that it orders.")
    chunk: Annotated[Chunking | None, CallOf(CHUNKINGS)] = Field(
        default=None, description="How the corpora in `over` are cut [as each of them says]."
    )
    root: Annotated[Literal["document", "corpus"], Choice(("document", "corpus"))] = Field(
        default="document", description="A tree for each document, or one for the whole corpus."
    )
    levels: Annotated[tuple[str, ...], Names()] = Field(
        default=(), description="Names of the levels, outermost first: a column each of its links."
    )
    resolve: Annotated[Literal["first", "vote"], Choice(("first", "vote"))] = Field(
        default="first",
        description="Which rule decides where several answer: the first, or the node that most of them name.",
    )
    merge: Annotated[Literal["none", "by_path"], Choice(("none", "by_path"))] = Field(
        default="none", description="Whether equal paths of several trees become one node."
    )
    cluster: Annotated[str | None, RefTo(("cluster",))] = Field(
        default=None, description="Where its rules are asked [one process of this machine]."
    )
    rules: Annotated[dict[str, Rule], Nested("rule", dict(RULES), many=True)] = Field(
        default={}, description="Rules, in the order in which they are asked."
    )
