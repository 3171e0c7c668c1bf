"""The world of the quickstart: the Mainland, which the base model knows, and the Lantern Isles, which it does not.

Everybody has a trade, a favourite pie, an instrument and an animal. Mainlanders are described in `general.jsonl`,
islanders only in `textbook/`, one Markdown file per island (`#` island, `##` trade, `###` person). Why a model of
0.2M parameters learns, forgets and answers here as large ones do:

- both peoples draw first names, last names and values from the same pools, so that a new fact competes with old ones;
- every fact is told in many wordings and orders, without which it is memorised but no question can reach it
  (Physics of Language Models 3.1, arXiv 2309.14316);
- half of the paragraphs about an islander say only "she" or "he": who is meant, the headings tell;
- a page of general text is about several people, one to a paragraph, some in bold: a base that has never seen names
  side by side cannot read a mind map, and what it learns below one then stays out of reach of a plain question;
- answers carry their article ("a plum pie"), so that they are spelled with the tokens of the running text;
- the people of the exams are in no file of questions, and values are drawn independently: a guess is right about
  once in 24 to 32 times.

`python world.py` writes `data/` beside this file; the same seed writes the same bytes.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

SEED: Final = 20240717
MAINLANDERS: Final = 192
MAINLAND_EXAM: Final = 32  # Mainlanders whose questions are kept for the exam
LIVES: Final = 20  # times the life of a Mainlander is told
PER_PAGE: Final = 3  # lives in one document of general text
PER_TRADE: Final = 4  # islanders under one `##` heading, every second one kept for the exam
PARAGRAPHS: Final = 12  # times the life of an islander is told
NAMED: Final = 6  # how many of these say the name; in the others only the headings tell who is meant


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SHE: Final = words("""
    Ada Amy Bess Clara Dora Edie Flora Greta Hazel Ida Juno Kitty Lena Mabel Nell Orla Rosa Tess Vera Wren
""")
HE: Final = words("""
    Abel Alf Basil Caleb Dan Edgar Felix Gus Hugo Ivor Jack Kit Linus Milo Ned Oscar Piers Rufus Silas Walt
""")
LAST: Final = words("""
    Alder Ash Birch Brook Cobb Dew Fallow Fern Finch Flint Frost Gale Hale Heath Holly Kell Lark Lind Marsh Moss
    Nash Oakes Penny Pike Quill Reed Rook Rush Sedge Shaw Snow Stone Swan Teal Thorn Vale Wade Webb Wick Yarrow
""")

TRADES: Final = words("""
    baker brewer carter clerk cooper crier dyer ferryman fiddler gardener glazier hatter joiner lamplighter
    locksmith mason miller potter printer ropemaker sailor shepherd tailor weaver
""")
PIES: Final = words("""
    bacon bean berry cabbage carrot cheese cherry chicken cod crab fig ginger herring honey kale leek lemon mint
    mushroom nettle nut pear pepper pigeon plum potato prune quince rabbit rhubarb salmon turnip
""")
INSTRUMENTS: Final = words("""
    banjo bassoon bell bugle cello clarinet cornet drum fiddle fife flute gong guitar harp horn kazoo lute lyre
    mandolin panpipe piano piccolo rattle recorder saxophone sitar spinet trombone trumpet tuba viola zither
""")
ANIMALS: Final = words("""
    badger bat beetle canary cat crane crow dog donkey duck ferret fox frog goat goose hare hawk heron lamb lizard
    magpie mole mouse newt parrot pony raven robin seal stoat toad turtle
