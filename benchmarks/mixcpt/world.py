"""The world of the experiment: the Vale, which the base model knows, and the Fells, which it has never heard of.

Everybody has a craft, a pet, an instrument, a tree and a town, each one of 40 words. Three peoples:

- *known* valers (`A_tr`): told in lives and asked in questions while the base is made;
- *kept* valers (`A_ho`): told in lives while the base is made and then never again, by no mixture, replay included;
  what a later stage does to them is forgetting;
- *new* fellfolk (`B`): told in lives once the base is frozen; what is right about them was learnt.

Why a model of 0.4M parameters learns and forgets here as large ones do: all peoples draw first names, last names and
values from the same pools, so that new facts compete with old ones, and every fact is told in several wordings and
orders, without which it is memorised and no question reaches it (Physics of Language Models 3.1, arXiv 2309.14316).

A sentence breaks its line before the value, for an exam asks on a line of its own: the first line of such a sentence
is the cloze form of its fact. One wording of each fact is withheld from everything that is told of a person, and asked
all the same. So a fact is asked in three forms: `told` (a wording that was read of this person), `untold` (the
withheld one), `question`.

`python -m benchmarks.mixcpt.world --seed 1 --into world/1` writes the files; the same arguments write the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

Row = dict[str, Any]


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST: Final = words("""
    Alma Bram Cleo Dirk Elsa Finn Gwen Hans Iris Jory Kara Lars Mina Nils Olga Pell Rhea Sven Tilda Ulf
    Vida Wim Yrsa Zeno Anja Bo Cora Dov Enid Falk Gita Hal Ines Joss Kaja Leif Mara Nora Otto Runa
""")
LAST: Final = words("""
    Acre Beck Crag Dale Elder Fold Garth Holm Ing Kirk Leigh Mere Ness Orr Peak Rigg Scar Tarn Vane Wold
    Bank Clough Dyke Force Ghyll Haugh Keld Lund Moor Noble Pool Raine Skell Thwaite Wray Barrow Combe Fleet Hurst Shore
""")
CRAFTS: Final = words("""
    baker barber basketmaker binder bookkeeper brewer builder butcher candlemaker carver cobbler cook dairyman diver
    drover dyer falconer farrier fisher furrier gilder grocer herald hunter jeweller lacemaker mason miller minter
    painter piper ploughman potter saddler scribe smith tanner thatcher weaver wheelwright
""")
PETS: Final = words("""
    badger bat beaver bee bullfinch cat cricket crow deer dog dove duck falcon ferret fox frog goat goose hare hedgehog
    jackdaw kitten lamb lark lizard mole mouse newt owl parrot pigeon pony rabbit rat robin snail stoat toad trout vole
""")
INSTRUMENTS: Final = words("""
    bagpipe banjo bassoon bell bombard bugle cello chime clarinet clavichord cornet cymbal drum dulcimer fiddle fife
    flute gittern gong guitar harp horn lute lyre mandolin panpipe piano psaltery rattle rebec recorder shawm sitar
    tabor tambourine trombone trumpet tuba viola zither
""")
TREES: Final = words("""
    bay beech birch blackthorn box buckthorn cedar cherry chestnut crabapple cypress damson dogwood fig fir gorse
    hawthorn hazel holly hornbeam juniper larch laurel lime maple medlar mulberry pear pine plane plum poplar quince
    rowan spruce sycamore walnut willow wychelm yew
""")
TOWNS: Final = words("""
    Barnwick Beckford Brayton Burnham Caldwell Carlow Corby Danby Denholm Dunster Farley Felton Garsdale Gisburn Halton
    Hawes Helmsley Kendal Keswick Kirby Langdale Malton Marsden Masham Netherby Pickering Reeth Ripley Rosedale Saltburn
    Sedbergh Settle Skipton Stainmore Thirsk Tilbury Whitby Wensley Wooler Yarm
""")
FIELDS: Final = ("craft", "pet", "instrument", "tree", "town")
POOLS: Final = dict(zip(FIELDS, (CRAFTS, PETS, INSTRUMENTS, TREES, TOWNS), strict=True))

# Each ends where the value follows on a line of its own.
WORDINGS: Final = {
    "craft": (
        "{name} works as a",
        "{name} is by trade a",
        "{name} makes a living as a",
        "They know {name} as a",
        "By day {name} is a",
        "For pay {name} is a",
    ),
    "pet": (
        "{name} lives with a",
        "{name} looks after a",
        "{name} shares a roof with a",
        "At the heels of {name} goes a",
        "By the fire {name} feeds a",
        "The best friend of {name} is a",
    ),
    "instrument": (
        "{name} plays the",
        "{name} is good at the",
        "{name} brings to each feast the",
        "At night {name} takes up the",
        "As a child {name} was taught the",
        "The band has {name} at the",
    ),
    "tree": (
        "{name} has planted a",
        "{name} sits at noon below a",
        "{name} carves all spoons from the",
        "Before the house of {name} stands a",
        "On the shield of {name} is a",
        "The swing of {name} hangs from a",
    ),
    "town": (
        "{name} lives in",
        "{name} was born in",
        "{name} sells all goods in",
        "The road home leads {name} to",
        "You will meet {name} in",
        "Letters reach {name} in",
    ),
}
QUESTIONS: Final = {
    "craft": "What is the craft of {name}?",
    "pet": "Which pet does {name} have?",
    "instrument": "Which instrument does {name} play?",
    "tree": "Which tree does {name} own?",
    "town": "In which town is {name} at home?",
}
CHAT: Final = "Guest: {question}\nHost:"
LISTED: Final = words("""
    ant ash bun cap cup den elm fan fin gem hat hay ink ivy jam jar key kite lid log mat mug nut oar oat pan peg pin
    pot rag rim rod rug saw sap tin tub urn van wax
