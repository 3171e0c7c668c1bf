"""Normalisation and redaction while reading: what is found, what is not, and that nothing of it is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from structdsl.plan import Normalisation, ReadFiles, Replacement
from structdsl_runtime.operations.read_files import read_files
from structdsl_runtime.reading.normalising import normaliser
from structdsl_runtime.reading.redacting import redactor

if TYPE_CHECKING:
    from tests.runtime.data.workshop import Table, Workshop


def redact(kind: Any, text: str, pattern: str | None = None, put: str = "X") -> tuple[str, int]:
    one = redactor(Replacement(what=kind, pattern=pattern, put=put))
    assert one.kind == kind
    nothing, found = one.hits(pa.array(["nothing here", text], pa.large_string())).to_pylist()
    assert not nothing
    (result,) = one.apply([text])
    assert found or not result[1]
    return result


FOUND = {
    "email": ["a.b+c@house.example", "A_1%x@sub.dom-ain.co.uk"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "6011000990139424"],
    "ip": ["192.168.0.1", "10.0.0.255", "2001:db8::1", "fe80::1ff:fe23:4567:890a", "::1", "::ffff:192.0.2.1"],
    "phone": [
        "+49 30 1234567",
        "+1 (555) 123-4567",
        "(030) 1234 5678",
        "030 12345678",
        "555-234-4567",
        "0049 30 1234567",
    ],
}
LEFT = {
    "email": ["a@b", "@house.example", "user@", "a @ b.example"],
    "card": ["4111 1111 1111 1112", "1234567890123", "0000 0000 0000 0000", "3.14159265358979323846", "9" * 40],
    "ip": ["1.2.3", "300.1.1.1", "1.2.3.4.5", "12:30:45", "std::vector", "a::b::c", "::", "10:20"],
    "phone": ["2013-05-18", "05.06.2013", "1939-1945", "12345", "0.5", "page 030", "1,000,000", "A+1 grade", "09/2013"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_what_is_found(kind: str, text: str) -> None:
    assert redact(kind, text) == ("X", 1)
    assert redact(kind, f"see {text}, and ({text})!\n{text}") == ("see X, and (X)!\nX", 3)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in LEFT.items() for text in texts])
def test_what_is_left(kind: str, text: str) -> None:
    assert redact(kind, f"see {text} there") == (f"see {text} there", 0)


def test_a_pattern_of_the_user_is_of_re2() -> None:
    assert redact("regex", "PT-123456 and PT-1", r"PT-(\d{2})\d{4}", r"[\1…]") == ("[12…] and PT-1", 1)
    assert redact("email", "a@b.example", put=r"\1") == (r"\1", 1)
    assert redact("regex", "a" * 100_000 + "!", r"(a*)*b") == ("a" * 100_000 + "!", 0)  # in linear time


def normalised(text: str, what: Any, **more: Any) -> str:
    one = normaliser(Normalisation(what=what, **more))
    ((changed, count),) = one.apply([text])
    assert one.hits(pa.array([text], pa.large_string())).to_pylist() == [True] or not count
    assert one.apply([changed]) == [(changed, 0)]
    return changed


def test_normalisations() -> None:
    assert normalised("e\u0301\u00ad \u200bﬁ\x07\ttab\n\u200d", "unicode") == "é ﬁ\ttab\n\u200d"
    assert normalised("ﬁ ²", "unicode", form="nfkc") == "fi 2"
    assert normalised("\n\n a\u00a0b \t\n\n\n\n  c\u3000\n", "whitespace") == " a b\n\n  c"
    for text in ("a ", "a\t", "\na", "a\n", "a \nb", "a\n\n\nb", "a\u3000b", "\x0b"):
        assert normalised(text, "whitespace") != text
    text = "Title\nWE use Cookies here\nWe use cookies to say something that is worth more words than that\nEnd"
    cut = normalised(text, "boilerplate", max_words=5, phrases=("we use cookies",))
    assert cut == text.replace("WE use Cookies here\n", "")
    assert normalised("We use cookies", "boilerplate", max_words=5, phrases=("we use cookies",)) == "We use cookies"


SECRET = "me@house.example"
ALL = [{"what": kind, "pattern": None, "put": f"[{kind}]"} for kind in ("email", "phone", "card", "ip")]


def read(run: Workshop, pattern: str, **more: Any) -> tuple[Table, Table, Table]:
    arguments = ReadFiles.model_validate({"corpus": "c", "pattern": pattern, "role": "domain", **more})
    made = run(read_files, arguments)
    return tuple(made[name].to_pylist() for name in ("documents", "faults", "redactions"))  # type: ignore[return-value]


def test_nothing_that_is_redacted_is_stored(run: Workshop) -> None:
    rows = [
        {
            "id": "a",
            "text": f"write {SECRET}\r\nor call +49 30 1234567",
            "by": {"mail": [SECRET]},
            "n": 4111111111111111,
        },
        {"id": "b", "text": "plain", "title": SECRET, "n": 4111111111111112},
        {"id": "c", "text": [SECRET]},
        {"id": "d", "text": 5, "x": "\ud800" + SECRET},
        {"id": "e", "text": "4111\u00a01111 1111 1111"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows) + json.dumps(SECRET) + "\n"
    run.files(c_jsonl=lines, d_md=f"# About {SECRET}\n\nfrom 10.0.0.1 to 10.0.0.2", e_md="e\u0301")
    normalise = [{"what": "unicode"}, {"what": "whitespace"}]
    documents, faults, redactions = read(run, "*.*", redact=ALL, normalise=normalise)
    assert SECRET not in json.dumps([documents, faults, redactions])
    found = {row["doc_id"]: row for row in documents}
    assert found["a"]["text"] == "write [email]\nor call [phone]"
    assert json.loads(found["a"]["meta"]) == {"by": {"mail": ["[email]"]}, "n": "[card]"}
    assert (found["b"]["title"], json.loads(found["b"]["meta"])) == ("[email]", {"n": 4111111111111112})
    assert (found["e"]["text"], found["e.md"]["text"]) == ("[card]", "é")
    assert (found["d.md"]["title"], found["d.md"]["n_chars"]) == ("About [email]", len(found["d.md"]["text"]))
    assert sorted((row["doc_id"], row["kind"], row["n"]) for row in redactions) == [
        ("a", "card", 1), ("a", "email", 2), ("a", "phone", 1), ("b", "email", 1), ("d.md", "email", 1),
        ("d.md", "ip", 2), ("e", "card", 1),
    ]  # fmt: skip
    assert [fault["reason"] for fault in faults] == ["wrong type", "wrong type", "not an object"]


def test_conversations_are_redacted_before_they_are_composed(run: Workshop) -> None:
    turns = [{"role": "user", "content": f"Mail {SECRET}?"}, {"role": "assistant", "content": "No."}]
    run.files(c_jsonl=json.dumps({"id": SECRET, "messages": turns}))
    (document,), _, redactions = read(run, "c.jsonl", role="instruction", redact=ALL)
    assert (document["question"], document["text"]) == ("Mail [email]?", "Mail [email]?\nNo.")
    assert document["messages"][0]["content"] == "Mail [email]?"
    assert redactions == [{"doc_id": SECRET, "kind": "email", "n": 1}]  # an id is no text, and stays
