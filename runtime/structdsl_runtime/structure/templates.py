"""The sentences around a mind map, by language; each is chosen by a hash of the sample, so a model sees them all.

All wording is our own. `{field}` is the title of the tree, `{aspect}` that of the node, `{map}` the drawn map.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from structdsl_runtime.text import stable

DEFAULT: Final = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Everything that is said around maps in one language."""

    announce: tuple[str, ...]  # before a map: mentions the field and announces a diagram
    continue_: tuple[str, ...]  # after it, same position: mentions the aspect and the field
    recall_tree: tuple[str, ...]  # asks for the map of a whole tree; no map is shown
    recall_chapter: tuple[str, ...]  # after the map of the book: asks for that of the marked chapter
    recall_section: tuple[str, ...]  # after the map of the chapter: asks for it with the marked section opened
    cue: tuple[str, ...]  # after a question: asks for its place before the answer
    related: str  # opens a structured answer
    located: str  # opens an answer that gives the path alone
    answer: str  # between the place and the answer
    questions: tuple[str, ...]  # map-recall questions


_ENGLISH: Final = Templates(
    announce=(
        "The outline below shows how {field} is organised.",
        "Here is a diagram of {field}, from its broad parts down to single topics.",
        "What belongs to {field} can be laid out as a tree:",
        "This mind map gives the structure of {field}.",
        "To see where we are in {field}, look at this diagram first.",
        "{field} can be drawn as a map of topics, with one of them marked.",
        "Each branch of the following tree is a part of {field}.",
        "Before the details, a diagram of {field} as a whole:",
        "The topics of {field} hang together as this map shows.",
        "A student of {field} might sketch its contents like this.",
        "Below, {field} is broken down into its parts.",
        "The following tree puts the topics of {field} in order.",
        "Here is where things stand in {field}; the marked entry is the current one.",
        "An overview of {field} in the form of a mind map:",
        "The plan of {field} is drawn below, one line for each topic.",
        "Knowledge about {field} has a shape, and this diagram shows it.",
        "This tree arranges {field} from the general to the particular.",
        "The part of {field} that matters now is marked in this diagram.",
        "A map helps to find one's way in {field}:",
        "Think of {field} as a tree whose branches are listed here.",
        "The contents of {field}, drawn as a diagram with its branches:",
        "In the sketch below every line names something that {field} covers.",
        "See how the topics of {field} are nested in this diagram.",
        "A diagram of {field} comes first, with the topic at hand between asterisks.",
    ),
    continue_=(
        "What follows is about {aspect}, a part of {field}.",
        "We now turn to {aspect} within {field}.",
        "In {field}, this is what there is to know about {aspect}.",
        "The text on {aspect} in {field} reads:",
        "At this point of {field} stands {aspect}.",
        "The marked topic of {field} is {aspect}; here it is in full.",
        "Let us go through {aspect}, as {field} treats it.",
        "Now the details of {aspect}, in the setting of {field}:",
        "Of all that {field} covers, {aspect} is the subject here.",
        "On {aspect}, the notes for {field} say:",
        "For {aspect} as a part of {field}, the content is:",
        "Next in {field} comes {aspect}.",
        "The entry {aspect} in {field} says the following.",
        "Seen within {field}, {aspect} can be explained like this.",
        "This line of the plan of {field}, {aspect}, is worked out below.",
        "Here {field} has this to say about {aspect}:",
        "From {field} we take up {aspect} in particular.",
        "The subject is {aspect}, at the place in {field} that the diagram marks.",
        "Having found {aspect} on the map of {field}, we can read about it.",
        "On the branch {aspect} of {field} we find:",
        "What does {field} teach about {aspect}?",
        "The passage for {aspect}, out of {field}, is given below.",
        "With its place in {field} in mind, here is {aspect}.",
        "Of the topics of {field}, the one explained now is {aspect}.",
    ),
    recall_tree=(
        "Draw the whole of {field} as a mind map.",
        "How is {field} organised? Give all of its topics as a tree.",
        "From memory, lay out the structure of {field}.",
        "List the parts of {field} and the parts of those, as a diagram.",
        "Having read about {field}, sketch how its topics are nested.",
        "What does the complete outline of {field} look like?",
    ),
    recall_chapter=(
        "Now draw {aspect}, a part of {field}, with everything below it.",
        "Open up {aspect} within {field}: all its sections and what they hold.",
        "How is {aspect} in {field} organised? Give its full tree.",
        "From memory, the complete outline of {aspect} in {field}:",
        "Write down the mind map of {aspect}, which belongs to {field}.",
        "Which topics does {aspect} in {field} consist of, down to the last?",
    ),
    recall_section=(
        "Now open {aspect} in {field} and show what it holds.",
        "Draw this part of {field} again with the topics of {aspect} filled in.",
        "Which topics lie below {aspect} in {field}? Add them to the tree.",
        "From memory, complete the diagram of {field} under {aspect}.",
        "Unfold {aspect}, as {field} divides it.",
        "The same plan of {field}, with {aspect} worked out:",
    ),
    cue=(
        "First recall where this belongs, then answer.",
        "Give the topics that the question touches before you answer it.",
        "Find the place of this question in the subject, then reply.",
        "Name the knowledge that is needed here, and answer with it.",
        "Start from the structure of the subject and end with the answer.",
        "Locate the question on the map of its field and answer it.",
    ),
    related="The related knowledge points of {field}:",
    located="The place of this in {field}:",
    answer="Answer: ",
    questions=(
        "What is the knowledge structure of {field}?",
        "How are the topics of {field} arranged?",
        "Which parts does {field} have, and how are they nested?",
        "Can you outline {field} as a tree?",
    ),
)

TEMPLATES: Final[Mapping[str, Templates]] = {"en": _ENGLISH}

_REPEATS: Final = 16  # how often each sentence enters the training of a tokenizer


def chunk_prompt(map_: str, *, field: str, aspect: str, sample_id: str, language: str = DEFAULT) -> str:
    """What precedes the text of a chunk: announcement, fenced map, a sentence on the aspect, each with a blank line."""
    templates = TEMPLATES[language]
    number = stable.number("chunk", sample_id) % len(templates.announce)
    opening = templates.announce[number].format(field=field)
    closing = templates.continue_[number].format(field=field, aspect=aspect)
    return f"{opening}\n\n{fenced(map_)}\n\n{closing}\n\n"


def recall_prompt(asks: str, map_: str | None, *, field: str, sample_id: str, language: str = DEFAULT) -> str:
    """What precedes a recalled map: the map above it, where one is shown, and the sentence that asks."""
    if map_ is None:
        return f"{asks}\n\n"
    opening = stable.pick(TEMPLATES[language].announce, "recall", sample_id).format(field=field)
    return f"{opening}\n\n{fenced(map_)}\n\n{asks}\n\n"


def fenced(map_: str) -> str:
    return f"```\n{map_}\n```"


def training_text(repeats: int = _REPEATS) -> Iterator[str]:
    """Our own sentences without their holes; often, for a tokenizer that is trained on little other text."""
    for templates in TEMPLATES.values():
        for member in fields(templates):
            value = getattr(templates, member.name)
            for sentence in (value,) if isinstance(value, str) else value:
                words = "".join(text for text, *_ in string.Formatter().parse(sentence))
                yield "\n".join([words] * repeats)
