"""Questions and documents put to a model, in a worker and in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn import functional

from structdsl.plan import ClosedBook, Divergence, Perplexity, ScoreRows
from structdsl.plan.operations import Template
from structdsl_runtime.evaluation import generate, likelihood, tasks
from structdsl_runtime.evaluation.questions import Item, prompts
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.evaluate import closed_book, divergence, perplexity
from structdsl_runtime.operations.score_rows import score_rows
from structdsl_runtime.text import chat, tokens
from structdsl_runtime.training.objective import PredictingHead
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context, loaded

COLUMNS = [
    *("model", "task", "item", "prompt", "output", "parsed", "answer", "score", "path", "n_tokens", "n_bytes"),
]
QUESTIONS = ["What?", "What does the baker of Saltmere like to eat?", "Who?", "Où?", "Which animal has Ada?", "Why so?"]


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    """Weights large enough that answers differ from prompt to prompt."""
    found = loaded(base)
    found.eval()
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return found


def exam(count: int = 6) -> pa.Table:
    return pa.table(
        {
            "doc_id": [f"q{number}" for number in range(count)],
            "question": QUESTIONS[:count],
            "answer": ["dumplings"] * count,
            "aliases": pa.array(([None, ["Dumpling"]] * 3)[:count], pa.list_(pa.string())),
            "path": [None] * count,
        }
    )


def test_closed_book(base: Path, tmp_path: Path) -> None:
    arguments = ClosedBook(model="model.base", task="exam", shots=0, max_tokens=5, seed=0)
    outputs = FakeOutputs(tmp_path)
    where = context(tmp_path, "evaluation.board.exam")
    closed_book(arguments, FakeInputs({"exam": exam()}, {"model": base}), outputs, where)
    rows = outputs.tables["items"]
    assert [row["item"] for row in rows] == [f"q{number}" for number in range(6)]
    assert all(list(row) == COLUMNS for row in rows)
    assert rows[0]["prompt"] == "What?\n"
    assert all(row["score"] == 0.0 and 0 < row["n_tokens"] <= 5 for row in rows)


@pytest.mark.slow
def test_several_processes_find_what_one_finds(
    base: Path, moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structdsl_runtime.operations.evaluate.processors", lambda: 2)
    found: list[list[dict[str, Any]]] = []
    for processes in (1, 2):
        arguments = ClosedBook(model="model.base", task="exam", shots=1, max_tokens=5, seed=0, processes=processes)
        outputs, where = FakeOutputs(tmp_path / str(processes)), context(tmp_path / str(processes))
        closed_book(arguments, FakeInputs({"exam": exam(5)}, {"model": base}), outputs, where)
        found.append(outputs.tables["items"])
        told = {path.name for path in (where.scratch / "events").iterdir()}
        assert told == {"progress.jsonl", "progress-1.jsonl"} if processes == 2 else {"progress.jsonl"}
    assert found[0] == found[1]
    scores = [[row["score"] for row in apart(moved, base, tmp_path / f"kl{n}", processes=n)] for n in (1, 2)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


@pytest.mark.slow
def test_several_processes_score_as_one(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structdsl_runtime.operations.evaluate.processors", lambda: 2)
    texts = [f"Text {number}. " * (9 - number) for number in range(7)]
    inputs = FakeInputs({"documents": pa.table({"doc_id": list("abcdefg"), "text": texts})}, {"model": base})
    found: list[list[dict[str, Any]]] = []
    for processes in (1, 2):
        outputs, where = FakeOutputs(tmp_path / str(processes)), context(tmp_path / str(processes))
        perplexity(Perplexity(model="model.base", task="drift", processes=processes), inputs, outputs, where)
        found.append(outputs.tables["items"])
        assert len(list((where.scratch / "events").iterdir())) == processes
    assert [row["item"] for row in found[0]] == list("abcdefg")
    assert [{**row, "score": pytest.approx(row["score"], rel=1e-5)} for row in found[0]] == found[1]


def test_an_exam_without_questions_starts_nothing(base: Path, tmp_path: Path) -> None:
    arguments = ClosedBook(model="model.base", task="exam", shots=0, max_tokens=5, seed=0)
    outputs = FakeOutputs(tmp_path)
    closed_book(arguments, FakeInputs({"exam": exam(0)}, {"model": base}), outputs, context(tmp_path))
    assert outputs.tables["items"] == []


def test_an_answer_does_not_depend_on_its_company(model: Any, base: Path) -> None:
    tokenizer = tokens.load(base)
    asked = tokenizer.encode_batch([question + "\n" for question in QUESTIONS])
    ask: dict[str, Any] = {"max_tokens": 12, "ends": frozenset({tokenizer.eos_id})}
    together = sorted(generate.answers(model, tokenizer, asked, **ask))
    alone = [next(generate.answers(model, tokenizer, [prompt], **ask)) for prompt in asked]
    assert [answer[1:] for answer in together] == [answer[1:] for answer in alone]
    assert len({answer[1] for answer in together}) > 1


def test_greedy_is_what_transformers_generates(model: Any, base: Path) -> None:
    tokenizer = tokens.load(base)
    ids = torch.tensor(tokenizer.encode_batch(["What does she play?\n"]))
    theirs = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=256)[0, ids.shape[1] :].tolist()
    ours = generate._greedy(model, tokenizer, ids.tolist(), 8, frozenset(), "")
    assert theirs[: len(ours[0])] == ours[0]


@pytest.mark.parametrize(
    ("said", "kept", "stop"),
    [
        ("ham\neggs", "ham\n", ""),
        ("\n\nham\neggs", "\n\nham\n", ""),
        ("ham<|endoftext|>eggs", "ham", ""),
        ("hammer", "hamme", ""),
        ("é[end]eggs", "é[end]", "[end]"),
        ("[é]eggs", "[é]", "[é]"),
    ],
)
def test_an_answer_ends_with_its_line_or_its_text(said: str, kept: str, stop: str, base: Path) -> None:
    tokenizer = tokens.load(base)
    ids = [id_ for piece in _letters(said) for id_ in ([256] if piece is None else tokenizer.encode_batch([piece])[0])]
    answer: list[int] = []
    for token in ids[: 5 if said == "hammer" else None]:
        if not generate._goes_on(answer, token, tokenizer, frozenset({256}), stop):
            break
    assert tokenizer.decode(answer) == kept


def _letters(text: str) -> list[str | None]:
    before, end, after = text.partition("<|endoftext|>")
    return [*before, *([None] if end else []), *after]


def test_worked_examples_come_from_the_other_items() -> None:
    items = [
        Item(item=f"q{number}", question=f"Q{number}?", answer=f"A{number}", aliases=(), path=None)
        for number in range(5)
    ]
    asked = prompts(items, shots=2, seed=1)
    for number, prompt in enumerate(asked):
        assert prompt.endswith(f"Q{number}?\n")
        assert prompt.count("?\nA") == 2
        assert f"A{number}" not in prompt
    assert asked == prompts(items, shots=2, seed=1)
    assert asked != prompts(items, shots=2, seed=2)
    assert prompts(items[:2], shots=4, seed=1)[0] == "Q1?\nA1\n\nQ0?\n"
    assert prompts(items, shots=0, seed=1)[3] == "Q3?\n"


TALKATIVE = """\
{%- for m in messages %}[{{ m.role }}]{{ '<!>' if m.role == 'assistant' and loop.last }}{{ m.content }}[end]
{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"""


def test_a_model_is_asked_in_the_template_that_it_was_trained_in(base: Path, tokenizer: Path, tmp_path: Path) -> None:
    """Token for token, with examples as earlier turns; what ends every turn is no part of an answer."""
    (tmp_path / "chat.jinja").write_text(TALKATIVE)
    template = Template(kind="file", path="chat.jinja")
    asking = ClosedBook(model="stage.a", task="exam", shots=1, max_tokens=5, seed=0, template=template)
    inputs, outputs = FakeInputs({"exam": exam(3)}, {"model": base, "tokenizer": tokenizer}), FakeOutputs(tmp_path)
    where = context(tmp_path / "asked", root=tmp_path)
    closed_book(asking, inputs, outputs, where)
    rows = outputs.tables["items"]
    assert {row["prompt"].count("[assistant]dumplings[end]\n[user]") for row in rows} == {1}
    assert all(
        row["prompt"].endswith(f"\n[user]{question}[end]\n[assistant]<!>")
        for row, question in zip(rows, QUESTIONS, strict=False)
    )
    known = tokens.load(tokenizer)
    renderer = chat.load(template, known, {"tokenizer": tokenizer}, tmp_path)
    told = [json.loads(line) for line in (where.scratch / "items.jsonl").read_text().splitlines()]
    for number, (question, row) in enumerate(zip(told, rows, strict=True)):
        example = row["prompt"].removeprefix("[user]").partition("[end]")[0]
        turns = [("user", example), ("assistant", "dumplings"), ("user", QUESTIONS[number])]
        made = renderer.render([{"role": role, "content": said} for role, said in turns], "ham", "")
        asked, said = known.encode_rendered(made.prompt, made.response, made.marks)
        ending = len(b"ham[end]\n") + 1
        assert tasks._ids_of([chat.Asked(**question)], known) == [[*asked, *said[:-ending]]]
        assert question["stop"] == "[end]"


def test_what_ends_a_turn_is_no_part_of_an_answer(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tokens.load(base)
    monkeypatch.setattr(generate, "_greedy", lambda *_: [known.encode_batch(["ham<|im_end|>"])[0]])
    found = generate.answers(loaded(base), known, [[1]], max_tokens=20, ends=frozenset(), stop="<|im_end|>")
    assert [text for _, text, _ in found] == ["ham"]


def test_perplexity(base: Path, tmp_path: Path) -> None:
    texts = ["Ada bakes.", "é" * 100, "x"]  # 10, 200 and 1 tokens; the model has 64 positions
    table = pa.table({"doc_id": ["a", "b", "c"], "text": texts})
    outputs = FakeOutputs(tmp_path)
    inputs = FakeInputs({"documents": table}, {"model": base})
    perplexity(Perplexity(model="model.base", task="drift"), inputs, outputs, context(tmp_path))
    rows = {row["item"]: row for row in outputs.tables["items"]}
    assert all(list(row) == COLUMNS for row in rows.values())
    assert {item: (row["n_tokens"], row["n_bytes"]) for item, row in rows.items()} == {
        "a": (10, 10),
        "b": (200, 200),
        "c": (1, 1),
    }
    model, tokenizer = loaded(base), tokens.load(base)
    ids = torch.tensor([*tokenizer.encode_batch(texts[:1])[0], tokenizer.eos_id])
    expected = functional.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:])
    assert rows["a"]["score"] == pytest.approx(expected.item(), rel=1e-5)


def test_rows_are_as_hard_as_their_text_is_unlikely(base: Path, tmp_path: Path) -> None:
    texts = {"c": "Ada bakes.", "a": "é" * 100, "b": "x"}
    outputs = FakeOutputs(tmp_path)
    inputs = FakeInputs(
        {"rows": pa.table({"sample_id": list(texts), "text": list(texts.values())})},
        {"model": base},
    )
    score_rows(ScoreRows(), inputs, outputs, context(tmp_path))
    model, tokenizer = loaded(base), tokens.load(base)
    for row in outputs.tables["scores"]:
        documents = [[*tokenizer.encode_batch([texts[row["sample_id"]]])[0], tokenizer.eos_id]]
        ((nats, count),) = likelihood.document_losses(model, PredictingHead(model), documents, context=1)
        assert row["score"] == pytest.approx(nats / count, rel=1e-5)
    assert [row["sample_id"] for row in outputs.tables["scores"]] == ["a", "b", "c"]


@pytest.fixture(scope="module")
def moved(model: Any, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `model`, whose weights are others than those of `base`."""
    folder = tmp_path_factory.mktemp("moved") / "model"
    shutil.copytree(base, folder)
    model.save_pretrained(folder)
    return folder


TEXTS = ["Ada bakes.", "é" * 100, "x", "The baker of Saltmere eats ham."]


def apart(model: Path, reference: Path, where: Path, **more: Any) -> list[dict[str, Any]]:
    table = pa.table({"doc_id": [*"abcd"], "text": TEXTS})
    outputs = FakeOutputs(where)
    inputs = FakeInputs({"documents": table}, {"model": model, "reference": reference})
    arguments = Divergence(model="stage.learn", task="drift", **more)
    divergence(arguments, inputs, outputs, context(where))
    return sorted(outputs.tables["items"], key=lambda row: str(row["item"]))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def test_divergence(base: Path, model: Any, moved: Path, tmp_path: Path) -> None:
    rows = apart(moved, base, tmp_path)
    assert all(list(row) == COLUMNS for row in rows)
    assert [(row["n_tokens"], row["n_bytes"]) for row in rows] == [(10, 10), (200, 200), (1, 1), (31, 31)]
    reference, tokenizer = loaded(base).eval(), tokens.load(base)
    for row, text in zip(rows, TEXTS, strict=True):
        ids = [*tokenizer.encode_batch([text])[0], tokenizer.eos_id]
        found: list[float] = []
        for part in likelihood.windows(0, len(ids), 1, 64):
            read = torch.tensor([ids[part.start : part.stop]])
            q, p = (log_softmax(one(read).logits[0].detach().numpy().astype(np.float64)) for one in (model, reference))
            at = slice(part.scored - part.start - 1, part.length - 1)
            found += (np.exp(p) * (p - q)).sum(-1)[at].tolist()
        assert row["score"] == pytest.approx(np.mean(found), rel=1e-4)
        assert row["score"] > 0.01


def test_nothing_diverges_from_itself(base: Path, model: Any, tmp_path: Path) -> None:
    rows = apart(base, base, tmp_path)
    assert [row["score"] for row in rows] == [0.0] * 4
    assert [row["n_tokens"] for row in rows] == [10, 200, 1, 31]
    one = (model, PredictingHead(model))
    found = likelihood.document_divergences(one, one, [[1, 2, 3], [4] * 150], context=1)
    assert [count for _, count in found] == [2, 149]
    assert all(abs(nats) <= 1e-6 * count for nats, count in found)


def test_a_divergence_needs_one_vocabulary(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    words = json.loads((other / "tokenizer.json").read_text())
    words["model"]["vocab"] = {word: 255 - number for word, number in words["model"]["vocab"].items()}
    (other / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(Fault, match="read with different tokenizers") as caught:
        apart(base, other, tmp_path)
    assert caught.value.code == "E0708"


def test_a_divergence_is_the_same_in_pieces(base: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more logits than those of 7 tokens at a time."""
    reference = loaded(base).eval()
    one, other = (model, PredictingHead(model)), (reference, PredictingHead(reference))
    documents = [[*range(10, 60)], [*range(200)], [5, 6]]
    whole = likelihood.document_divergences(one, other, documents, context=1)
    asked: list[int] = []
    other[1].module.register_forward_hook(lambda *told: asked.append(told[2].shape[0]))
    monkeypatch.setattr(likelihood, "PIECE_LOGITS", 7 * model.config.vocab_size)
    found = likelihood.document_divergences(one, other, documents, context=1)
    assert max(asked) == 7
    assert [count for _, count in found] == [count for _, count in whole]
    assert [nats for nats, _ in found] == pytest.approx([nats for nats, _ in whole], rel=1e-4)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 12, 13, 40, 41])
def test_windows_score_each_token_once_with_half_a_window_before_it(length: int) -> None:
    parts = list(likelihood.windows(0, length, 1, 8))
    assert [place for part in parts for place in range(part.scored, part.stop)] == list(range(1, length))
    assert all(part.length <= 8 and part.start >= 0 for part in parts)
    assert all(part.scored - part.start >= 4 for part in parts[1:])


def test_a_document_is_scored_alike_in_any_company(model: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    documents = [torch.randint(256, (size,), generator=generator).tolist() for size in (5, 64, 65, 200, 2, 31)]
    head = PredictingHead(model)
    together = likelihood.document_losses(model, head, documents, context=1)
    alone = [likelihood.document_losses(model, head, [ids], context=1)[0] for ids in documents]
    for (nats, count), (expected, number) in zip(together, alone, strict=True):
        assert count == number
        assert nats == pytest.approx(expected, rel=1e-5)
    assert [count for _, count in together] == [len(ids) - 1 for ids in documents]
