"""What a stage tells: losses that add up, arithmetic that is counted right, samples that are named, trackers fed."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from structdsl_runtime.operation import Fault
from structdsl_runtime.text import tokens
from structdsl_runtime.training import metrics, rows, sources, tracking
from structdsl_runtime.training.batches import PackedRows
from structdsl_runtime.training.followed import lay_out, windows
from tests.training.stage_fakes import (
    CORPORA,
    FakeInputs,
    Trained,
    context,
    loaded,
    packed,
    run_stage,
    samples,
    train_arguments,
)

ROWS = 22  # six steps of four
TEXTS = ["Short words.", "A text that is längër than a row of 64. " * 4]
WARD = pa.table({"doc_id": ["b", "a"], "text": TEXTS})
SHARED: dict[str, Any] = {"label_smoothing": 0.1, "evaluate_every": 2, "documents": {"corpus.ward": WARD}}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return packed(ROWS, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def told(base: Path, table: pa.Table, folder: Path) -> Trained:
    """Two passes a step, a followed corpus and a tracker."""
    deepspeed = {"zero_optimization": {"stage": 0}, "train_micro_batch_size_per_gpu": 2}
    return run_stage(folder, base, table, deepspeed=deepspeed, trackers=("tensorboard",), **SHARED)


def of_kind(trained: Trained, kind: str) -> list[dict[str, Any]]:
    return [row for row in trained.loss if row["kind"] == kind]


def assert_sources_make_the_whole(trained: Trained) -> None:
    for step in trained.log:
        parts = [row for row in of_kind(trained, "training") if row["step"] == step["step"]]
        assert sorted(part["corpus"] for part in parts) == sorted(CORPORA)
        assert sum(part["tokens"] for part in parts) == step["supervised"]
        whole: float = sum(part["loss"] * part["tokens"] for part in parts) / step["supervised"]
        assert whole == pytest.approx(step["ntp"], rel=1e-9)


def test_the_losses_of_sources_make_the_whole(told: Trained, table: pa.Table) -> None:
    assert_sources_make_the_whole(told)
    assert sum(step["supervised"] for step in told.log) == int(np.sum(table["n_supervised"].to_numpy()))
    assert all(step["loss"] > step["ntp"] for step in told.log), "labels are smoothed in the loss alone"
    assert all(step["memory"] > 50_000_000 and step["mfu"] is None and step["kl"] is None for step in told.log)


def test_the_loss_of_a_source_is_that_of_its_own_tokens(told: Trained, table: pa.Table, tmp_path: Path) -> None:
    inputs = FakeInputs(tables={"packed": table, "samples": samples(table)})
    known = sources.read(inputs)
    batch = PackedRows(rows.write(inputs, tmp_path, 64, known), 4).__getitems__([0, 1, 2, 3])
    segments: list[Any] = table["segments"].to_pylist()
    line_N, place_N = batch["predict_N"] // 64, batch["predict_N"] % 64
    expected = [
        next(s["position"] % 2 for s in segments[line] if s["start"] <= place < s["start"] + s["length"])
        for line, place in zip(line_N.tolist(), place_N.tolist(), strict=True)
    ]
    assert [known.names[number] for number in batch["source_N"].tolist()] == [CORPORA[number] for number in expected]
    counts = {row["corpus"]: row["tokens"] for row in of_kind(told, "training") if row["step"] == 1}
    assert counts == {corpus: expected.count(number) for number, corpus in enumerate(CORPORA)}


def test_a_followed_corpus_is_measured_before_on_the_way_and_after(told: Trained, base: Path) -> None:
    followed = of_kind(told, "followed")
    assert [(row["step"], row["corpus"]) for row in followed] == [(step, "corpus.ward") for step in (0, 2, 4, 6)]
    nats = count = 0.0
    model, engine = loaded(base), tokens.load(base)
    for ids in engine.encode_batch(TEXTS):
        whole = torch.tensor([*ids, engine.eos_id])
        for start, stop, scored in windows(len(whole), 1, 64):
            with torch.no_grad():
                logits = model(whole[None, start:stop]).logits[0]
            part = slice(scored - start - 1, stop - start - 1)
            nats += float(functional.cross_entropy(logits[part], whole[scored:stop], reduction="sum"))
            count += stop - scored
    size = sum(len(text.encode()) for text in TEXTS)
    assert followed[0]["tokens"] == count
    assert followed[0]["loss"] == pytest.approx(nats / count, rel=1e-5)
    assert followed[0]["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=1e-5)
    assert followed[-1]["loss"] != followed[0]["loss"]


def test_following_and_tracking_change_no_weight(told: Trained, base: Path, table: pa.Table, tmp_path: Path) -> None:
    deepspeed = {"zero_optimization": {"stage": 0}, "train_micro_batch_size_per_gpu": 2}
    plain = run_stage(tmp_path, base, table, deepspeed=deepspeed, label_smoothing=0.1)
    assert (plain.model / "model.safetensors").read_bytes() == (told.model / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 3])
def test_two_ranks_tell_what_one_does(zero: int, told: Trained, base: Path, table: pa.Table, tmp_path: Path) -> None:
    settings = {"zero_optimization": {"stage": zero}, "train_micro_batch_size_per_gpu": 1}
    found = run_stage(tmp_path, base, table, processes=2, deepspeed=settings, **SHARED)
    assert_sources_make_the_whole(found)
    assert len(found.loss) == len(told.loss)
    for one, other in zip(found.loss, told.loss, strict=True):
        assert (one["step"], one["corpus"], one["tokens"]) == (other["step"], other["corpus"], other["tokens"])
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


def test_tensorboard_holds_what_the_tables_do(told: Trained, folder: Path) -> None:
    events = EventAccumulator(str(folder / "tensorboard" / "stage.learn"))
    events.Reload()
    scalars = {tag: [(found.step, found.value) for found in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert scalars["train/loss"] == [(row["step"], pytest.approx(row["loss"])) for row in told.log]
    for corpus in CORPORA:
        rows_ = [row for row in of_kind(told, "training") if row["corpus"] == corpus]
        assert scalars[f"loss/{corpus}"] == [(row["step"], pytest.approx(row["loss"])) for row in rows_]
    followed = of_kind(told, "followed")
    assert scalars["followed/corpus.ward"] == [(row["step"], pytest.approx(row["loss"])) for row in followed]
    assert told.warnings == []


@pytest.mark.parametrize(("size", "expected"), [(3, [(0, 3, 1)]), (10, [(0, 8, 1), (2, 10, 8)])])
def test_windows(size: int, expected: list[tuple[int, int, int]]) -> None:
    assert list(windows(size, 1, 8)) == expected


@pytest.mark.parametrize("size", range(1, 40))
def test_windows_score_every_token_once(size: int) -> None:
    scored = [place for _, stop, first in windows(size, 1, 8) for place in range(first, stop)]
    assert scored == list(range(1, size))


def test_a_corpus_without_documents_is_said(base: Path, tmp_path: Path) -> None:
    inputs = FakeInputs(tables={"corpus.none": WARD.slice(0, 0)})
    assert lay_out(inputs, "corpus.none", tokens.load(base), tmp_path, 64).tokens == 0


def test_flops_are_those_that_torch_counts(base: Path) -> None:
    model, length = loaded(base), 24
    model.set_attn_implementation("eager")
    shape = metrics.shape_of(model)
    work = metrics.Work(tokens=length, supervised=length, squares=length**2)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.arange(length)[None], use_cache=False)
    halved = 2 * shape.layers * shape.width * length**2  # torch counts what the causal mask leaves out
    assert metrics.forward_flops(shape, work) + halved == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert metrics.training_flops(shape, work) == 3 * metrics.forward_flops(shape, work)
    assert metrics.training_flops(shape, work, shape) == 4 * metrics.forward_flops(shape, work)


def test_squares_count_segments_apart(tmp_path: Path) -> None:
    table = packed(3, 64)
    found = rows.write(FakeInputs(tables={"packed": table}), tmp_path, 64)
    segments: list[Any] = table["segments"].to_pylist()
    assert found.squares(0, 3) == sum(segment["length"] ** 2 for row in segments for segment in row)
    assert found.squares(3, 9) == 0


def poisoned(base: Path, folder: Path) -> Path:
    """The model with an embedding of token 250 that is no number, its output head left whole."""
    model = loaded(base)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False
    with torch.no_grad():
        model.model.embed_tokens.weight[250] = math.nan
    return saved(model, base, folder)


def saved(model: Any, base: Path, folder: Path) -> Path:
    model.save_pretrained(folder)
    for path in base.glob("tokenizer*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_loss_that_is_no_number_names_the_sample(base: Path, tmp_path: Path) -> None:
    table = packed(8, 64, vocabulary=200)
    lines = table.to_pylist()
    broken = lines[6]["segments"][1]
    place = broken["start"] + broken["length"] // 2
    lines[6]["input_ids"][place] = lines[6]["labels"][place] = 250
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path / "run", poisoned(base, tmp_path / "base"), pa.Table.from_pylist(lines))
    assert (caught.value.code, caught.value.message) == ("E0714", "the loss of step 2 is nan")
    rows_, samples_, query = caught.value.notes
    assert rows_ == "row 6 of `stage.learn_packed`"
    positions = [segment["position"] for segment in lines[6]["segments"]]
    assert samples_.startswith("samples with no number: ")
    assert "`web/601` (document `601.md`)" in samples_
    assert query.endswith(f"FROM stage.learn_samples WHERE position IN ({', '.join(map(str, positions))})")


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_gradient_that_is_no_number_stops_the_step(precision: str, base: Path, tmp_path: Path) -> None:
    model = loaded(base)
    layer, scale = model.model.layers[0], 1e25
    with torch.no_grad():
        layer.input_layernorm.weight *= scale
        for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            part.weight /= scale
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path / "run", saved(model, base, tmp_path / "base"), packed(8, 64), precision=precision)
    assert caught.value.code == "E0714"
    assert "the gradient of step 1 is no number, though its loss is 5." in caught.value.message
    assert caught.value.notes[0] == "rows 0 to 3 of `stage.learn_packed`"
    assert "all samples of these passes" in caught.value.notes[1]


FAKE = """\
told = []
def init(**settings):
    told.append(settings)
    return Run()
