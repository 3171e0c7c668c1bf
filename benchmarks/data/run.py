"""Side by side on one corpus: a spec through `structdsl run`, and the tools that people use today.

`python -m benchmarks.data.run --scratch DIR --venvs DIR [--jobs a b c d e] [--mb 240] [-n 3]`; `benchmarks.data.venvs`
makes the environments of the peers. Contenders take turns within each round, each run in a fresh folder and from
nothing. Seconds are of the whole process, start included; MB/s is the input by the seconds; memory is of the process
tree. What a contender leaves is held against the reference after its clock has stopped. A step of ours that this
version cannot carry out is a line that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

import structdsl
from benchmarks.data import reference
from benchmarks.data.corpus import write
from benchmarks.data.jobs import JOBS, Job, Ours, Theirs
from benchmarks.data.measure import Cost, measure
from benchmarks.data.tokenizer import make_model
from benchmarks.data.venvs import LEFT_OUT, installed, python, versions

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = Path(__file__).parent / "peers"
SAMPLER: Final = Path(__file__).parent / "sampler"
LIMITED: Final = Path(__file__).parent / "limited"
HEADS: Final = ("job", "contender", "seconds", "MB/s", "CPU s", "peak MB", "result")


@dataclass(slots=True)
class Line:
    """All runs of a contender."""

    costs: list[Cost] = field(default_factory=list)
    result: str = ""
    steps: list[tuple[str, float]] = field(default_factory=list)  # addresses and seconds of the last run of ours
    refused: str = ""


@dataclass(frozen=True)
class Bench:
    """A corpus of `size` bytes, and where everything is."""

    scratch: Path
    corpus: Path
    size: int
    venvs: Path
    limit: float  # seconds that a run may take
    cap: int | None = None  # MB of data that a process may have
    checked: bool = True  # whether what is left is held against the reference

    @cached_property
    def table(self) -> Path:
        """Ids and texts of the corpus as Parquet, a file for each of its own."""
        folder = self.scratch / f"table-{self.corpus.name}"
        folder.mkdir(exist_ok=True)
        with duckdb.connect() as connection:
            for path in sorted(self.corpus.glob("part-*.jsonl")):
                made = folder / f"{path.stem}.parquet"
                if not made.exists():
                    draft = made.with_suffix(".draft")
                    connection.execute(
                        f"COPY (SELECT id, text FROM read_json('{path}', format = 'newline_delimited',"  # noqa: S608 - a path of ours
                        f" columns = {{id: 'VARCHAR', text: 'VARCHAR'}})) TO '{draft}'"
                        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 4096)"
                    )
                    draft.rename(made)
        return folder

    def bytes_of(self, job: Job) -> int:
        """Of the input of a job: the files, or the texts of a table."""
        if not job.table:
            return self.size
        return self._bytes_of_texts

    @cached_property
    def _bytes_of_texts(self) -> int:
        with duckdb.connect() as connection:
            query = f"SELECT sum(strlen(text)) FROM read_parquet('{self.table}/*.parquet')"  # noqa: S608 - a path of ours
            (row,) = connection.execute(query).fetchall()
        return int(row[0])

    @cached_property
    def digest(self) -> dict[str, str]:
        return reference.digests(self.corpus)

    def expected(self, judge: str) -> set[str]:
        return self._survivors if judge == "survivors" else set(self.digest.values())

    @cached_property
    def _survivors(self) -> set[str]:
        return reference.survivors(self.corpus, self.digest)


def executable() -> str:
    return str(Path(sys.executable).with_name("structdsl"))


def run(bench: Bench, job: Job, contender: Ours | Theirs, line: Line, profile: Path | None = None) -> None:
    """One run, its cost and its result noted in `line`."""
    folder = bench.scratch / "now"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "HF_HOME": str(folder / "hf"),
        "TMPDIR": str(folder),
    }
    paths = [str(ROOT), str(ROOT / "runtime")]
    if profile is not None:
        environment["STRUCTDSL_SAMPLES"] = str(profile)
        paths.insert(0, str(SAMPLER))
    if job.memory is not None:
        environment["DUCKDB_MB"] = str(job.memory)
        paths.insert(0, str(LIMITED))
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    if isinstance(contender, Ours):
        (folder / "corpus").symlink_to(bench.corpus)
        (folder / "model").symlink_to(bench.scratch / "model")
        (folder / "job.adapt").write_text(contender.spec, encoding="utf-8")
        for address in contender.before:
            before = [executable(), "run", "job.adapt", "--select", address]
            subprocess.run(before, cwd=folder, env=environment, capture_output=True, check=True)  # noqa: S603 - our own command
        command = _carried_out(contender)
    else:
        command = [str(python(bench.venvs, contender.venv)), str(PEERS / f"{contender.script}.py")]
        command += [str(bench.table if job.table else bench.corpus), str(folder)]
        command += [str(bench.scratch / "model" / "tokenizer.json")] * (job.judge == "count")
    if bench.cap is not None:
        command = ["prlimit", f"--data={bench.cap * 1_000_000}", *command]
    cost = measure(command, environment=environment, folder=folder, limit=bench.limit)
    if cost.code:
        told = (cost.errors.strip() or cost.output.strip()).splitlines()
        wrong = [text for text in told if text.startswith("error[")]
        line.refused = (wrong or told or [f"ended after {cost.seconds:.0f} s, code {cost.code}"])[-1][:120]
    else:
        line.costs.append(cost)
        line.result = _result(bench, job, contender, folder, cost)
        if isinstance(contender, Ours):
            line.steps = [(row["address"], row["seconds"]) for row in _ask(folder, "FROM meta.steps")]
    shutil.rmtree(folder, ignore_errors=True)


def _carried_out(contender: Ours) -> list[str]:
    """What is timed of ours."""
    selected = [part for address in contender.select for part in ("--select", address)]
    command = [executable(), "run", "job.adapt", *selected]
    if not contender.copied:
        return command
    copy = [sys.executable, str(Path(__file__).with_name("copy_out.py")), contender.copied]
    return ["sh", "-c", f"{shlex.join(command)} && {shlex.join(copy)}"]


def _result(bench: Bench, job: Job, contender: Ours | Theirs, folder: Path, cost: Cost) -> str:
    if not bench.checked and job.judge != "count":
        return f"{sum(1 for _ in _kept(contender, folder))} documents, not checked"
    match job.judge:
        case "count" if isinstance(contender, Theirs):
            return cost.output.strip().splitlines()[-1]
        case "count":
            counted = "FROM stage.learn_tokens SELECT sum(n_tokens) AS n"
            return f"{_ask(folder, counted)[0]['n']} tokens"
        case "near":
            return reference.near(_kept(contender, folder), bench.corpus)
        case judge:
            return reference.against_reference(_kept(contender, folder), bench.digest, bench.expected(judge))


def _kept(contender: Ours | Theirs, folder: Path) -> Iterator[str]:
    """Ids of what a contender left."""
    if isinstance(contender, Ours):
        yield from (row["doc_id"] for row in _ask(folder, "SELECT doc_id FROM corpus.web"))
        return
    for path in folder.glob("kept*"):
        if path.suffix == ".parquet":
            yield from map(str, pq.read_table(path, columns=["id"])["id"].to_pylist())
        else:
            yield from (json.loads(line)["id"] for line in path.read_text("utf-8").splitlines())


def _ask(folder: Path, query: str) -> list[dict[str, Any]]:
    ran = subprocess.run(  # noqa: S603 - our own command
        [executable(), "query", query, "--format", "json"], cwd=folder, capture_output=True, text=True, check=True
    )
    rows: list[dict[str, Any]] = json.loads(ran.stdout)
    return rows


def _spread(values: list[float], digits: int) -> str:
    ordered = sorted(values)
    chosen = dict.fromkeys((0, len(ordered) // 2, len(ordered) - 1))
    return " / ".join(f"{ordered[place]:.{digits}f}" for place in chosen)


def cells(letter: str, name: str, line: Line, size: int) -> tuple[str, ...]:
    """A row of the table; `size` in bytes."""
    if not line.costs:
        return (letter, name, "–", "–", "–", "–", line.refused)
    return (
        letter,
        name,
        _spread([cost.seconds for cost in line.costs], 1),
        _spread([size / 1e6 / cost.seconds for cost in line.costs], 1),
        _spread([cost.cpu for cost in line.costs], 1),
        f"{max(cost.peak for cost in line.costs):.0f}",
        line.result + (f"; a run failed: {line.refused}" if line.refused else ""),
    )


def heading(module: str, made: dict[str, Any], venvs: Path) -> str:
    """The command, the machine, the versions and the corpus that a table is true of."""
    names = sorted({one.venv for job in JOBS.values() for one in job.contenders.values() if isinstance(one, Theirs)})
    found = {key: value for name in names if installed(venvs, name) for key, value in versions(venvs, name).items()}
    listed = ", ".join(f"{name} {number}" for name, number in sorted(found.items()))
    text = f"the bigrams of {made['text']}" if made["text"] else "an invented language"
    return (
        f"`{' '.join(['python -m', module, *sys.argv[1:]])}`. {os.cpu_count()} cores, {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, "
        f"structdsl {structdsl.__version__}; peers: {listed or 'none'}. "
        f"{made['documents']:,} documents, {made['bytes'] / 1e6:.0f} MB, in {text}."
    )


def prepare(asked: Any, megabytes: float) -> tuple[Bench, dict[str, Any]]:
    """The corpus and the model, made where they are not there yet."""
    corpus = asked.scratch.resolve() / f"corpus-{megabytes:g}"
    made = write(corpus, megabytes=megabytes, seed=asked.seed, text=asked.text)
    make_model(asked.scratch / "model", corpus)
    bench = Bench(asked.scratch.resolve(), corpus, made["bytes"], asked.venvs.resolve(), asked.limit)
    return bench, made


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The options that the benchmarks of this folder share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True, help="corpora, the model and runs: a folder of its own")
    parser.add_argument("--venvs", type=Path, required=True, help="what `benchmarks.data.venvs` made")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--text", metavar="GLOB", help="files whose paragraphs the text walks over")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that a run may take")
    return parser


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--mb", type=float, default=240)
    parser.add_argument("-n", "--runs", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--only", metavar="TEXT", help="contenders whose name has this in it")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="also where the processor time of ours went, in a run more (not of job e)",
    )
    asked: Any = parser.parse_args()
    bench, made = prepare(asked, asked.mb)
    print(f"{heading('benchmarks.data.run', made, bench.venvs)}\n")
    for letter in asked.jobs:
        print(f"{letter}: {JOBS[letter].title}  ")
    print(f"\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    steps: list[str] = []
    profiles: list[str] = []
    for letter in asked.jobs:
        job = JOBS[letter]
        chosen = {name: one for name, one in job.contenders.items() if asked.only is None or asked.only in name}
        lines = {name: Line() for name in chosen}
        for _ in range(asked.runs):
            for name, contender in chosen.items():
                if isinstance(contender, Theirs) and not installed(bench.venvs, contender.venv):
                    lines[name].refused = "not installed"
                elif not lines[name].refused:
                    run(bench, job, contender, lines[name])
        for name, line in lines.items():
            print(f"| {' | '.join(cells(letter, name, line, bench.bytes_of(job)))} |", flush=True)
            steps += [f"| {letter} | {name} | {step} | {seconds:.2f} |" for step, seconds in line.steps]
            contender = chosen[name]
            if asked.profile and job.memory is None and isinstance(contender, Ours) and line.costs:
                place = bench.scratch / f"samples-{letter}"
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                run(bench, job, contender, Line(), profile=place)
                profiles += ["", *profile_of(place, f"{letter}, {name}")]
    print(f"\nLeft out: {'; '.join(f'{name} ({why})' for name, why in LEFT_OUT.items())}.")
    if steps:
        print("\n".join(["\n| job | contender | step | seconds |\n|---|---|---|---|", *steps, *profiles]))


def profile_of(folder: Path, title: str, most: int = 25) -> list[str]:
    """What the sampler wrote, as lines: processor seconds by the innermost function of a thread, the most first."""
    total: dict[str, float] = {}
    for path in folder.glob("*.json"):
        for place, seconds in json.loads(path.read_text("utf-8")).items():
            total[place] = total.get(place, 0.0) + seconds
    ordered = sorted(total.items(), key=lambda each: -each[1])
    lines = [f"{title}: {sum(total.values()):.1f} s of processor time"]
    return lines + [f"{seconds:8.2f} s  {place}" for place, seconds in ordered[:most]]


if __name__ == "__main__":
    main()
