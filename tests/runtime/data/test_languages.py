"""Languages: those of sentences of our own, and the answers of py3langid itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid import langid  # type: ignore[import-untyped]

from structdsl.plan import IdentifyLanguage
from structdsl_runtime.operations.identify_language import identify_language
from structdsl_runtime.text.languages import PREFIX, identify, prefix

if TYPE_CHECKING:
    from tests.runtime.data.workshop import Workshop

TEXTS: dict[str, list[str]] = {
    "en": [
        "The keeper of the lighthouse counts the ships every evening.",
        "Bread is cheaper on Fridays in this town.",
        "Nobody knew why the bridge had been closed.",
        "We planted three apple trees behind the old school.",
    ],
    "de": [
        "Der Leuchtturmwärter zählt jeden Abend die Schiffe.",
        "Freitags ist das Brot in dieser Stadt billiger.",
        "Niemand wusste, warum die Brücke gesperrt war.",
        "Wir haben drei Apfelbäume hinter der alten Schule gepflanzt.",
    ],
    "fr": [
        "Le gardien du phare compte les bateaux chaque soir.",
        "Le pain est moins cher le vendredi dans cette ville.",
        "Personne ne savait pourquoi le pont était fermé.",
        "Nous avons planté trois pommiers derrière la vieille école.",
    ],
    "es": [
        "El guardián del faro cuenta los barcos cada tarde.",
        "El pan es más barato los viernes en este pueblo.",
        "Nadie sabía por qué habían cerrado el puente.",
        "Plantamos tres manzanos detrás de la vieja escuela.",
    ],
    "it": [
        "Il guardiano del faro conta le navi ogni sera.",
        "Il venerdì il pane costa meno in questa città.",
        "Nessuno sapeva perché il ponte fosse chiuso.",
        "Abbiamo piantato tre meli dietro la vecchia scuola.",
    ],
    "pt": [
        "O guarda do farol conta os navios todas as noites.",
        "O pão é mais barato às sextas-feiras nesta cidade.",
        "Ninguém sabia por que a ponte estava fechada.",
        "Plantámos três macieiras atrás da velha escola.",
    ],
    "nl": [
        "De vuurtorenwachter telt elke avond de schepen.",
        "Op vrijdag is het brood goedkoper in deze stad.",
        "Niemand wist waarom de brug gesloten was.",
        "We hebben drie appelbomen achter de oude school geplant.",
    ],
    "pl": [
        "Latarnik co wieczór liczy statki.",
        "W piątki chleb jest tańszy w tym mieście.",
        "Nikt nie wiedział, dlaczego most był zamknięty.",
        "Posadziliśmy trzy jabłonie za starą szkołą.",
    ],
    "sv": [
        "Fyrvaktaren räknar fartygen varje kväll.",
        "Brödet är billigare på fredagar i den här staden.",
        "Ingen visste varför bron var stängd.",
        "Vi planterade tre äppelträd bakom den gamla skolan.",
    ],
    "tr": [
        "Fener bekçisi her akşam gemileri sayar.",
        "Bu kasabada ekmek cuma günleri daha ucuz.",
        "Köprünün neden kapatıldığını kimse bilmiyordu.",
        "Eski okulun arkasına üç elma ağacı diktik.",
    ],
    "vi": [
        "Người gác hải đăng đếm tàu mỗi buổi tối.",
        "Bánh mì rẻ hơn vào thứ sáu ở thị trấn này.",
        "Không ai biết tại sao cây cầu bị đóng.",
        "Chúng tôi trồng ba cây táo sau ngôi trường cũ.",
    ],
    "ru": [
        "Смотритель маяка каждый вечер считает корабли.",
        "По пятницам хлеб в этом городе дешевле.",
        "Никто не знал, почему закрыли мост.",
        "Мы посадили три яблони за старой школой.",
    ],
    "uk": [
        "Доглядач маяка щовечора рахує кораблі.",
        "У п'ятницю хліб у цьому місті дешевший.",
        "Ніхто не знав, чому міст закрили.",
        "Ми посадили три яблуні за старою школою.",
    ],
    "el": [
        "Ο φύλακας του φάρου μετρά τα πλοία κάθε βράδυ.",
        "Το ψωμί είναι φθηνότερο τις Παρασκευές.",
        "Κανείς δεν ήξερε γιατί έκλεισε η γέφυρα.",
        "Φυτέψαμε τρεις μηλιές πίσω από το παλιό σχολείο.",
    ],
    "ar": [
        "حارس المنارة يعد السفن كل مساء.",
        "الخبز أرخص يوم الجمعة في هذه المدينة.",
        "لم يعرف أحد لماذا أغلق الجسر.",
        "زرعنا ثلاث أشجار تفاح خلف المدرسة القديمة.",
    ],
    "fa": [
        "نگهبان فانوس دریایی هر شب کشتی‌ها را می‌شمارد.",
        "نان در این شهر جمعه‌ها ارزان‌تر است.",
        "هیچ‌کس نمی‌دانست چرا پل بسته شده است.",
        "ما سه درخت سیب پشت مدرسه قدیمی کاشتیم.",
    ],
    "he": [
        "שומר המגדלור סופר את הספינות בכל ערב.",
        "הלחם זול יותר בימי שישי בעיר הזאת.",
        "איש לא ידע מדוע הגשר נסגר.",
        "נטענו שלושה עצי תפוח מאחורי בית הספר הישן.",
    ],
    "hi": [
        "दीपस्तंभ का रखवाला हर शाम जहाज़ गिनता है।",
        "इस शहर में शुक्रवार को रोटी सस्ती होती है।",
        "किसी को नहीं पता था कि पुल क्यों बंद है।",
        "हमने पुराने स्कूल के पीछे सेब के तीन पेड़ लगाए।",
    ],
    "zh": [
        "灯塔的看守人每天晚上数船。",
        "这个城市星期五的面包比较便宜。",
        "没有人知道桥为什么关闭了。",
        "我们在老学校后面种了三棵苹果树。",
    ],
    "ja": [
        "灯台の番人は毎晩船を数えます。",
        "この町では金曜日にパンが安くなります。",
        "橋がなぜ閉まったのか誰も知りませんでした。",
        "古い学校の裏にりんごの木を三本植えました。",
    ],
    "ko": [
        "등대지기는 매일 저녁 배를 셉니다.",
        "이 마을에서는 금요일에 빵이 더 쌉니다.",
        "다리가 왜 닫혔는지 아무도 몰랐습니다.",
        "우리는 옛 학교 뒤에 사과나무 세 그루를 심었습니다.",
    ],
    "th": [
        "ผู้เฝ้าประภาคารนับเรือทุกเย็น",
        "ขนมปังถูกกว่าในวันศุกร์ที่เมืองนี้",
        "ไม่มีใครรู้ว่าทำไมสะพานจึงปิด",
        "เราปลูกต้นแอปเปิลสามต้นหลังโรงเรียนเก่า",
    ],
}


@pytest.mark.parametrize("language", TEXTS)
def test_sentences_alone_and_together(language: str) -> None:
    texts = [*TEXTS[language], " ".join(TEXTS[language])]
    assert [found for found, _ in identify(texts)] == [language] * len(texts)


PIECES = st.sampled_from([text for texts in TEXTS.values() for text in texts] + ["ABC DEF ", "e\u0301", "12 ", "\n"])
LIBRARY = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
SOME = st.lists(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40), max_size=6)


@settings(max_examples=40)
@given(texts=SOME)
def test_the_answers_are_those_of_the_library(texts: list[str]) -> None:
    for text, (language, sure) in zip(texts, identify(texts), strict=True):
        own, confidence = LIBRARY.classify(prefix(text))
        assert (language is None) or (language == own and sure == pytest.approx(confidence, abs=1e-3)), text


def test_only_what_it_begins_with_decides() -> None:
    german, french = " ".join(TEXTS["de"]), " ".join(TEXTS["fr"]) * 20
    [(first, sure), (other, _)] = identify([german * 9 + french * 9, french + german * 99])
    assert (first, other) == ("de", "fr")
    assert sure is not None
    assert 0 < sure <= 1
    assert len(prefix("水" * 5000).encode()) in range(PREFIX - 3, PREFIX + 1)


def test_whoever_says_its_language_is_not_asked(run: Workshop) -> None:
    rows = [("a", TEXTS["fr"][0], None), ("b", TEXTS["fr"][0], "en"), ("c", "12 + 3", None), ("d", "", None)]
    documents = [{"doc_id": doc_id, "text": text, "lang": lang} for doc_id, text, lang in rows]
    made = run(identify_language, IdentifyLanguage(), {"documents": documents})["languages"].to_pylist()
    found = {row["doc_id"]: row["lang"] for row in made}
    assert found.keys() == {"a", "c", "d"}
    assert found["a"] == "fr"
    assert found["d"] is None
