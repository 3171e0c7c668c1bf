"""What reading the portions of a source has shown, and what only all of them together can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from structdsl.plan import Reading
from structdsl_runtime.operation import Fault
from structdsl_runtime.progress import counted
from structdsl_runtime.text import records, shapes

DUPLICATE: Final = "duplicate id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a portion holds, in values that JSON can say."""

    documents: int = 0
    names: tuple[str, ...] = ()  # of the columns of its rows
    found: tuple[str, ...] = ()  # our fields that some row has
    reasons: Mapping[str, int] = field(default_factory=dict)  # why rows were dropped, and how many
    encodings: Mapping[str, int] = field(default_factory=dict)  # other than UTF-8, and how many documents were in them
    example: str = ""


def together(parts: Iterable[Found]) -> Found:
    """What the portions of a source hold, in its order."""
    documents, names, found, example = 0, dict[str, None](), set[str](), ""
    reasons, encodings = Counter[str](), Counter[str]()
    for part in parts:
        documents += part.documents
        names.update(dict.fromkeys(part.names))
        found.update(part.found)
        example = example or part.example
        reasons.update(part.reasons)
        encodings.update(part.encodings)
    return Found(
        documents=documents,
        names=tuple(names),
        found=tuple(sorted(found)),
        reasons=reasons,
        encodings=encodings,
        example=example,
    )


def recoded(arguments: Reading, found: Found) -> str | None:
    """What to say of documents that were in another encoding, by its mark, as declared or by a guess; none where all
    were UTF-8.
    """
    if not found.encodings:
        return None
    kinds = ", ".join(f"{count:,} as {name}" for name, count in sorted(found.encodings.items()))
    query = f"SELECT source, text FROM corpus.{arguments.corpus}_read WHERE meta->>'encoding' IS NOT NULL"  # noqa: S608
    return f"not in UTF-8, and read by a mark, as declared or by the best guess: {kinds}; {query}"


def duplicate_fault(doc_id: str, source: str, earlier: str) -> Mapping[str, str]:
    """The row of the faults for a document that leaves because an earlier one, which stays, has its id."""
    evidence = f"an earlier document has it: {earlier}"
    return {"doc_id": doc_id, "source": source, "step": "read", "reason": DUPLICATE, "evidence": evidence}


def without_duplicates(found: Found, count: int) -> Found:
    """What a portion holds once `count` of its documents have left as duplicates of earlier portions."""
    reasons = {**found.reasons, DUPLICATE: found.reasons.get(DUPLICATE, 0) + count}
    return replace(found, documents=found.documents - count, reasons=reasons) if count else found


def _separated(names: tuple[str, ...]) -> tuple[str, ...]:
    """What to do about columns that were taken for one, for they are not separated by commas."""
    if len(names) == 1 and "\t" in names[0]:
        return ("are the columns separated by tabs? Name the file `.tsv`",)
    if len(names) == 1 and ";" in names[0]:
        duckdb = """duckdb -c "COPY (FROM 'a.csv') TO 'a.parquet'\""""
        return (f"are the columns separated by `;`? Only `,` is read, and tabs in `.tsv`; `{duckdb}` converts a file",)
    return ()


def check(arguments: Reading, found: Found, files: int) -> None:
    """Raise Fault E0514 for a column that is nowhere, E0516 for a corpus with nothing in it."""
    known = shapes.KNOWN.get(arguments.role)
    for name in dict.fromkeys((*records.required(arguments), *arguments.columns)):
        if name not in found.found and found.names:
            theirs = arguments.columns.get(name, name)
            raise Fault(
                "E0514",
                f"column `{theirs}` is in no row of corpus `{arguments.corpus}`",
                notes=(f"columns that are there: {', '.join(found.names)}",),
                helps=(
                    f'name theirs with `columns = {{ {name}: "…" }}`',
                    *([f"read without being told: {known}"] if known is not None else []),
                    *_separated(found.names),
                ),
            )
    if not found.documents and arguments.limit != 0:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(found.reasons.items()))
        raise Fault(
            "E0516",
            f"corpus `{arguments.corpus}` is empty",
            notes=(f"{counted(files, 'file')} read; rows dropped: {counts or 'none'}", *filter(None, [found.example])),
        )
