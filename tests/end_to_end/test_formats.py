"""Instructions and preferences in every shape, from files to packed rows: plain text in cpt, a template in sft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from structdsl_runtime.text import tokens
from tests.end_to_end.folder import Folder, lines

SPEC = """\
language 1
model tiny {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 256)
  tokenizer = bpe(vocab = 600, over = [corpus.book, corpus.web])
}
corpus book     { source = files("book/*.md"), role = domain, chunk = paragraphs(max = 48 tokens) }
corpus web      { source = files("web.jsonl"), role = replay }
corpus chat     { source = files("chat/*.jsonl"), role = instruction }
corpus ratings  { source = files("ratings.jsonl"), role = preference }
corpus long: derived {
  over   = [corpus.chat]
  role   = instruction
  select = sql "SELECT * FROM ${corpus.chat} WHERE len(messages) > 2 OR shape = 'alpaca'"
}
mixture m {
  budget     = 12k tokens
  max_epochs = 40
  weights    = { corpus.book: 40%, corpus.chat: 20%, corpus.ratings: 20%, corpus.web: rest }
}
stage learn: cpt { from = model.tiny, data = mixture.m, length = 128, batch = 1Ki tokens, pack = first_fit }
stage talk: sft {
  from = stage.learn, data = corpus.chat, template = chatml
  length = 256, batch = 1Ki tokens, pack = none
}
stage plain: sft { from = stage.learn, data = corpus.long, length = 128, batch = 1Ki tokens }
"""


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def chats(number: int) -> list[dict[str, Any]]:
    asked, said = f"What comes after {number}?", f"Number {number + 1}."
    talk = [turn("system", "Count."), turn("user", asked), turn("assistant", said), turn("user", "And then?")]
    return [
        {"id": f"m{number}", "messages": [*talk, turn("assistant", f"Number {number + 2}.")]},
        {"id": f"s{number}", "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]},
        {"id": f"a{number}", "instruction": "What comes after?", "input": str(number), "output": said},
        {"id": f"p{number}", "prompt": [turn("user", asked)], "completion": [turn("assistant", said)]},
        {"id": f"q{number}", "question": asked, "answer": said},
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    path: Path = tmp_path_factory.mktemp("formats")
    for name in ("book", "chat"):
        (path / name).mkdir()
    text = "".join(f"## Part {n}\n\nNumber {n} stands before number {n + 1}.\n\n" for n in range(30))
    (path / "book" / "count.md").write_text(f"# Counting\n\n{text}", encoding="utf-8")
    lines(path / "web.jsonl", [{"text": f"Sentence {n} of the web."} for n in range(30)])
    rows = [row for number in range(8) for row in chats(number)]
    lines(path / "chat" / "mixed.jsonl", [*rows, {"id": "open", "messages": [turn("user", "Hello?")]}, {"foo": 1}])
    better, worse = turn("assistant", "Better."), turn("assistant", "Worse.")
    pairs = [
        {"prompt": f"Which is {n}?", "chosen": "The better.", "rejected": "The worse."}
        if n % 2
        else {"chosen": [turn("user", f"Which {n}?"), better], "rejected": [turn("user", f"Which {n}?"), worse]}
        for n in range(20)
    ]
    lines(path / "ratings.jsonl", pairs)
    folder = Folder(path)
    folder.spec.write_text(SPEC, encoding="utf-8")
    steps = [f"stage.{stage}.{step}" for stage in ("learn", "talk", "plain") for step in ("samples", "pack")]
    wanted = [*steps, "mixture.m.summary", "corpus.chat.dropped"]
    folder.shell("run", *(word for step in wanted for word in ("--select", step)))
    return folder


def decoded(folder: Folder, stage: str) -> list[tuple[str, str, int]]:
    """What is read, what of it is learnt, and how many tokens are not, sample by sample of the packed rows."""
    (path,) = (path.parent for path in folder.store.rglob("tokenizer.json"))
    tokenizer = tokens.load(path)
    found = []
    for row in folder.rows(f"SELECT input_ids, labels, segments FROM stage.{stage}_packed"):
        segments = row["segments"] if isinstance(row["segments"], list) else json.loads(row["segments"])
        for segment in segments:
            span = slice(segment["start"], segment["start"] + segment["length"])
            learnt = [label for label in row["labels"][span] if label != -100]
            found.append(
                (tokenizer.decode(row["input_ids"][span]), tokenizer.decode(learnt), segment["length"] - len(learnt))
            )
    return found


def test_every_shape_is_told(made: Folder) -> None:
    shapes = {row["shape"]: row["n"] for row in made.rows("SELECT shape, count(*) AS n FROM corpus.chat GROUP BY 1")}
    assert shapes == dict.fromkeys(("messages", "sharegpt", "alpaca", "prompt/completion", "question/answer"), 8)
    dropped = made.rows("SELECT doc_id, reason FROM corpus.chat_dropped ORDER BY reason")
    assert [row["reason"] for row in dropped] == ["no answer", "unknown shape"]
    pairs = made.rows("SELECT shape, count(*) AS n FROM corpus.ratings GROUP BY 1 ORDER BY 1")
    assert [(row["shape"], row["n"]) for row in pairs] == [("chosen/rejected", 10), ("prompt/chosen/rejected", 10)]


def test_the_mixture_has_its_shares(made: Folder) -> None:
    shares = {row["corpus"]: row["share"] for row in made.rows("SELECT corpus, share FROM mixture.m_summary")}
    assert shares == pytest.approx({"book": 0.4, "chat": 0.2, "ratings": 0.2, "web": 0.2}, abs=0.02)


def test_in_cpt_every_token_is_learnt(made: Folder) -> None:
    samples = decoded(made, "learn")
    assert {masked for *_, masked in samples} == {1}  # the first of a sample has nothing to predict it
    assert all(read.endswith(learnt) for read, learnt, _ in samples)
    texts = {read for read, *_ in samples}
    assert "Count.\n\nWhat comes after 3?\nNumber 4.\n\nAnd then?\nNumber 5.<|endoftext|>" in texts
    assert "What comes after?\n\n3\nNumber 4.<|endoftext|>" in texts
    assert {"Which is 3?\nThe better.<|endoftext|>", "Which 4?\nBetter.<|endoftext|>"} <= texts
    assert not any("orse" in text for text in texts)


def test_in_sft_the_last_answer_is_learnt(made: Folder) -> None:
    samples = {read: learnt for read, learnt, _ in decoded(made, "talk")}
    assert len(samples) == 8 * 5 - 8 * 2  # three shapes say the same
    opening = "<|im_start|>system\nCount.<|im_end|>\n<|im_start|>user\nWhat comes after 3?<|im_end|>\n"
    talk = f"{opening}<|im_start|>assistant\nNumber 4.<|im_end|>\n<|im_start|>user\nAnd then?<|im_end|>\n"
    last = "Number 5.<|im_end|>\n<|endoftext|>"
    assert samples[f"{talk}<|im_start|>assistant\n{last}"] == last
    counts = made.rows("SELECT len(segments) AS n, count(*) AS rows FROM stage.talk_packed GROUP BY 1")
    assert counts == [{"n": 1, "rows": 40}]


def test_conversations_of_a_query(made: Folder) -> None:
    samples = {read: learnt for read, learnt, _ in decoded(made, "plain")}
    assert len(samples) == 16
    question = "Count.\n\nWhat comes after 3?\nNumber 4.\n\nAnd then?\n"
    assert samples[f"{question}Number 5.<|endoftext|>"] == "Number 5.<|endoftext|>"
