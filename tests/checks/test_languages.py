"""Languages by script and by frequent words, and the rows that are in another one than most."""

import pytest

from studio.checks.languages import language_of
from studio.checks.seen import normalised
from tests.checks.looking import chat, find, run

TEXTS = {
    "English": "You can ask for your money back if the parcel is late, and this is what the shop has to do for you.",
    "German": (
        "Sie können das Geld zurück verlangen, wenn das Paket nicht kommt, und der Laden ist für den Schaden da."
    ),
    "French": (
        "Vous pouvez demander que le magasin vous rembourse si le colis est en retard dans les délais pour une fois."
    ),
    "Spanish": (
        "Puede pedir que la tienda le devuelva el dinero si el paquete no llega, y es lo que se hace en una semana."
    ),
    "Italian": (
        "Il negozio è obbligato a restituire il denaro se il pacco non arriva, e questo anche per gli altri della via."
    ),
    "Portuguese": (
        "Você pode pedir o dinheiro de volta se o pacote não chegar, e isso é mais do que uma loja faz por você."
    ),
    "Dutch": (
        "Je kunt het geld terug vragen als het pakket niet komt, en dat is wat de winkel voor je moet doen met een bon."
    ),
    "Polish": (
        "Możesz żądać zwrotu pieniędzy, jeśli paczka nie przyjdzie, i to jest to, co sklep musi zrobić "
        "dla ciebie, ale nie od razu."
    ),
    "Swedish": (
        "Du kan få pengarna tillbaka om paketet inte kommer, och det är vad som gäller för alla som har ett kvitto."
    ),
    "Turkish": (
        "Paket gelmezse para iade istenir ve bu çok kolay bir yol, ama fiş de gerekli, ne kadar sonra olursa olsun."
    ),
    "Russian": "Вы можете попросить вернуть деньги, если посылка не придёт вовремя.",
    "Ukrainian": "Ви можете попросити повернути гроші, якщо посилка не прийде вчасно її отримати.",
    "Japanese": "荷物が届かない場合は返金を求めることができます。",
    "Chinese": "如果包裹没有按时到达，您可以要求退款。",
    "Korean": "소포가 제때 오지 않으면 환불을 요청할 수 있습니다.",
    "Greek": "Μπορείτε να ζητήσετε τα χρήματά σας πίσω αν το δέμα αργήσει.",
    "Arabic": "يمكنك طلب استرداد أموالك إذا تأخر الطرد عن موعده.",
    "Hindi": "यदि पार्सल समय पर नहीं आता है तो आप पैसे वापस मांग सकते हैं।",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_enough_to_know_its_language(language: str) -> None:
    assert language_of(normalised(TEXTS[language])) == language


@pytest.mark.parametrize(
    "text", ["", "Paris", "42", "def f(x): return x + 1", '{"intent": "refund", "urgency": "low"}']
)
def test_what_has_no_sentence_has_no_language(text: str) -> None:
    assert language_of(normalised(text)) == ""


def test_rows_in_another_language_than_most_are_told() -> None:
    rows = [chat("Help?", TEXTS["English"])] * 30 + [chat("Hilfe?", TEXTS["German"])] * 2 + [chat("?", "42")]

    check, found = run("mixed_languages", rows)

    assert [(finding.row, finding.detail) for finding in found] == [
        (31, "in German; most rows are in English"),
        (32, "in German; most rows are in English"),
    ]
    assert check.facts() == {"languages": {"English": 30, "German": 2}}


def test_the_question_counts_where_the_answer_is_a_label() -> None:
    rows = [chat(TEXTS["English"], "good")] * 30 + [chat(TEXTS["French"], "bad")]

    assert [finding.row for finding in find("mixed_languages", rows)] == [31]


def test_a_dataset_of_two_languages_is_meant_that_way() -> None:
    rows = [chat("Help?", TEXTS["English"])] * 30 + [chat("Hilfe?", TEXTS["German"])] * 10

    assert find("mixed_languages", rows) == []
