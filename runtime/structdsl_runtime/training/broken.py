"""Which samples were in a step whose loss or gradient is no number: found by the ranks, named by the parent.

A worker knows rows and segments alone. It writes them beside its events; the parent, which has the tables, says what
samples, documents and corpora these are, and how to look at them. Under a mask (SDPA) a number that is none spreads to
the whole row, since zero times it is no number either: all samples of the row are named, the cause is among them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from structdsl_runtime.operation import Fault, Inputs

if TYPE_CHECKING:
    from structdsl_runtime.training.trainer import StageTrainer

SHOWN: Final = 5  # samples that are named
LISTED: Final = 20  # positions that a query lists; more are asked for by their rows


def report(folder: Path, trainer: StageTrainer, *, everything: bool) -> None:
    """Write down the segments of this rank's passes that gave no number, or all of them (`everything`)."""
    found: dict[int, set[int]] = {}
    total = 0
    for batch, loss in trainer.passes:
        length = batch["input_BT"].shape[1]
        segment_N = batch["segment_BT"].reshape(-1)[batch["predict_N"]].tolist()
        row_N = (batch["row"] + batch["predict_N"] // length).tolist()
        total += len(set(zip(row_N, segment_N, strict=True)))
        for row, segment, sound in zip(row_N, segment_N, loss.ntp_N.isfinite().tolist(), strict=True):
            if everything or not sound:
                found.setdefault(row, set()).add(segment)
    record = {"segments": {row: sorted(segments) for row, segments in found.items()}, "total": total}
    partial = folder / f"broken-{trainer.args.process_index}.partial"
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.rename(partial.with_suffix(".json"))


def named(fault: Fault, folder: Path, inputs: Inputs, stage: str) -> Fault:
    """The fault with notes on the samples that ranks wrote down; itself where they wrote none."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("broken-*.json"))]
    segments = {int(row): numbers for record in records for row, numbers in record["segments"].items()}
    if not segments:
        return fault
    positions = _positions(inputs, segments)
    columns = "position, sample_id, corpus, doc_id"
    samples = [row for row in inputs.rows("samples", columns=columns, order="position") if row["position"] in positions]
    everything = sum(map(len, segments.values())) == sum(record["total"] for record in records)
    notes = (_rows(segments, stage), _samples(samples, everything=everything), _query(positions, segments, stage))
    return Fault(fault.code, fault.message, notes=(*notes, *fault.notes), helps=fault.helps)


def _positions(inputs: Inputs, segments: Mapping[int, Iterable[int]]) -> set[int]:
    """Positions in the table of samples."""
    found: set[int] = set()
    for batch in inputs.batches("packed", columns="row, segments", order="row", rows=1024):
        for line, row in enumerate(batch.column("row").to_pylist()):
            if row is not None and row in segments:
                held = batch.column("segments")[line].as_py()
                found.update(held[number]["position"] for number in segments[row])
    return found


def _rows(segments: Mapping[int, object], stage: str) -> str:
    rows = sorted(segments)
    if len(rows) == 1:
        return f"row {rows[0]} of `{stage}_packed`"
    if rows[-1] - rows[0] == len(rows) - 1:
        return f"rows {rows[0]} to {rows[-1]} of `{stage}_packed`"
    return f"rows {', '.join(map(str, rows))} of `{stage}_packed`"


def _samples(samples: list[dict[str, Any]], *, everything: bool) -> str:
    shown = ", ".join(f"`{row['sample_id']}` (document `{row['doc_id']}`)" for row in samples[:SHOWN])
    more = f" and {len(samples) - SHOWN} more" if len(samples) > SHOWN else ""
    corpora = Counter(row["corpus"] for row in samples)
    of = ", ".join(f"{count} of `{corpus}`" for corpus, count in sorted(corpora.items()))
    which = "all samples of these passes, so it need not be their text" if everything else "samples with no number"
    return f"{which}: {of}: {shown}{more}"


def _query(positions: set[int], segments: Mapping[int, object], stage: str) -> str:
    asked = f"SELECT sample_id, corpus, doc_id, prompt, response FROM {stage}_samples WHERE position IN"  # noqa: S608
    if len(positions) <= LISTED:
        return f"to see them: {asked} ({', '.join(map(str, sorted(positions)))})"
    rows = f"row BETWEEN {min(segments)} AND {max(segments)}"
    inner = f"SELECT s.position FROM (SELECT unnest(segments) AS s FROM {stage}_packed WHERE {rows})"  # noqa: S608
    return f"to see them: {asked} ({inner})"
