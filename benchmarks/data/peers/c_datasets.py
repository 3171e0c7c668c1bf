# mypy: ignore-errors
"""Job (c) in HF datasets: a batched `map` that encodes, and one that joins and cuts, as its tutorials do."""

import os
import sys
from itertools import chain
from pathlib import Path

from datasets import load_dataset
from tokenizers import Tokenizer

LENGTH = 2048
Batch = dict[str, list]


def main() -> None:
    corpus, out, path = sys.argv[1:]
    processes = len(os.sched_getaffinity(0))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its processes share the machine
    tokenizer = Tokenizer.from_file(path)
    end = tokenizer.token_to_id("</s>")

    def encode(batch: Batch) -> Batch:
        found = tokenizer.encode_batch_fast(batch["text"], add_special_tokens=False)
        return {"input_ids": [[*each.ids, end] for each in found]}

    def cut(batch: Batch) -> Batch:
        ids = list(chain.from_iterable(batch["input_ids"]))
        return {"input_ids": [ids[start : start + LENGTH] for start in range(0, len(ids), LENGTH)]}

    files = sorted(map(str, Path(corpus).glob("part-*.jsonl")))
    documents = load_dataset("json", data_files=files, split="train", cache_dir=f"{out}/cache")
    encoded = documents.map(encode, batched=True, num_proc=processes, remove_columns=documents.column_names)
    packed = encoded.map(cut, batched=True, num_proc=processes)
    packed.save_to_disk(f"{out}/packed")
    print(f"{sum(map(len, packed['input_ids']))} tokens")


if __name__ == "__main__":
    main()
