"""What is done to documents, chunks and rows."""

from __future__ import annotations

import glob
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from structdsl.identity import Effect
from structdsl.plan.addresses import database_of, folder_of
from structdsl.plan.operations.base import Arguments, Files, Hashed, Ordered, Partition, Role, Rows, Single


class Replacement(Arguments):
    """One kind of redaction: what is looked for, and what stands in its place."""

    what: Literal["email", "phone", "card", "ip", "regex"]
    pattern: str | None  # of `regex`
    put: str


class Normalisation(Arguments):
    """One form that texts are brought into."""

    what: Literal["unicode", "whitespace", "boilerplate"]
    form: Literal["nfc", "nfkc"] = "nfc"  # of `unicode`
    max_words: int = 0  # of `boilerplate`: of a line that leaves
    phrases: tuple[str, ...] = ()  # of `boilerplate`: such a line has one of them in it


class Reading(Arguments):
    """What every reader of a corpus is told, wherever the documents come from."""

    op: str
    version: int
    corpus: str
    role: Role
    columns: dict[str, str] = Field(default_factory=dict)  # our name -> the name in the source
    limit: int | None = None  # first N documents
    normalise: tuple[Normalisation, ...] = ()  # one after the other, and before `redact`
    redact: tuple[Replacement, ...] = ()  # one after the other, before anything is stored

    @property
    def division(self) -> Partition:
        """The first N documents are found in order."""
        return Single() if self.limit is not None else self.partition


class ReadFiles(Reading):
    """Files matching a glob, as documents: whole files and files of rows, each in the shape it has."""

    partition: ClassVar[Partition] = Files()

    op: Literal["read_files"] = "read_files"
    version: Literal[10] = 10
    pattern: str  # POSIX glob, relative to the folder of the spec unless absolute


class ReadObjects(Reading):
    """Objects of a store that match a glob, as documents: what `read_files` does on disk."""

    partition: ClassVar[Partition] = Files()

    op: Literal["read_objects"] = "read_objects"
    version: Literal[8] = 8
    pattern: str  # "s3://bucket/folder/*.md"


class ReadDataset(Reading):
    """A split of a dataset of the Hugging Face hub, or of one in a folder, as documents.

    Since version 3 the files of a folder lie in it, whatever its card names.
    """

    op: Literal["read_dataset"] = "read_dataset"
    version: Literal[4] = 4
    id: str  # a path, where it opens with `.`, `/` or `~` or is there below the folder of the spec
    name: str | None
    split: str
    revision: str | None  # none where the lock has to say it
    token: Annotated[str | None, Effect.COST] = None  # name of an environment variable

    @property
    def place(self) -> str | None:
        """The pattern of its files where it is a folder, which only a run can see: one of the Hub has none there."""
        folder = folder_of(self.id)
        if "://" in folder:
            return None
        return f"{glob.escape(folder)}/**" if glob.has_magic(folder) else folder


class ReadTable(Reading):
    """A table that is there already, a row a document."""

    partition: ClassVar[Partition] = Files()

    op: Literal["read_table"] = "read_table"
    version: Literal[6] = 6
    uri: str

    @property
    def place(self) -> str:
        """The pattern of its files, or the path of its database."""
        return database_of(self.uri) or self.uri

    @property
    def log(self) -> str:
        """The file beside a database with what was written to it last."""
        return f"{self.place}.wal"

    @property
    def is_of_database(self) -> bool:
        """Whether it is a table of a DuckDB file, called as what is behind the first `#`, and no files of rows."""
        return database_of(self.uri) is not None

    @property
    def division(self) -> Partition:
        """A table of a database is read from its first row to its last."""
        return Single() if self.is_of_database else super().division


class MeasureSignals(Arguments):
    """What the words and the lines of each document are like, in numbers; see `structdsl.signals`."""

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["measure_signals"] = "measure_signals"
    version: Literal[1] = 1
    signals: tuple[str, ...]  # names of columns, in the order of all


class IdentifyLanguage(Arguments):
    """The language of each document that does not say it, as a code of ISO 639."""

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["identify_language"] = "identify_language"
    version: Literal[1] = 1


class SplitConversations(Arguments):
    """Conversations of a query as documents: the last reply is the answer, what comes before it the question, both the
    text; rows without `messages` stay as they are.
    """

    op: Literal["split_conversations"] = "split_conversations"
    version: Literal[1] = 1


class SignDocuments(Arguments):
    """The MinHash signature of each document, over its runs of words."""

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["sign_documents"] = "sign_documents"
    version: Literal[2] = 2
    ngram: int  # words
    permutations: int  # numbers of a signature


class CompareDocuments(Arguments):
    """Pairs of documents with their Jaccard similarity: of all runs of words that one or both have, the share that
    both have.
    """

    op: Literal["compare_documents"] = "compare_documents"
    version: Literal[1] = 1
    ngram: int


class ClusterDocuments(Arguments):
    """Clusters of documents that pairs connect; the smallest id of each stays, unless another corpus has one of it."""

    op: Literal["cluster_documents"] = "cluster_documents"
    version: Literal[1] = 1
    method: Literal["minhash", "semantic"]
    threshold: float  # the least similarity that connects


class EmbedDocuments(Arguments):
    """The embedding of each document that has not left: the mean of a model's last hidden states, of length 1."""

    op: Literal["embed_documents"] = "embed_documents"
    version: Literal[1] = 1


class CompareEmbeddings(Arguments):
    """Pairs of documents whose embeddings are alike: the likest other of each, and what connects all that are."""

    op: Literal["compare_embeddings"] = "compare_embeddings"
    version: Literal[1] = 1
    above: float  # the least cosine similarity


