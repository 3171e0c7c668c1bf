"""Sentences, in every language that we name: `¦` is where one ends."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl_runtime.text.sentences import ABBREVIATIONS, TERMINATED, sentences, words

CASES = [
    ("English", 'It is late. ¦Who said so? ¦"I did!" ¦He left.'),
    (
        "English",
        "Dr. Jones met J. R. Smith at St. Mary's, U.S. Army. ¦See Fig. 3 and no. 712. ¦The answer is no. ¦Go.",
    ),
    ("English", "E. coli (cf. Smith et al. 2020, e.g. Table 2) grows. ¦It was 1990. ¦Then 3.14 came."),
    ("English", "Wait… what is it? ¦He asked “Really?” and went. ¦¿Qué? ¦Yes!"),
    ("English", "He is here (as I said.) ¦She is not."),
    ("German", "Am 3. Oktober kam Hr. Maier, d. h. der Arzt, z.B. mit Nr. 555. ¦Er ging bzw. Sie gingen. ¦Ende."),
    ("French", "M. Dupont et Mme. Martin sont là. ¦« Oui ! » ¦Elle part."),
    ("Spanish", "La Sra. López llegó. ¦¿Cómo está Ud. Hoy? ¦¡Bien! ¦Adiós."),
    ("Italian", "Il dott. Rossi e il sig. Bianchi. ¦È tardi. ¦Vero?"),
    ("Portuguese", "A Exma. Sra. Silva chegou. ¦Está bem? ¦Sim."),
    ("Dutch", "Dhr. Jansen komt, bijv. Morgen. ¦Dat is goed. ¦Echt?"),
    ("Polish", "To np. Warszawa, m.in. Wola. ¦Czy tak? ¦Tak."),
    ("Turkish", "Doç. Dr. Yılmaz geldi. ¦Öyle mi? ¦Evet."),
    ("Swedish", "Hon kom hem. ¦Å, vad fint! ¦Ja."),
    ("Vietnamese", "Tôi đi học. ¦Bạn khỏe không? ¦Đúng."),
    ("Russian", "Живёт на ул. Ленина, г. Москва, т. е. далеко. ¦Это проф. Иванов? ¦Да!"),
    ("Greek", "Πού είναι; ¦Εδώ, π.χ. Στην Αθήνα. ¦Ναι\u037e ¦Όχι."),
    ("Armenian", "Բարև ձեզ։ ¦Ինչպես եք։ ¦Լավ։"),
    ("Hebrew", "שלום לך. ¦מה שלומך? ¦טוב!"),
    ("Arabic", "ذهب الولد. ¦أين هو؟ ¦هنا."),
    ("Urdu", "یہ کتاب ہے۔ ¦وہ کون ہے؟ ¦ٹھیک۔"),
    ("Hindi", "यह किताब है। ¦वह कौन है? ¦ठीक॥"),
    ("Bengali", "এটি বই। ¦কে সে? ¦ঠিক।"),
    ("Tamil", "இது புத்தகம். ¦யார்? ¦சரி."),
    ("Sinhala", "මෙය පොතකි෴ ¦හරි."),
    ("Amharic", "ሰላም ነው። ¦እንዴት ነህ፧ ¦ደህና፡፡ ¦እሺ።"),
    ("Khmer", "នេះជាសៀវភៅ។ ¦បាទ៕"),
    ("Burmese", "ဒါစာအုပ်ပါ။ ¦ဟုတ်တယ်။"),
    ("Tibetan", "བཀྲ་ཤིས་བདེ་ལེགས། ¦ཡིན༎"),
    ("Mongolian", "ᠮᠣᠩᠭᠣᠯ᠃ ¦ᠬᠡᠯᠡ᠃"),
    ("Chinese", "他走了。¦你是谁？¦“我是。”¦好！¦价格是３．１４元。"),
    ("Japanese", "行きます。¦「はい。」と言った。¦本当？！¦そうです．¦はい。"),
    ("Korean", "그는 갔다. ¦누구입니까? ¦네!"),
    ("Thai", "ไปแล้ว ครับ"),
    ("a table", "| a | b |\n¦| c. D | d |\n¦| e | f |"),
    ("a list", "Intro:\n¦- One. ¦Two.\n¦- Three\n¦1. Four"),
    ("code", "```\n¦a. B = 1\n¦c. D\n¦```"),
    ("dots", "Introduction ........ 3\nMethods ....... 5"),
]


@pytest.mark.parametrize(("language", "text"), CASES, ids=[f"{n}: {language}" for n, (language, _) in enumerate(CASES)])
def test_where_sentences_end(language: str, text: str) -> None:
    del language
    parts = text.split("¦")
    assert sentences("".join(parts)) == parts


def test_every_language_with_abbreviations_has_a_case() -> None:
    assert set(ABBREVIATIONS) <= {language for language, _ in CASES}


@pytest.mark.parametrize("stops", TERMINATED.values(), ids=TERMINATED)
def test_every_full_stop_that_is_named_ends_a_sentence(stops: str) -> None:
    for stop in stops:
        assert sentences(f"Words{stop} Words") == [f"Words{stop} ", "Words"]


MARKS = [".", "a", "B", " ", "\n", "。", "と", '"', "1", "- ", "»", ";", "…"]


@given(text=st.text(max_size=80) | st.lists(st.sampled_from(MARKS)).map("".join))
def test_pieces_are_the_text(text: str) -> None:
    for pieces in (sentences(text), words(text)):
        assert "".join(pieces) == text
        assert all(pieces)


@pytest.mark.parametrize("text", ["." * 200_000, ". " * 100_000, '."' * 100_000, "。" * 200_000, " " * 200_000 + "x"])
def test_time_is_linear(text: str) -> None:
    began = time.process_time()
    sentences(text)
    assert time.process_time() - began < 5
