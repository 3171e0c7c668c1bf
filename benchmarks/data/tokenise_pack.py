# ruff: noqa: S608 - the names in its queries are its own
"""Tokenise and pack, beside the engine alone: MB of text a second of CPU, and of the clock.

`python benchmarks/data/tokenise_pack.py FOLDER [--mb 64] [--tokenizer FOLDER]` reads the text files of FOLDER, cut at
blank lines into samples of some hundred tokens, again and again until there is so much; without a tokenizer one of 32k
tokens is made of them. Both steps run as in a plan: from Parquet to Parquet.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from structdsl.plan import Output, Pack, Tokenise, TrainTokenizer
from structdsl.promised import PACKED, RENDERED, TOKENS
from structdsl_runtime.engine import Engine
from structdsl_runtime.operation import Context
from structdsl_runtime.operations.pack import pack
from structdsl_runtime.operations.tokenise import tokenise
from structdsl_runtime.operations.tokenizer import train_tokenizer
from structdsl_runtime.tables import StepInputs, StepOutputs
from structdsl_runtime.text import engines, tokens

SAMPLE = 1500  # characters


def samples(folder: Path, size: int) -> list[str]:
    """About `size` characters in samples; each round over the files cuts them elsewhere."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.suffix in {".md", ".txt"}]
    found: list[str] = []
    total = 0
    for turn in range(1000):
        for text in texts:
            cut = text[turn * 97 :]
            parts = [cut[start : start + SAMPLE] for start in range(0, len(cut), SAMPLE)]
            found += parts
            total += len(cut)
            if total >= size:
                return found
    return found


@contextmanager
def timed(name: str, size: float) -> Iterator[None]:
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(f"{name:<28} {size / cpu:7.1f} MB a CPU second {size / clock:7.1f} MB a second", flush=True)


def main() -> None:  # noqa: PLR0915 - one script, read from top to bottom
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--length", type=int, default=4096)
    asked = parser.parse_args()
    texts = samples(asked.folder, asked.mb * 1_000_000)
    size = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as base:
        root = Path(base)
        engine = Engine(root / "duckdb")

        def step(function: Callable[..., None], arguments: Any, outputs: dict[str, Output], **given: Path) -> Path:
            """One operation over Parquet files and folders; the folder of what it made."""
            made = root / arguments.op
            made.mkdir()
            folders = {name: path for name, path in given.items() if path.is_dir()}
            tables = {name: f"read_parquet('{path}')" for name, path in given.items() if path.is_file()}
            context = Context(
                address="benchmark",
                root=root,
                scratch=root,
                log=root / "log",
                progress=lambda *_: None,
                warn=print,
                run=root,
                kept=root,
                decides={},
                shared=root,
            )
            inputs = StepInputs(engine=engine, order=tuple(given), tables=tables, folders=folders)
            function(arguments, inputs, StepOutputs(engine, made, outputs), context)
            return Path(made)

        kept = root / "samples.parquet"
        pa_table = pa.table({"n": range(len(texts)), "text": texts})
        with engine.cursor() as cursor:
            cursor.register("given", pa_table)
            columns = {column.name: f"CAST(NULL AS {column.type})" for column in RENDERED}
            columns |= {
                "position": "n",
                "sample_id": "n::VARCHAR",
                "kind": "'plain'",
                "prompt": "''",
                "response": "text",
            }
            listed = ", ".join(f"{value} AS {name}" for name, value in columns.items())
            cursor.execute(f"COPY (SELECT {listed} FROM given) TO '{kept}' (FORMAT parquet, ROW_GROUP_SIZE 4096)")
            some = root / "some.parquet"
            cursor.execute(f"COPY (SELECT text FROM given LIMIT 2000) TO '{some}' (FORMAT parquet)")
        tokenizer = asked.tokenizer
        if tokenizer is None:
            made = step(
                train_tokenizer, TrainTokenizer(vocab=32000), {"tokenizer": Output(kind="folder", doc="")}, texts=some
            )
            tokenizer = made / "tokenizer"
        known = tokens.load(tokenizer)
        fast = engines.fast(known.engine, print)
        part = texts[:2000]
        with timed("tokenizers alone", sum(len(text.encode()) for text in part) / 1e6):
            known.encode(part, literal=True)
        if callable(fast):
            fast(part, literal=True)
            with timed("fastokens alone", size):
                replaced = tokens.Tokenizer(known.engine, fast, known.prefix, known.eos_id, known.specials)
                count = len(replaced.encode_flat(texts).values)
            print(f"{size:.1f} MB, {count:,} tokens in {len(texts):,} samples")
        with timed("tokenise", size):
            first = step(
                tokenise,
                Tokenise(length=asked.length),
                {"tokens": Output(table="t.t", columns=TOKENS, doc="")},
                samples=kept,
                tokenizer=tokenizer,
            )
        with timed("pack", size):
            step(
                pack,
                Pack(length=asked.length, method="best_fit"),
                {"packed": Output(table="t.p", columns=PACKED, doc="")},
                tokens=first / "tokens.parquet",
                tokenizer=tokenizer,
            )
        with engine.cursor() as cursor:
            found = cursor.sql(f"SELECT count(*), avg(density) FROM '{root / 'pack' / 'packed.parquet'}'").fetchall()
        print("rows, density:", found)
        engine.close()


if __name__ == "__main__":
    main()
