"""Normalisation and redaction while reading: what is found, what is not, and that nothing of it is stored."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from structdsl.plan import Normalisation, ReadFiles, Replacement
from structdsl_runtime.operation import Fault
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
    "email": [
        "a.b+c@house.example",
        "A_1%x@sub.dom-ain.co.uk",
        "JOHN.O'BRIEN+tag@house.example",
        "o’neill@house.example",
        "x&y#z@house.example",
        '"John Doe"@house.example',
        "müller@köln.de",
        "mu\u0308ller@ko\u0308ln.de",
        "иван@почта.рф",
        "νίκος@παράδειγμα.ελ",
        "用户@例子.公司",
        "संपर्क@डाटामेल.भारत",
        "me@почта.xn--p1ai",
        "me@[192.0.2.1]",
        "me@[IPv6:2001:db8::1]",
    ],
    "card": [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "3782 822463 10005",
        "6011000990139424",
        "4111\u00a01111\u202f1111‑1111",
    ],
    "ip": [
        "192.168.0.1",
        "10.0.0.255",
        "2001:db8::1",
        "fe80::1ff:fe23:4567:890a",
        "::1",
        "fe80::1",
        "fe80::",
        "::ffff:192.0.2.1",
        "2001:db8:0:0:0:0:0:1",
        "dead:beef::cafe",
    ],
    "phone": [
        "+49 30 1234567",
        "+1 (555) 123-4567",
        "(030) 1234 5678",
        "030 12345678",
        "555-234-4567",
        "0049 30 1234567",
        "+49 (0)30 / 123456",
        "030 / 123456",
        "(030) - 12 34 56",
        "+49 30 – 123456",
        "+33\u00a01\u202f23\u00a045\u00a067\u00a089",
        "01.23.45.67.89",
        "030 12 3456",
        "+49‑30‑123456",
    ],
}
LEFT = {
    "email": [
        "a@b",
        "@house.example",
        "user@",
        "a @ b.example",
        "@dataclass.field",
        "x@1.2.3",
        "vite@5.0.11",
        "éé@b",
    ],
    "card": [
        "4111 1111 1111 1112",
        "1234567890123",
        "0000 0000 0000 0000",
        "3.14159265358979323846",
        "9" * 40,
        "1234 4111 1111 1111 1111",
    ],
    "ip": [
        "1.2.3",
        "300.1.1.1",
        "1.2.3.4.5",
        "12:30:45",
        "std::vector",
        "a::b",
        "A::b()",
        "ab::cd",
        "dead::beef",
        "a1::b2",
        "a::b::c",
        "x[::2]",
        "x[1::2]",
        "::",
        "::abc",
        "10:20",
        "00:1a:2b:3c:4d:5e",
        "12:34:56:78:9a:bc:de:f0",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
    "phone": [
        "2013-05-18",
        "05.06.2013",
        "05.06.2013 12:30",
        "01 / 02 / 2013",
        "2013-05-18 1230",
        "1939-1945",
        "0800–1730",
        "0800 - 1730",
        "12345",
        "0.5",
        "2.0049 30123",
        "page 030",
        "1,000,000",
        "A+1 grade",
        "09/2013",
        "12:30:45",
        "5500 0000 0000 0004",
        "0049123@house.example",
        "ISBN 978-3-030-12345-6",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_what_is_found(kind: str, text: str) -> None:
    assert redact(kind, text) == ("X", 1)
    assert redact(kind, f"see {text}, and ({text})!\n{text}") == ("see X, and (X)!\nX", 3)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in LEFT.items() for text in texts])
def test_what_is_left(kind: str, text: str) -> None:
    assert redact(kind, f"see {text} there") == (f"see {text} there", 0)


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("email", "d'abord:me@house.example", "d'abord:X"),
        ("email", "**me@house.example**, 'me@house.example', to=me@house.example", "**X**, 'X', to=X"),
        ("email", "请写信给mail@house.example谢谢", "请写信给X谢谢"),
        ("email", "이메일은mail@house.example으로", "이메일은X으로"),
        ("card", "4111 1111 1111 1111 12/27 123", "X 12/27 123"),
        ("card", "12 4111 1111 1111 1111 3.5", "12 X 3.5"),
        ("card", "4111 1111 1111 1111 1227", "X 1227"),
        ("card", "4111 1111 1111 1111 5500 0000 0000 0004", "X X"),
        ("card", "77 378282246310005 12", "77 X 12"),
        ("ip", "http://192.168.0.1:8080/, 10.0.0.1: no", "http://X:8080/, X: no"),
        (
            "phone",
            "4111 1111 1111 1111, 030 1234567; 378282246310005, 030 765432",
            "4111 1111 1111 1111, X; 378282246310005, X",
        ),
        ("phone", "030 123456 / 0171 1234567", "X / X"),
        ("phone", "030 123456 0171 1234567", "X X"),
        ("phone", "+49 30 123456 / 654321", "X / 654321"),
        ("phone", "5500 0000 0000 0004, 030 123456", "5500 0000 0000 0004, X"),
        ("ip", "http://[2001:db8::1]:80/ std::cout << a::b; fe80::1%eth0", "http://[X]:80/ std::cout << a::b; X%eth0"),
    ],
)
def test_what_stands_beside_it_stays(kind: str, text: str, left: str) -> None:
    assert redact(kind, text) == (left, left.count("X"))


@pytest.mark.parametrize("kind", FOUND)
def test_a_long_text_takes_its_time_but_once(kind: str) -> None:
    def took(text: str) -> float:
        start = time.process_time()
        redact(kind, text)
        return time.process_time() - start

    for piece in ("1 ", "12", "0049 ", "a.", "a'", ":", "4111 ", "é@", "(030) ", "1.", "030 123456 "):
        more = "@ 1:1:1 1.1.1.1 4111111111111111 +49"
        assert took(piece * 40_000 + more) < 40 * max(took(piece * 4_000 + more), 0.01), piece


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


def test_the_name_of_a_file_is_no_title_before_it_is_redacted(run: Workshop) -> None:
    run.files(**{f"{SECRET}_txt": "plain", f"{SECRET}_py": "x = 1", f"{SECRET}2_md": "# Title"})
    documents, _, redactions = read(run, "*.*", redact=ALL)
    titles = {row["doc_id"]: row["title"] for row in documents}
    assert titles == {f"{SECRET}.txt": "[email]", f"{SECRET}.py": "[email]", f"{SECRET}2.md": "Title"}
    assert sorted((row["doc_id"], row["n"]) for row in redactions) == [(f"{SECRET}.py", 1), (f"{SECRET}.txt", 1)]


def test_conversations_are_redacted_before_they_are_composed(run: Workshop) -> None:
    turns = [{"role": "user", "content": f"Mail {SECRET}?"}, {"role": "assistant", "content": "No."}]
    run.files(c_jsonl=json.dumps({"id": SECRET, "messages": turns}))
    (document,), _, redactions = read(run, "c.jsonl", role="instruction", redact=ALL)
    assert (document["question"], document["text"]) == ("Mail [email]?", "Mail [email]?\nNo.")
    assert document["messages"][0]["content"] == "Mail [email]?"
    assert redactions == [{"doc_id": SECRET, "kind": "email", "n": 1}]  # an id is no text, and stays


def test_files_cleaned_together_are_what_they_are_alone(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    large = f"{'Words of a long text. ' * 20_000}{SECRET}"
    run.files(
        a_md=f"# About {SECRET}\n\nText.", b_md=" ", c_txt=f"caf\u00e9 {SECRET}".encode("latin-1"), d_md=large,
        e_html=f"<title>{SECRET}</title><p>Call +49 30 1234567.", f_jsonl=json.dumps({"text": SECRET}), g_md="x\x00y",
    )  # fmt: skip
    together = read(run, "*.*", redact=ALL)
    alone = [read(run, f"[{names}].*", redact=ALL) for names in ("abc", "d", "e", "fg")]
    assert together == tuple([row for found in alone for row in found[table]] for table in range(3))
    assert len(together[2]) == 5
    monkeypatch.setattr("structdsl_runtime.reading.ahead.BATCH_ROWS", 2)
    assert read(run, "*.*", redact=ALL) == together
    run.files(**{"b.md_gz": gzip.compress(f"Mail {SECRET}".encode())[:-9]})
    with pytest.raises(Fault) as caught:
        read(run, "*.*", redact=ALL)
    assert (caught.value.code, "b.md.gz" in str(caught.value)) == ("E0515", True)
