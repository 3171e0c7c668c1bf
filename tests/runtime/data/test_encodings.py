"""Encodings are guessed by the letters of languages, and where that says nothing, by the disorder of the text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from structdsl_runtime.text.encodings import guessed, of_two_bytes, text_of
from structdsl_runtime.text.letters import ENCODINGS, of_one_byte
from structdsl_runtime.text.normalise import UndecodableError

TEXTS = {
    "French": (
        "L'été dernier\u00a0: nous avons visité un château près de la forêt. Ça m'a plu, et le garçon a un gâteau.",
        "cp1252 mac_roman cp850",
    ),
    "German": (
        "Größe und Maß: schöne Grüße aus Köln, überall hört man Möwen schreien. Die Bäume blühen früh in diesem Jahr.",
        "cp1252 cp850",
    ),
    "Spanish": (
        "El niño comió una piña mañana por la mañana. ¿Cómo está? La lección de español empezará después.",
        "cp1252",
    ),
    "Portuguese": (
        "A lição não é difícil, mas as crianças só irão à praia amanhã. São três irmãos e uma avó que não têm pão.",
        "cp1252",
    ),
    "Italian": (
        "La città è più bella di notte, perché c'è la luna. Così andrò là giovedì, e lei verrà lunedì con papà.",
        "cp1252",
    ),
    "Swedish": (
        "Ålen simmar i ån på våren, och även fåglarna är här. Går du över gatan så kör bilarna långsammare än förut.",
        "cp1252",
    ),
    "Danish": (
        "Blåbærgrød er sød på søndage, og børnene får også æbler. Året går så hurtigt når man læser bøger.",
        "cp1252",
    ),
    "Finnish": (
        "Hyvää päivää, mitä kuuluu? Yöllä sää on kylmä, mutta päivällä lämpenee. Äiti lähti töihin jäätä pitkin.",
        "cp1252",
    ),
    "Icelandic": (
        "Það er gott að búa á Íslandi, þar sem fjöllin eru há og sjórinn kaldur. Hún sagði að þetta væri ágætt.",
        "cp1252",
    ),
    "Polish": (
        "Zażółć gęślą jaźń. Łódź ma łabędzie i gęsi, a dziś będzie świeciło słońce nad Wisłą i żółte kwiaty.",
        "cp1250 iso8859-2",
    ),
    "Czech": (
        "Příliš žluťoučký kůň úpěl ďábelské ódy. Včera večer přišel déšť a děti běžely domů přes říčku.",
        "cp1250 iso8859-2",
    ),
    "Hungarian": (
        "Árvíztűrő tükörfúrógép. A fiú megkérdezte, hogy hová tűnt az őrült kutyája, és miért nő a fű.",
        "cp1250 iso8859-2",
    ),
    "Romanian": (
        "În această ţară, oamenii îşi fac casele din lemn şi piatră, iar copiii merg la şcoală dimineaţa.",
        "cp1250 iso8859-2",
    ),
    "Croatian": (
        "Čovjek je išao šumom i naišao na žabu koja je pjevala. Žene su đakove učile pisati riječi ćirilicom.",
        "cp1250 iso8859-2",
    ),
    "Turkish": (
        "Güneş doğdu ve çocuklar bahçeye çıktı. Öğretmenin işi çok güçtü, ama ığdır'da kış ılık geçiyor.",
        "cp1254",
    ),
    "Lithuanian": (
        "Šiandien ąžuolas žydi, o ėjęs žmogus švilpė. Žąsys plaukė į ežerą, ir ūkininkas džiaugėsi.",
        "cp1257",
    ),
    "Latvian": (
        "Šodien ir jauka diena, un bērni spēlējas ārā. Viņš gāja mājās pa ceļu, kas ved gar mežu un ūdeni.",
        "cp1257",
    ),
    "Estonian": (
        "Täna on õues külm, kuid päike paistab. Šokolaad on hea, öösel võib ka žanrifilme vaadata üksi.",
        "cp1257 cp1252",
    ),
    "Russian": (
        "Сегодня хорошая погода, и дети играют во дворе. Он шёл домой по дороге, которая ведёт вдоль леса.",
        "cp1251 koi8-r iso8859-5 cp866",
    ),
    "Ukrainian": (
        "Сьогодні гарна погода, і діти граються на подвір'ї. Він їхав додому дорогою, що веде вздовж лісу.",
        "cp1251 koi8-u",
    ),
    "Greek": (
        "Σήμερα ο καιρός είναι καλός και τα παιδιά παίζουν στην αυλή. Πήγαινε σπίτι από τον δρόμο.",
        "cp1253 iso8859-7",
    ),
    "Hebrew": (
        "היום מזג האוויר יפה והילדים משחקים בחצר. הוא הלך הביתה בדרך המובילה לאורך היער.",
        "cp1255 iso8859-8",
    ),
    "Arabic": (
        "اليوم الطقس جميل والأطفال يلعبون في الفناء. كان يمشي إلى البيت على الطريق المؤدي إلى الغابة.",
        "cp1256 iso8859-6",
    ),
    "Japanese": (
        "今日は天気がよくて、子どもたちは庭で遊んでいる。彼は森に沿った道を歩いて家に帰った。",
        "shift_jis euc_jp",
    ),
    "Chinese": (
        "今天天气很好，孩子们在院子里玩。他沿着森林边的路走回家，路上看见了一只鸟。",
        "gb18030",
    ),
    "Chinese, traditional": (
        "今天天氣很好，孩子們在院子裡玩。他沿著森林邊的路走回家，路上看見了一隻鳥。",
        "big5",
    ),
    "Korean": (
        "오늘은 날씨가 좋아서 아이들이 마당에서 놀고 있다. 그는 숲을 따라 난 길을 걸어 집으로 갔다.",
        "euc_kr",
    ),
    "English": (
        "The café’s résumé was “naïve” – and it cost £5 more than last year’s, which isn’t much. He said so twice…",
        "cp1252",
    ),
}
CASES = [(text, encoding) for text, encodings in TEXTS.values() for encoding in encodings.split()]


@pytest.mark.parametrize(("text", "encoding"), CASES)
def test_a_text_is_read_as_it_was_written(text: str, encoding: str) -> None:
    assert text_of(text.encode(encoding))[0] == text


@pytest.mark.parametrize("text", [text for text, encodings in TEXTS.values() if "cp1252" in encodings])
def test_of_what_is_the_same_in_several_the_most_common_is_told(text: str) -> None:
    assert guessed(text.encode("cp1252")) == "cp1252"


def test_two_accents_in_a_long_text_are_enough() -> None:
    text = "The others had left before she came. " * 50 + "She paid for a café crème, and went to the naïve painter."
    assert text_of(text.encode("cp1252")) == (text, "cp1252")
    assert text_of(text.upper().encode("cp1252")) == (text.upper(), "cp1252")


@pytest.mark.parametrize(
    "text",
    [
        "The track is 50 µm wide.",
        "El Decreto nº 3 de la 2ª parte, artigo 3º.",
        "Dose: 20 µg. Café au lait après l'été.",
        "± 5 µm at 20 °C, m² and ½",
    ],
)
def test_signs_that_are_letters_by_name_are_of_no_language(text: str) -> None:
    assert text_of(text.encode("cp1252")) == (text, "cp1252")


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(1, 256)),
        "今日は天気がよくて、子どもたちは庭で遊んでいる。".encode("euc_jp"),
        "오늘은 날씨가 좋아서 아이들이 마당에서 놀고 있다.".encode("euc_kr"),
    ],
)
def test_what_is_no_language_that_is_known_is_left_to_others(data: bytes) -> None:
    assert of_one_byte(data) is None


@pytest.mark.parametrize("languages", {id(each): each for each in ENCODINGS.values()}.values())
def test_each_letter_of_a_language_is_in_an_encoding_for_it(languages: Mapping[str, str]) -> None:
    known = {*"İ".lower()}
    for encoding, each in ENCODINGS.items():
        if each is languages:
            known |= {*bytes(range(128, 256)).decode(encoding, "ignore")}
    assert {*"".join(languages.values())} <= known


EAST_ASIAN = ("Japanese", "Chinese", "Chinese, traditional", "Korean")


@pytest.mark.parametrize("name", EAST_ASIAN)
def test_a_few_of_the_most_common_characters_are_enough(name: str) -> None:
    text, known = TEXTS[name]
    for encoding in known.split():
        for start in range(len(text) - 20):
            piece = text[start : start + 20]
            assert text_of(piece.encode(encoding))[0] == piece
            assert text_of(f"<b>{piece}</b> (1)\r\n".encode(encoding))[0] == f"<b>{piece}</b> (1)\r\n"


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in EAST_ASIAN])
def test_words_of_letters_of_one_byte_are_not_taken_for_them(name: str) -> None:
    text, known = TEXTS[name]
    for encoding in known.split():
        data = text.encode(encoding)
        for size in (24, 40, 80):
            assert [of_two_bytes(data[start : start + size]) for start in range(len(data) - size)].count(None) == max(
                len(data) - size, 0
            )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("这是一个用国标编码写的短句子，一共五十六个字节，看看它怎么样。", "gb18030"),
        ("國語的句子不長，但是也應該讀得出來才對。", "big5"),
        ("짧은 문장도 읽을 수 있어야 합니다.", "euc_kr"),
        ("短い文も読めなければならない。", "euc_jp"),
        ("カタカナノブンモヨメル。", "cp932"),
    ],
)
def test_short_sentences_of_east_asia(text: str, encoding: str) -> None:
    assert text_of(text.encode(encoding))[0] == text


WIDE = {
    **{name: text for name, (text, _) in TEXTS.items()},
    "short": "Some",
    "lines": "a\r\nb\n\n\tc\f",
    "emoji": "So: 😀 and 😀",
    "Chinese in lines": "今天天气很好，\n孩子们在院子里玩。\n一二三。\n" * 3,
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text", [text for name, text in WIDE.items() if name not in {"Japanese", "Chinese, traditional"}]
)
def test_zeros_between_the_letters_tell_of_wide_ones(text: str, encoding: str) -> None:
    lines = text + "\n"
    assert text_of(lines.encode(encoding)) == (lines, encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_letters_beyond_what_a_guess_looks_at(encoding: str) -> None:
    assert text_of(("x" + "😀 and\n" * 150_000).encode(encoding))[1] == encoding


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bytes(1000), "byte 0x00 at offset 0"),
        (b"plain text\0 with one", "byte 0x00 at offset 10"),
        ("é".encode() + b" and more\0" * 20, "byte 0x00 at offset 11"),
        (b"fixed\0\0\0width\0\0\0\0lines\0\0\0", "byte 0x00 at offset 5"),
        (b"caf\xe9 cr\xe8me\0 au lait et plus, s'il vous", "byte 0xe9 at offset 3"),
        (b"ab\0" * 30, "byte 0x00 at offset 2"),
        (b"H\0", "byte 0x00 at offset 1"),
        ("Some text, odd".encode("utf-16-le") + b"x", "byte 0x00 at offset 1"),
        ("one\0two and more".encode("utf-16-le"), "byte 0x00 at offset 1"),
        ("one\0two".encode("utf-16"), "U+0000 at character 3 of utf-16"),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0>\0\1\0\0\0", "byte 0x00 at offset 7"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "byte 0x89 at offset 0"),
        (bytes(range(256)) * 4, "byte 0x80 at offset 128"),
    ],
)
def test_other_zeros_are_of_no_text(data: bytes, says: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        text_of(data)
    assert str(caught.value) == says


@pytest.mark.parametrize("data", [b"caf\xe9", b"caf\xe9\0" + b" and more of it" * 9])
def test_what_is_too_short_or_no_text_is_not_guessed(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        text_of(data)
