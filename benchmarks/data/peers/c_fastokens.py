# mypy: ignore-errors
"""Job (c) with fastokens alone: flat ids of batches, an end behind each text, cut into rows."""

import json
import sys
from hashlib import blake2b
from pathlib import Path

import numpy as np
from fastokens import Tokenizer

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
    parts = []
    for start in range(0, len(texts), BATCH):
        ids, offsets = tokenizer.encode_batch_flat(texts[start : start + BATCH])[:2]
        stops = np.frombuffer(offsets, np.uint64).astype(np.int64)[1:]
        parts.append(np.insert(np.frombuffer(ids, np.uint32).astype(np.int32), stops, end))
    joined = np.concatenate(parts)
    total += len(joined)
    rows = -(-len(joined) // LENGTH)
    packed = np.full(rows * LENGTH, end, np.int32)
    packed[: len(joined)] = joined
    digest.update(packed[: len(joined)].tobytes())
    np.save(f"{out}/rows-{number:05d}.npy", packed.reshape(rows, LENGTH))
print(f"{total} tokens, {digest.hexdigest()}")
