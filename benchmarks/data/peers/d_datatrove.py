# mypy: ignore-errors
"""Job (d) in datatrove: near duplicates and what the rules drop left out, the rest tokenised to one file.

It knows neither headings nor chunks: what it makes has no place in a taxonomy.
"""

import sys

from benchmarks.data.peers.c_datatrove import pack
from benchmarks.data.peers.minhash import remove
from benchmarks.data.peers.trove import files, reader, rules


def main() -> None:
    corpus, out, tokenizer = sys.argv[1:]
    pack([reader(corpus), remove(corpus, out), rules()], out, tokenizer, files(corpus))


if __name__ == "__main__":
    main()
