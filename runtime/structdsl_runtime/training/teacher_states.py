"""What teachers were asked, for all stages of a store: immutable Parquet files, found by what was read.

`shared/teacher/<setting>/` holds what one teacher made of texts in one setting: `setting.json` says which. A text is a
piece of a sample: its ids and how many of them are masked, so that any stage, epoch or combination of params that
reads it finds its states, under whatever name it reads it. A part is written whole and renamed; nobody writes to it
again. Tables hold links to parts: the area can be removed at any time, and a part with a link count of one is in no
table.

Shapes: N predicting positions, D hidden.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from structdsl.identity import fingerprint
from structdsl_runtime.files import flush, replace
from structdsl_runtime.writer import ParquetTable

AREA: Final = "teacher"
PARTIAL: Final = ".partial-"
TEXT: Final = 32  # characters of the name of a text
COLUMNS: Final[dict[str, pa.DataType]] = {
    "text": pa.string(),
    "offset": pa.int64(),  # in the text, of the token that is predicted
    "ids": pa.list_(pa.int32()),
    "logprobs": pa.list_(pa.float32()),
    "hidden": pa.list_(pa.float32()),
}
SCHEMA: Final = pa.schema(COLUMNS)


def name_of(ids: Any, masked: int) -> str:
    """The name of a text, by its ids and how many of them, the first, are not supervised."""
    content = hashlib.blake2b(digest_size=TEXT // 2)
    content.update(masked.to_bytes(8, "little") + np.ascontiguousarray(ids, "<i4").tobytes())
    return content.hexdigest()


def area(shared: Path, setting: Mapping[str, Any]) -> Path:
    """The folder of a setting, made where it is not there; what a writer that was killed left in it is removed."""
    folder = shared / AREA / fingerprint(setting)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)
    replace(folder / "setting.json", json.dumps(setting, indent=1) + "\n", durable=True)
    return folder


def known(folder: Path) -> dict[str, Path]:
    """The texts that are kept in a folder, each with its part."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.parquet")):
        texts = pq.read_table(path, columns=["text"], read_dictionary=["text"]).column("text")
        found |= {str(text): path for text in pc.unique(texts).to_pylist()}
    return found


def table_of(text_N: Any, offset_N: Any, ids_N2: Any, logprob_N2: Any, hidden_ND: Any) -> pa.Table:
    """Rows of a part."""

    def lists(values: Any, type_: pa.DataType) -> Any:
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), type_)
        return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1) * values.shape[1], pa.int32()), flat)

    columns = {
        "text": pa.array(text_N, pa.string()),
        "offset": pa.array(offset_N, pa.int64()),
        "ids": lists(ids_N2, pa.int32()),
        "logprobs": lists(logprob_N2, pa.float32()),
        "hidden": lists(hidden_ND, pa.float32()),
    }
    return pa.table(columns, schema=SCHEMA)


def add(folder: Path, rows: pa.Table) -> Path:
    """One more part, of whole texts: there as a whole or not at all, whenever its writer is killed."""
    texts = pc.unique(rows.column("text")).to_pylist()
    draft = folder / f"{PARTIAL}{os.getpid()}"
    draft.mkdir()
    writer = ParquetTable(draft, fingerprint(texts), SCHEMA, frozenset())
    writer.write(rows)
    writer.close()
    (made,) = writer.files
    flush(made)
    part = made.rename(folder / made.name)
    flush(folder)
    draft.rmdir()
    return part