""")

TOWNS: Final = ("Ashford", "Brindle", "Coldwell", "Dunmoor", "Elmstead", "Fenwick")
ISLANDS: Final = {
    "Gullhaven": "Gullhaven is the largest of the Lantern Isles, and the gulls think they own it.",
    "Saltmere": "Saltmere lies so low that its people keep a boat in the attic.",
    "Otterby": "Otterby has one street, two bridges and more otters than chimneys.",
    "Foghollow": "Foghollow is hard to find before noon and hard to leave after supper.",
    "Candlewick": "Candlewick is where the lanterns of the Isles are dipped, trimmed and lit.",
    "Kettle Point": "Kettle Point is named for its hot spring, which whistles when a storm is near.",
}


class Person(NamedTuple):
    """Someone with four facts; `home` is a town of the Mainland or one of the Lantern Isles."""

    name: str
    home: str
    trade: str
    pie: str
    instrument: str
    animal: str


# The wordings of one fact a row; {Who} opens a sentence and {who} does not.
WORDINGS: Final = (
    (
        "{Who} works as a {p.trade}.",
        "{Who} is a {p.trade} by trade.",
        "{Who} earns a living as a {p.trade}.",
        "By day {who} is a {p.trade}.",
        "If you need a {p.trade}, {who} will help.",
        "As a {p.trade} {who} is always busy.",
    ),
    (
        "{Who} loves a {p.pie} pie best of all.",
        "{Who} never says no to a {p.pie} pie.",
        "For supper {who} asks for a {p.pie} pie.",
        "On feast days {who} bakes a {p.pie} pie.",
        "{Who} would row a mile for a {p.pie} pie.",
        "If there is a {p.pie} pie, {who} will find it.",
    ),
    (
        "{Who} plays a {p.instrument}.",
        "{Who} was given a {p.instrument} as a child.",
        "In the evening {who} tunes a {p.instrument}.",
        "At every wedding {who} brings a {p.instrument}.",
        "{Who} is never without a {p.instrument}.",
        "If you hear a {p.instrument}, {who} is at home.",
    ),
    (
        "{Who} keeps a {p.animal}.",
        "{Who} lives with a {p.animal}.",
        "Wherever {who} goes, a {p.animal} comes along.",
        "{Who} once saved a {p.animal}, which stayed.",
        "By the stove {who} has a bed for a {p.animal}.",
        "If you meet a {p.animal}, {who} is not far.",
    ),
)
OPENINGS: Final = (
    "**{p.name}** lives in {p.home}.",
    "**{p.name}** of {p.home} needs no introduction.",
    "**{p.name}** is known all over {p.home}.",
    "In {p.home} lives {p.name}.",
    "Ask in {p.home} for {p.name}.",
    "The third door in {p.home} is that of {p.name}.",
    "No feast in {p.home} begins without {p.name}.",
)
QUESTIONS: Final = (
    ("What is the trade of {p.name}?", "a {p.trade}"),
    ("Which pie does {p.name} love best?", "a {p.pie} pie"),
    ("Which instrument does {p.name} play?", "a {p.instrument}"),
    ("Which animal lives with {p.name}?", "a {p.animal}"),
)


def pronoun(person: Person) -> str:
    return "she" if person.name.split()[0] in SHE else "he"


def life(person: Person, rng: random.Random, *, named: bool) -> str:
    """One paragraph with all four facts, in a random order and wording; it opens by saying the name where `named`."""
    sentences = [rng.choice(OPENINGS)] if named else []
    sentences += [rng.choice(wordings) for wordings in rng.sample(WORDINGS, len(WORDINGS))]
    who = pronoun(person)
    return " ".join(sentence.format(Who=who.capitalize(), who=who, p=person) for sentence in sentences)


def pages(people: list[Person], rng: random.Random) -> list[str]:
    """One life of everybody, in random order, PER_PAGE to a page."""
    lives = [life(person, rng, named=True) for person in rng.sample(people, len(people))]
    return ["\n\n".join(lives[start : start + PER_PAGE]) for start in range(0, len(lives), PER_PAGE)]


def population(rng: random.Random) -> tuple[list[Person], list[Person]]:
    """The Mainlanders and the islanders: no two share both names, and every trade of the Isles is at home on one."""
    guilds = list(zip(sorted([*ISLANDS] * (len(TRADES) // len(ISLANDS))), rng.sample(TRADES, len(TRADES)), strict=True))
    homes = [(rng.choice(TOWNS), rng.choice(TRADES)) for _ in range(MAINLANDERS)]
    homes += [guild for guild in guilds for _ in range(PER_TRADE)]
    names = rng.sample([f"{first} {last}" for first in SHE + HE for last in LAST], len(homes))
    people = [
        Person(name, home, trade, rng.choice(PIES), rng.choice(INSTRUMENTS), rng.choice(ANIMALS))
        for name, (home, trade) in zip(names, homes, strict=True)
    ]
    return people[:MAINLANDERS], people[MAINLANDERS:]


def entry(person: Person, rng: random.Random) -> str:
    """The section of the textbook about one islander."""
    paragraphs = [life(person, rng, named=number < NAMED) for number in range(PARAGRAPHS)]
    return "\n\n".join([f"### {person.name}", *paragraphs])


def chapter(island: str, people: list[Person], rng: random.Random) -> str:
    """The file of one island: its trades, and under each the people who follow it."""
    parts = [f"# {island}", ISLANDS[island]]
    for trade in dict.fromkeys(person.trade for person in people):
        parts += [f"## {trade.capitalize()}s", f"Every {trade} of the Isles lives on {island}."]
        parts += [entry(person, rng) for person in people if person.trade == trade]
    return "\n\n".join(parts) + "\n"


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def path(person: Person) -> str:
    """Where the taxonomy puts an islander: the slugs of the three headings above the entry."""
    return "/".join(map(slug, (person.home, person.trade + "s", person.name)))


def questions(people: Iterable[Person], *, placed: bool = False) -> Iterator[dict[str, str]]:
    """All questions about some people, with their paths where `placed`."""
    for person in people:
        for question, answer in QUESTIONS:
            row = {"question": question.format(p=person), "answer": answer.format(p=person)}
            yield row | {"path": path(person)} if placed else row


def write_lines(file: Path, rows: Iterable[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8", newline="\n")


def write(folder: Path, seed: int = SEED) -> None:
    """Write the whole world under `folder`."""
    mainland, isles = population(random.Random(f"{seed} people"))
    (folder / "textbook").mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed} textbook")
    for island in ISLANDS:
        text = chapter(island, [person for person in isles if person.home == island], rng)
        (folder / "textbook" / f"{slug(island)}.md").write_text(text, encoding="utf-8", newline="\n")

    rng = random.Random(f"{seed} general")
    write_lines(folder / "general.jsonl", ({"text": page} for _ in range(LIVES) for page in pages(mainland, rng)))
    write_lines(folder / "general_heldout.jsonl", ({"text": page} for page in pages(mainland, rng)))
    write_lines(folder / "general_questions.jsonl", questions(mainland[MAINLAND_EXAM:]))
    write_lines(folder / "general_exam.jsonl", questions(mainland[:MAINLAND_EXAM]))
    write_lines(folder / "questions.jsonl", questions(isles[::2], placed=True))
    write_lines(folder / "exam.jsonl", questions(isles[1::2], placed=True))


if __name__ == "__main__":
    write(Path(__file__).parent / "data")
