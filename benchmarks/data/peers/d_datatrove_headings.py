# mypy: ignore-errors
"""Job (d) in datatrove with a step of one's own: each section under the map of its document's headings, and tokenised.

It bounds no map, section or row by its tokens, never asks for a map to be recalled, keeps no tables of nodes, chunks or
samples, and does not know which section a token is from; what looks like a heading in a block of code is one.
"""

import re
import sys
from collections.abc import Iterator

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from benchmarks.data.peers.c_datatrove import pack
from benchmarks.data.peers.minhash import remove
from benchmarks.data.peers.trove import files, reader, rules

HEADING = re.compile(r"^(##?) +(.+)$", re.MULTILINE)
BULLET = {"#": "- ", "##": "  - "}


def sections(text: str) -> Iterator[str]:
    """Of each heading: the outline with the heading marked, its path, and the text up to the next heading."""
    before, *parts = HEADING.split(text)
    if before.strip():
        yield before
    headings = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    outline = [BULLET[marks] + title for marks, title, _ in headings]
    above = ""
    for place, (marks, title, body) in enumerate(headings):
        above = title if marks == "#" else above
        path = title if marks == "#" else f"{above} > {title}"
        marked = f"{BULLET[marks]}**{title}**"
        map_ = "\n".join([*outline[:place], marked, *outline[place + 1 :]])
        opening = f"This is the outline of {above}, with the section that follows marked:"
        yield f"{opening}\n\n{map_}\n\nThe section {path} reads:\n\n{marks} {title}{body}"


class Sections(PipelineStep):
    name = "Sections"
    type = "Formatter"

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:  # noqa: ARG002
        for document in data:
            for number, text in enumerate(sections(document.text)):
                yield Document(text, f"{document.id}/{number}", metadata=document.metadata)


def main() -> None:
    corpus, out, tokenizer = sys.argv[1:]
    pack([reader(corpus), remove(corpus, out), rules(), Sections()], out, tokenizer, files(corpus))


if __name__ == "__main__":
    main()
