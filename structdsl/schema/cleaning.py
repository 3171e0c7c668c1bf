"""What is done to documents before they are used: filters, redaction, removal of duplicates and of exam items."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from structdsl.schema.block import Schema
from structdsl.schema.containers import ListOf
from structdsl.schema.references import RefTo
from structdsl.schema.scalars import Choice, Integer, Ratio, String
from structdsl.schema.texts import Pattern
from structdsl.signals import BUNDLES, SPLITTERS, Bundle, Splitter

MOST_BANDS: Final = 512


class Unicode(Schema):
    """`unicode`: one spelling of each character, and no characters that nobody sees."""

    form: Annotated[Literal["nfc", "nfkc"], Choice(("nfc", "nfkc"))] = Field(
        default="nfc", description="The normal form of Unicode; `nfkc` also makes `ﬁ` two letters and `²` a 2."
    )


class Whitespace(Schema):
    """`whitespace`: one kind of space, none at the end of a line, at most one blank line in a row."""


PHRASES = (
    "accept all cookies",
    "accept cookies",
    "all rights reserved",
    "cookie policy",
    "enable javascript",
    "privacy policy",
    "skip to content",
    "skip to main content",
    "subscribe to our newsletter",
    "terms of service",
    "terms of use",
    "this site uses cookies",
    "this website uses cookies",
    "we use cookies",
)


class Boilerplate(Schema):
    """`boilerplate(max_words = 12)`: short lines with a phrase of banners and menus in them leave the text."""

    max_words: Annotated[int, Integer(minimum=1, maximum=1000)] = Field(
        default=20, description="Words that a line has at most to be taken for boilerplate."
    )
    phrases: Annotated[tuple[str, ...], ListOf(String(minimum=1))] = Field(
        default=PHRASES, description="What stands in such a line, in capital letters or small ones."
    )


NORMALISATIONS = {"unicode": Unicode, "whitespace": Whitespace, "boilerplate": Boilerplate}

Normalisation = Unicode | Whitespace | Boilerplate


class Quality(Schema):
    """`quality(gopher, words = whitespace)`: a published bundle of rules about words and lines, under one name."""

    rules: Annotated[Bundle, Choice(BUNDLES)] = Field(
        description="Whose rules, with their published thresholds: `gopher` and `gopher_repetition` those of Gopher"
        " about quality and about repetition, `c4` those of C4 that drop a page, `fineweb` those that FineWeb adds."
    )
    words: Annotated[Splitter, Choice(SPLITTERS)] = Field(
        default="whitespace",
        description="How words are told apart: at white space, or by the Unicode rules; the counts depend on it.",
    )


class Email(Schema):
    """`email`: addresses of electronic mail."""

    with_: Annotated[str, String()] = Field(default="[email]", alias="with", description="What stands in its place.")


class Phone(Schema):
    """`phone`: telephone numbers in national and international notation."""

    with_: Annotated[str, String()] = Field(default="[phone]", alias="with", description="What stands in its place.")


class Card(Schema):
    """`card`: numbers of payment cards whose check digit is right."""

    with_: Annotated[str, String()] = Field(default="[card]", alias="with", description="What stands in its place.")


class Ip(Schema):
    """`ip`: addresses of the internet protocol, versions 4 and 6."""

    with_: Annotated[str, String()] = Field(default="[ip]", alias="with", description="What stands in its place.")


class Regex(Schema):
    r"""`regex(r"PT-\d{6}", with = "[patient]")`: what a pattern of your own finds."""

    pattern: Annotated[str, Pattern()] = Field(description="A regular expression of RE2, as DuckDB reads it.")
    with_: Annotated[str, String()] = Field(
        default="[removed]", alias="with", description="What stands in its place; `\\1` is the first group."
    )


REDACTIONS = {"email": Email, "phone": Phone, "card": Card, "ip": Ip, "regex": Regex}

Redaction = Email | Phone | Card | Ip | Regex


class Exact(Schema):
    """`exact`: documents with the same text; the one with the smallest `doc_id` stays."""

    against: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="Other corpora whose documents count as well, and stay."
    )


class Minhash(Schema):
    """`minhash(ngram = 5, threshold = 80%)`: documents that share most of their word n-grams.

    Words are runs of letters, marks and digits, in lower case; in scripts without spaces, characters.
    """

    ngram: Annotated[int, Integer(minimum=1, maximum=100)] = Field(default=5, description="Words in a shingle.")
    threshold: Annotated[Decimal, Ratio()] = Field(
        default=Decimal("0.8"),
        description="The least Jaccard similarity of two duplicates, which is verified.",
    )
    permutations: Annotated[int, Integer(minimum=8, maximum=4096)] = Field(
        default=112, description="Hashes in a signature."
    )
    bands: Annotated[int, Integer(minimum=1, maximum=MOST_BANDS)] = Field(
        default=16,
        description="Bands that a signature has; a pair that shares one is verified, so that more of them miss fewer.",
    )
    against: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="Other corpora whose documents count as well, and stay."
    )


class Lines(Schema):
    """`lines(at_least = 6)`: lines that many documents repeat are cut out of each, such as menus and notices."""

    at_least: Annotated[int, Integer(minimum=2)] = Field(
        default=6, description="In how many documents a line must stand to be taken for boilerplate."
    )
    against: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="Other corpora whose documents count as well, and stay as they are."
    )


class Semantic(Schema):
    """`semantic(model.encoder, above = 95%)`: documents whose embeddings are alike."""

    model: Annotated[str, RefTo(("model",))] = Field(description="The model that embeds.")
    above: Annotated[Decimal, Ratio()] = Field(
        default=Decimal("0.95"), description="The least cosine similarity of two duplicates."
    )
    against: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="Other corpora whose documents count as well, and stay."
    )


DEDUPLICATIONS = {"exact": Exact, "minhash": Minhash, "lines": Lines, "semantic": Semantic}

Deduplication = Exact | Minhash | Lines | Semantic


class Ngrams(Schema):
    """`ngrams(13, against = [corpus.exams])`: chunks that share a run of words with an item of an exam leave."""

    n: Annotated[int, Integer(minimum=1, maximum=1000)] = Field(
        default=13, description="Words of the question, or of question and answer across their join, that give it away."
    )
    against: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(
        default=(), description="What is held apart [every exam of the spec's evaluations, and every probe]."
    )
