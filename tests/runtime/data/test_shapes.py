"""Instructions and preferences in the shapes that they come in: what is read, what is left out and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from structdsl.plan import ReadFiles, SplitConversations
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.read_files import read_files
from structdsl_runtime.operations.split_conversations import split_conversations

if TYPE_CHECKING:
    from tests.runtime.data.workshop import Table, Workshop


def read(run: Workshop, *rows: object, role: str = "instruction", **columns: str) -> tuple[Table, Table]:
    run.files(c_jsonl="".join(json.dumps(row) + "\n" for row in rows))
    arguments = ReadFiles.model_validate({"corpus": "c", "pattern": "c.jsonl", "role": role, "columns": columns})
    made = run(read_files, arguments)
    return made["documents"].to_pylist(), made["faults"].to_pylist()


def said(*turns: str, names: tuple[str, str] = ("role", "content")) -> list[dict[str, str]]:
    return [dict(zip(names, turn.split(":", 1), strict=True)) for turn in turns]


TWO = said("system:S", "user:A?", "assistant:B", "user:C?", "assistant:D")
SHAREGPT = said("system:S", "human:A?", "gpt:B", "human:C?", "gpt:D", names=("from", "value"))
PLAIN = ("S\n\nA?\nB\n\nC?", "D")

SHAPES: dict[str, tuple[str, dict[str, Any], tuple[str, str], int]] = {
    "question": ("question/answer", {"question": "A?", "answer": 4}, ("A?", "4"), 0),
    "strings": ("prompt/completion", {"prompt": "A?", "completion": "B"}, ("A?", "B"), 0),
    "messages": ("messages", {"messages": TWO}, PLAIN, 5),
    "one turn": ("messages", {"messages": TWO[1:3]}, ("A?", "B"), 2),
    "a system beside": ("messages", {"messages": TWO[1:], "system": "S"}, PLAIN, 5),
    "sharegpt": ("sharegpt", {"conversations": SHAREGPT}, PLAIN, 5),
    "sharegpt as messages": ("messages", {"messages": SHAREGPT}, PLAIN, 5),
    "a tool": (
        "messages",
        {"messages": said("user:A?", "assistant:look", "tool:7", "assistant:D")},
        ("A?\nlook\n\n7", "D"),
        4,
    ),
    "parts": (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "A?"}]}, *said("assistant:B")]},
        ("A?", "B"),
        2,
    ),
    "lists": ("prompt/completion", {"prompt": TWO[:-1], "completion": TWO[-1:]}, PLAIN, 5),
    "alpaca": ("alpaca", {"instruction": "A", "input": "", "output": "B"}, ("A", "B"), 0),
    "alpaca with input": ("alpaca", {"instruction": "A", "input": "I\r\n", "output": "B"}, ("A\n\nI\n", "B"), 0),
    "alpaca with history": (
        "alpaca",
        {"instruction": "C?", "output": "D", "system": "S", "history": [["A?", "B"]]},
        PLAIN,
        5,
    ),
    "others are null": ("question/answer", {"messages": None, "question": "A?", "answer": "B"}, ("A?", "B"), 0),
}


@pytest.mark.parametrize(("shape", "row", "asked", "turns"), SHAPES.values(), ids=SHAPES)
def test_an_instruction(run: Workshop, shape: str, row: dict[str, Any], asked: tuple[str, str], turns: int) -> None:
    (document,), faults = read(run, row | {"lesson": 3})
    assert not faults
    assert (document["question"], document["answer"]) == asked
    assert document["text"] == "\n".join(asked)
    assert document["n_chars"] == len(document["text"])
    assert document["shape"] == shape
    assert json.loads(document["meta"])["lesson"] == 3
    assert not {"input", "history", "conversations"} & set(json.loads(document["meta"]))
    assert len(document["messages"] or ()) == turns
    if turns == 5:
        assert document["messages"] == TWO


PAIRS: dict[str, tuple[str, dict[str, Any], tuple[str, str, str], str, int]] = {
    "strings": (
        "prompt/chosen/rejected",
        {"prompt": "Q?", "chosen": "yes", "rejected": "no"},
        ("Q?", "yes", "no"),
        "Q?\nyes",
        0,
    ),
    "one prefix": (
        "chosen/rejected",
        {"chosen": "The sky is blue.", "rejected": "The sky is black."},
        ("The sky is", "blue.", "black."),
        "The sky is blue.",
        0,
    ),
    "messages": (
        "prompt/chosen/rejected",
        {"prompt": TWO[:-1], "chosen": TWO[-1:], "rejected": said("assistant:E")},
        (PLAIN[0], "D", "E"),
        "\n".join(PLAIN),
        5,
    ),
    "messages with one prefix": (
        "chosen/rejected",
        {"chosen": TWO, "rejected": [*TWO[:-1], *said("assistant:E")]},
        (PLAIN[0], "D", "E"),
        "\n".join(PLAIN),
        5,
    ),
    "a prompt that they repeat": (
        "prompt/chosen/rejected",
        {"prompt": "A?", "chosen": TWO[1:3], "rejected": said("user:A?", "assistant:E")},
        ("A?", "B", "E"),
        "A?\nB",
        2,
    ),
    "the same twice": ("chosen/rejected", {"chosen": TWO, "rejected": TWO}, (PLAIN[0], "D", "D"), "\n".join(PLAIN), 5),
}


@pytest.mark.parametrize(("shape", "row", "pair", "text", "turns"), PAIRS.values(), ids=PAIRS)
def test_a_preference(
    run: Workshop, shape: str, row: dict[str, Any], pair: tuple[str, str, str], text: str, turns: int
) -> None:
    (document,), faults = read(run, row, role="preference")
    assert not faults
    assert tuple(document[name] for name in ("prompt", "chosen", "rejected")) == pair
    assert (document["text"], document["shape"]) == (text, shape)
    assert len(document["messages"] or ()) == turns


def test_a_file_may_mix_them(run: Workshop) -> None:
    rows = [row for _, row, *_ in SHAPES.values()]
    documents, faults = read(run, *rows)
    assert not faults
    assert [document["shape"] for document in documents] == [shape for shape, *_ in SHAPES.values()]


def test_columns_win(run: Workshop) -> None:
    row = {"messages": TWO, "instruction": "I", "input": "J", "output": "O", "turns": SHAREGPT}
    (document,), _ = read(run, row, question="instruction", answer="output")
    assert (document["question"], document["answer"], document["shape"]) == ("I", "O", "columns")
    assert document["messages"] is None
    (document,), _ = read(run, row, messages="turns")
    assert (document["question"], document["shape"]) == (PLAIN[0], "columns")
    (document,), _ = read(run, row, lang="input")
    assert (document["shape"], document["lang"]) == ("messages", "J")
    pair = {"q": "Q", "good": "yes", "bad": "no"}
    (document,), _ = read(run, pair, role="preference", prompt="q", chosen="good", rejected="bad")
    assert (document["text"], document["shape"]) == ("Q\nyes", "columns")


UNFIT = {
    "fits nothing": ({"foo": 1}, "unknown shape", "none of messages, conversations"),
    "half a shape": ({"prompt": "A?"}, "missing column", "`completion` is not there"),
    "no answer": ({"question": "A?", "answer": None}, "missing column", "`answer` is null"),
    "an empty answer": ({"instruction": "A", "output": " "}, "empty", "`output` has no text"),
    "a question at the end": ({"messages": TWO[:-1]}, "no answer", "ends with a turn of the user"),
    "a lone reply": ({"messages": TWO[-1:]}, "no question", "no turn of a user"),
    "an empty turn": ({"messages": [*said("user: "), TWO[-1]]}, "empty turn", "turn 1 of `messages`"),
    "no turn": ({"conversations": []}, "empty", "`conversations` has no turns"),
    "no list": ({"messages": {"role": "user"}}, "wrong type", "`messages` is an object"),
    "no turns": ({"messages": ["A?", "B"]}, "wrong type", "no list of turns"),
    "a stranger": ({"messages": [*said("critic:x"), *TWO]}, "unknown role", 'turn 1 of `messages` is of the role "cri'),
    "a picture": (
        {"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}, TWO[-1]]},
        "not text",
        "turn 1",
    ),
    "a call": (
        {"messages": [TWO[1], {"role": "assistant", "content": "", "tool_calls": [{"id": 1}]}]},
        "tool call",
        "turn 2 of `messages` has `tool_calls`",
    ),
    "tools": ({"messages": TWO, "tools": [{"name": "f"}]}, "tools", "`tools`"),
    "two systems": ({"messages": TWO, "system": "S"}, "two systems", "more than one"),
    "a history of something": ({"instruction": "A", "output": "B", "history": ["x"]}, "wrong type", "`history`"),
    "half a surrogate": ({"messages": [*said("user:\ud800"), TWO[-1]]}, "undecodable", "lone surrogate"),
}


@pytest.mark.parametrize(("row", "reason", "evidence"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_says_why(run: Workshop, row: object, reason: str, evidence: str) -> None:
    documents, faults = read(run, row, {"question": "A?", "answer": "B"})
    assert len(documents) == 1
    assert [(fault["source"], fault["reason"]) for fault in faults] == [("c.jsonl#L1", reason)]
    assert evidence in faults[0]["evidence"]


UNPAIRED = {
    "no rejected": ({"prompt": "Q", "chosen": "yes"}, "missing column"),
    "nothing shared": ({"chosen": "yes", "rejected": "no"}, "empty"),
    "two replies": ({"prompt": "Q", "chosen": [TWO[2], *TWO[3:]], "rejected": "no"}, "no pair"),
    "another prompt": ({"prompt": "other", "chosen": TWO[1:3], "rejected": [TWO[1], TWO[4]]}, "two prompts"),
    "an empty reply": ({"prompt": "Q", "chosen": "yes", "rejected": " "}, "empty"),
}


@pytest.mark.parametrize(("row", "reason"), UNPAIRED.values(), ids=UNPAIRED)
def test_what_is_no_pair_says_why(run: Workshop, row: object, reason: str) -> None:
    documents, faults = read(run, row, {"prompt": "Q", "chosen": "yes", "rejected": "no"}, role="preference")
    assert len(documents) == 1
    assert [fault["reason"] for fault in faults] == [reason]


def test_a_file_in_no_shape(run: Workshop) -> None:
    with pytest.raises(Fault) as caught:
        read(run, {"query": "A?", "reply": "B"})
    assert (caught.value.code, caught.value.notes) == ("E0514", ("columns that are there: query, reply",))
    assert "prompt/completion" in caught.value.helps[1]
    with pytest.raises(Fault) as caught:
        read(run, {"messages": TWO}, messages="turns")
    assert caught.value.message == "column `turns` is in no row of corpus `c`"


def test_conversations_of_a_query(run: Workshop) -> None:
    empty = dict.fromkeys(("text", "title", "lang", "n_chars", "question", "answer", "path", "chunk_id", "shape"))
    base = {**empty, "corpus": "c", "role": "instruction", "source": "corpus.c", "meta": "{}", "messages": None}
    given: Table = [
        {"doc_id": "a", "messages": TWO},
        {"doc_id": "b", "question": "A?", "answer": "B"},
        {"doc_id": "c", "messages": TWO[:-1]},
        {"doc_id": "d", "messages": TWO, "question": "another"},
        {"doc_id": "e", "question": "A?"},
    ]
    made = run(split_conversations, _Split(), {"documents": [base | row for row in given]})
    documents = {row["doc_id"]: row for row in made["documents"].to_pylist()}
    assert {name: (row["question"], row["answer"]) for name, row in documents.items()} == {"a": PLAIN, "b": ("A?", "B")}
    assert documents["b"]["text"] == "A?\nB"
    assert documents["a"]["n_chars"] == len(documents["a"]["text"])
    assert [(row["doc_id"], row["step"], row["reason"]) for row in made["faults"].to_pylist()] == [
        ("c", "split", "no answer"),
        ("d", "split", "contradiction"),
        ("e", "split", "missing column"),
    ]


class _Split(SplitConversations):
    role: str = "instruction"  # by which the workshop knows the columns
