# mypy: ignore-errors
"""Job (c) with HF tokenizers alone: batches encoded by its threads, ids joined and cut into rows."""

import json
import sys
from hashlib import blake2b
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

LENGTH = 2048
BATCH = 1000

corpus, out, path = sys.argv[1:]
tokenizer = Tokenizer.from_file(path)
end = tokenizer.token_to_id("</s>")
total = 0
digest = blake2b(digest_size=4)
for number, name in enumerate(sorted(map(str, Path(corpus).glob("part-*.jsonl")))):
    with Path(name).open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    ids = []
    for start in range(0, len(texts), BATCH):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + BATCH], add_special_tokens=False):
            ids += [*encoding.ids, end]
    total += len(ids)
    rows = -(-len(ids) // LENGTH)
    packed = np.full(rows * LENGTH, end, np.int32)
    packed[: len(ids)] = ids
    digest.update(packed[: len(ids)].tobytes())
    np.save(f"{out}/rows-{number:05d}.npy", packed.reshape(rows, LENGTH))
print(f"{total} tokens, {digest.hexdigest()}")