class NumberLines(Arguments):
    """The lines of each document as numbers, each once; equal lines have equal numbers."""

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["number_lines"] = "number_lines"
    version: Literal[2] = 2


class DedupLines(Arguments):
    """Documents without the lines of a list, and what was cut out of them.

    Since version 3 it is said which bytes of the text left with each line.
    """

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["dedup_lines"] = "dedup_lines"
    version: Literal[3] = 3


class Decontaminate(Arguments):
    """What is left of chunks or rows when those that share n words with an exam item have gone, and the matches."""

    op: Literal["decontaminate"] = "decontaminate"
    version: Literal[1] = 1
    n: tuple[int, ...]  # words, one for each set of inputs
    against: tuple[tuple[str, ...], ...]  # names of inputs, one set for each of `n`
    roles: dict[str, Role]  # of the documents of each input: what of a row is asked, and what is answered


class MapPython(Arguments):
    """Rows of the inputs through a function of the user's."""

    op: Literal["map_python"] = "map_python"
    version: Literal[1] = 1
    corpus: str
    role: Role
    function: str  # "package.module:function"
    function_version: int


class Synthesise(Arguments):
    """Questions and answers along paths of a taxonomy."""

    op: Literal["synthesise"] = "synthesise"
    version: Literal[1] = 1
    corpus: str
    hops: tuple[tuple[int, int], ...]  # edges, and how many questions span so many
    seed: int


class CountTokens(Arguments):
    """Tokens of the text of each document."""

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["count_tokens"] = "count_tokens"
    version: Literal[1] = 1


class Query(Arguments):
    """One SELECT over the inputs, materialised."""

    op: Literal["query"] = "query"
    version: Literal[1] = 1
    sql: str
    split: Annotated[Rows | Hashed | Ordered | None, Effect.COST] = Field(default=None, discriminator="by")

    @property
    def division(self) -> Partition:
        return self.split or Single()


class Passes(Arguments):
    """Rows of a table that a view lets through one by one, whatever else it joins to them."""

    table: str  # an input of the view
    key: str  # the column that names a row
    others: tuple[str, ...]  # columns of the view that are not that table's own, unchanged


class View(Arguments):
    """One SELECT over the inputs that stays a view."""

    op: Literal["view"] = "view"
    version: Literal[1] = 1
    sql: str
    passes: Annotated[Passes | None, Effect.COST] = None


class Chunk(Arguments):
    """Documents cut at headings and paragraphs; outputs the chunks and the headings.

    Since version 3 a section within the cap is never cut, though its paragraphs one by one have more tokens than that.
    Since version 4 a title over a line of `=` or `-` is a heading.
    """

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["chunk"] = "chunk"
    version: Literal[5] = 5
    max_tokens: int


class ChunkTokens(Arguments):
    """Documents cut into windows of tokens; outputs the chunks and the headings.

    Since version 2 a title over a line of `=` or `-` is a heading.
    """

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["chunk_tokens"] = "chunk_tokens"
    version: Literal[3] = 3
    max_tokens: int
    overlap: int


class ChunkSections(Arguments):
    """Documents cut at headings alone; outputs the chunks and the headings.

    Since version 2 a section within the cap is never cut, though its paragraphs one by one have more tokens than that.
    Since version 3 a title over a line of `=` or `-` is a heading.
    """

    partition: ClassVar[Partition] = Rows(input="documents")

    op: Literal["chunk_sections"] = "chunk_sections"
    version: Literal[4] = 4
    max_tokens: int


class ReadTerms(Arguments):
    """The lines of a file, a term each."""

    op: Literal["read_terms"] = "read_terms"
    version: Literal[1] = 1
    path: str


class ReadStructure(Arguments):
    """Nodes and links that were made elsewhere, from files."""

    op: Literal["read_structure"] = "read_structure"
    version: Literal[1] = 1
    nodes: str | None
    links: str | None


class EmbedChunks(Arguments):
    """Chunks, and the path of the seed that each is nearest to."""

    op: Literal["embed_chunks"] = "embed_chunks"
    version: Literal[1] = 1
    seeds: str  # path of a file
    above: float  # cosine similarity


class Structurise(Arguments):
    """Chunks that a model reads, and the path that it gives each."""

    op: Literal["structurise"] = "structurise"
    version: Literal[1] = 1
    max_calls: int
    attempts: int
    depth: int


class GroupByCohesion(Arguments):
    """Neighbouring chunks that share their words, and the path of each group."""

    op: Literal["group_by_cohesion"] = "group_by_cohesion"
    version: Literal[1] = 1
    window: int
    depth: int
    invent_titles: bool


class ScoreRows(Arguments):
    """Rows, and how hard a model finds each: nats a token."""

    op: Literal["score_rows"] = "score_rows"
    version: Literal[1] = 1


class BuildOutline(Arguments):
    """The nodes of a taxonomy from the documents of its corpora, with their headings down to a level."""

    op: Literal["build_outline"] = "build_outline"
    version: Literal[2] = 2
    root: Literal["document", "corpus"]
    titles: tuple[tuple[str, str], ...]  # each corpus of `over`, in its order, and the title of its root


class Fixture(Arguments):
    """The rows that a test gives, in place of what a step would have made; other outputs are empty."""

    op: Literal["fixture"] = "fixture"
    version: Literal[2] = 2
    corpus: str | None = None  # whose documents they are: a column that is not given is as its reader would fill it
    role: Role | None = None
    whole: bool = False  # whether each document stands for a file, so that its first heading is its title
    extra: tuple[str, ...] = ()  # columns beyond those that the role promises
    rows: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)  # by output
    normalise: tuple[Normalisation, ...] = ()
    redact: tuple[Replacement, ...] = ()
