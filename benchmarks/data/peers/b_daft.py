# mypy: ignore-errors
"""Job (b) in Daft: its MinHash of texts with one space between words, 14 bands of 8; similarity is not verified.

Documents and what their bands hold are a graph, whose components SciPy finds; of each the document that was read first
stays. The process ends without Python's own end, in which Daft crashes now and then, when all is written.
"""

import os
import sys

import daft
import numpy as np
from daft import col
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BANDS, ROWS, WORDS = 14, 8, 5

corpus, out = sys.argv[1:]
documents = daft.read_json(f"{corpus}/part-*.jsonl").select("id", "text", "url")
plain = col("text").normalize(white_space=True)
minhash = plain.minhash(num_hashes=BANDS * ROWS, ngram_size=WORDS, hash_function="xxhash3_64")
signed = documents.select("id", minhash.alias("minhash")).to_arrow()
count = len(signed)
signatures = signed["minhash"].combine_chunks().flatten().to_numpy().reshape(count, BANDS, ROWS)
bands = signatures.view(f"V{ROWS * signatures.itemsize}")[:, :, 0]
held, nodes = [], count
for band in range(BANDS):
    different, found = np.unique(bands[:, band], return_inverse=True)
    held.append(nodes + found)
    nodes += len(different)
edges = (np.tile(np.arange(count), BANDS), np.concatenate(held))
graph = coo_array((np.ones(count * BANDS, np.uint8), edges), shape=(nodes, nodes))
_, component = connected_components(graph, directed=False)
_, first = np.unique(component[:count], return_index=True)
copies = np.ones(count, bool)
copies[first] = False
removed = daft.from_arrow(signed.select(["id"]).filter(copies))
documents.join(removed, on="id", how="anti").write_parquet(f"{out}/kept.parquet")
os._exit(0)