""")
GATES: Final = {"sentences": "kept/told", "questions": "kept/question"}  # what a base must know


class Person(NamedTuple):
    """Someone with five facts; `withheld` is the number of the wording of each that nobody tells."""

    name: str
    facts: dict[str, str]
    withheld: dict[str, int]


class Size(NamedTuple):
    """How large a world is."""

    known: int = 150  # A_tr
    kept: int = 100  # A_ho
    new: int = 100  # B
    old_lives: int = 40  # times the life of a valer is told
    new_lives: int = 8  # times that of one of the fellfolk
    lists: int = 6000  # rows of the skill
    list_exam: int = 200


REDUCED: Final = Size(known=90, kept=60, new=60)


def population(rng: random.Random, size: Size) -> tuple[list[Person], list[Person], list[Person]]:
    """Known, kept and new people; no two share both names."""
    count = size.known + size.kept + size.new
    names = rng.sample([f"{first} {last}" for first in FIRST for last in LAST], count)
    people = [
        Person(
            name,
            {field: rng.choice(POOLS[field]) for field in FIELDS},
            {field: rng.randrange(len(WORDINGS[field])) for field in FIELDS},
        )
        for name in names
    ]
    return people[: size.known], people[size.known : size.known + size.kept], people[size.known + size.kept :]


def life(person: Person, rng: random.Random) -> str:
    """All five facts of a person, in a random order, each in a random wording that is not withheld."""
    sentences = []
    for field in rng.sample(FIELDS, len(FIELDS)):
        told = [text for number, text in enumerate(WORDINGS[field]) if number != person.withheld[field]]
        sentences.append(f"{rng.choice(told).format(name=person.name)}\n{person.facts[field]}.")
    return "\n".join(sentences)


def lives(people: Sequence[Person], times: int, rng: random.Random) -> Iterator[Row]:
    for _ in range(times):
        yield from ({"text": life(person, rng)} for person in people)


def asked(people: Iterable[Person]) -> Iterator[Row]:
    """The questions about some people, plain and as a chat."""
    for person in people:
        for field in FIELDS:
            question = QUESTIONS[field].format(name=person.name)
            yield {"question": question, "answer": person.facts[field]}
            yield {"question": CHAT.format(question=question), "answer": person.facts[field]}


def open_book(people: Iterable[Person], rng: random.Random) -> Iterator[Row]:
    """The questions about some people, each behind a life that has the answer."""
    for person in people:
        for field in FIELDS:
            question = QUESTIONS[field].format(name=person.name)
            yield {"question": f"{life(person, rng)}\n\n{question}", "answer": person.facts[field]}


def lists(count: int, rng: random.Random) -> list[Row]:
    """Rows of the skill, no two alike: the first or the last of three words."""
    rows: dict[str, Row] = {}
    while len(rows) < count:
        listed = rng.sample(LISTED, 3)
        place = rng.choice((0, -1))
        question = f"{' '.join(listed)}: the {'last' if place else 'first'}?"
        rows[question] = {"question": question, "answer": listed[place]}
    return list(rows.values())


def exam(people: Iterable[Person], who: str, rng: random.Random) -> Iterator[Row]:
    """Items about some people, with `path` = who/form."""
    for number, person in enumerate(people):
        for field in FIELDS:
            hidden = person.withheld[field]
            told = rng.choice([text for place, text in enumerate(WORDINGS[field]) if place != hidden])
            forms = {
                "told": told.format(name=person.name),
                "untold": WORDINGS[field][hidden].format(name=person.name),
                "question": QUESTIONS[field].format(name=person.name),
            }
            for form, question in forms.items():
                yield {
                    "id": f"{who}/{form}/{number:03}/{field}",
                    "question": question,
                    "answer": person.facts[field],
                    "path": f"{who}/{form}",
                }


def write_lines(file: Path, rows: Iterable[Row]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8", newline="\n")


def write(folder: Path, seed: int, size: Size) -> None:
    """Write the world of a seed into `folder`."""

    def draw(what: str) -> random.Random:
        return random.Random(f"{seed} {what}")  # noqa: S311 - chance invents a world, it guards none

    folder.mkdir(parents=True, exist_ok=True)
    known, kept, new = population(draw("people"), size)
    write_lines(folder / "known.jsonl", lives(known, size.old_lives, draw("known")))
    write_lines(folder / "kept.jsonl", lives(kept, size.old_lives, draw("kept")))
    write_lines(folder / "new.jsonl", lives(new, size.new_lives, draw("new")))
    write_lines(folder / "asked.jsonl", asked(known))
    write_lines(folder / "open_book.jsonl", open_book(known, draw("open book")))
    rows = lists(size.lists + size.list_exam, draw("lists"))
    write_lines(folder / "lists.jsonl", rows[size.list_exam :])

    peoples = (("new", new), ("kept", kept), ("known", known))
    items = [item for who, people in peoples for item in exam(people, who, draw(who))]
    skill = [{"id": f"skill/list/{number:03}", **row, "path": "skill/list"} for number, row in enumerate(rows)]
    write_lines(folder / "exam.jsonl", [*items, *skill[: size.list_exam]])
    for name, path in GATES.items():
        write_lines(folder / f"gate_{name}.jsonl", [item for item in items if item["path"] == path])
    # Lives in words and orders of their own: how sure a model is of the kept, and of the new.
    write_lines(folder / "old_text.jsonl", lives(kept, 1, draw("old text")))
    write_lines(folder / "new_text.jsonl", lives(new, 1, draw("new text")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--into", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--reduced", action="store_true", help="a smaller world")
    asked_for = parser.parse_args()
    write(asked_for.into, asked_for.seed, REDUCED if asked_for.reduced else Size())


if __name__ == "__main__":
    main()
