"""Languages: told apart where the text is long enough, never guessed where it is not."""

from __future__ import annotations

import pytest

pytest.importorskip("py3langid")

from attar.data import reasons
from attar.data.language import check_languages, in_other_languages, language_of, languages_of
from attar.errors import DataError
from attar.types import Row

TEXTS = {
    "en": "Where is the parcel that I ordered from you two weeks ago?",
    "de": "Wo bleibt das Paket, das ich vor zwei Wochen bei Ihnen bestellt habe?",
    "fr": "Où est le colis que j'ai commandé chez vous il y a deux semaines ?",
    "es": "¿Dónde está el paquete que les pedí hace dos semanas, por favor?",
    "ru": "Где посылка, которую я заказал у вас две недели назад?",
}


def test_sentences_are_told_apart() -> None:
    assert {code: language_of(text) for code, text in TEXTS.items()} == {c: c for c in TEXTS}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "Hola!",
        "danke",
        "1;2;3;4;5;6;7;8;9;10;11;12;13",
        "12345 67890 12345 67890",
        " " * 50,
    ],
)
def test_short_or_wordless_texts_are_unsure(text: str) -> None:
    assert language_of(text) is None


def test_only_sure_rows_of_other_languages_are_found() -> None:
    rows = [Row(text) for text in TEXTS.values()] + [Row("bonjour")]
    found = in_other_languages(rows, ("en", "de"))
    assert [(one.row, one.reason, one.detail) for one in found] == [
        (Row(TEXTS[code]), reasons.LANGUAGE, code) for code in ("fr", "es", "ru")
    ]
    assert languages_of(rows) == dict.fromkeys(TEXTS, 1)


def test_unknown_codes_are_refused() -> None:
    check_languages(["en", "de"])
    with pytest.raises(
        DataError, match=r"'english' is not a known ISO 639-1 code.*Known: ace, af, "
    ):
        check_languages(["english"])