class Run:
    def log(self, values, step):
        if step == 3:
            raise OSError("no route")
        told.append((step, values))
    def finish(self):
        told.append("finished")
"""


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_trackers_are_told_and_may_fail(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{name}.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("TRACKIO_PROJECT", "mine")
    warnings: list[str] = []
    with tracking.Trackers(train_arguments(trackers=(name,)), context(tmp_path / "s", warnings=warnings)) as trackers:
        for step in range(1, 5):
            trackers.log(step, {"train/loss": 1.5})
    settings, *steps = sys.modules[name].told
    assert settings["config"]["stage"] == "stage.learn"
    assert settings.get("project") == (None if name == "wandb" else "mine"), "wandb reads the environment itself"
    assert steps == [(1, {"train/loss": 1.5}), (2, {"train/loss": 1.5})]
    assert warnings == [f"{name} failed and gets nothing more of this stage: OSError: no route"]


def test_a_tracker_that_is_not_there_is_an_error(
    base: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name == "wandb" else object())
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path, base, table, trackers=("tensorboard", "wandb"))
    assert (caught.value.code, caught.value.message) == ("E0809", "`wandb` cannot be imported")
    assert "structdsl[trackers]" in caught.value.helps[0]


def test_sources_are_numbered_by_their_first_sample() -> None:
    table = pa.table({"position": [5, 0, 9], "corpus": pa.array(["b", "a", "b"])})
    known = sources.read(FakeInputs(tables={"samples": table}))
    assert known.names == ("a", "b")
    assert known.of(np.array([9, 0, 5])).tolist() == [1, 0, 1]
