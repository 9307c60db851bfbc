"""Any text through models that mark spans, rank and summarize: places are code points of the
text as it came, also in JSON and through the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.runtime.predictor import Predictor, load
from conftest import Done
from tiny_ranking import DOCUMENTS, write_ranking_bundle
from tiny_spans import write_spans_bundle
from tiny_summaries import write_summaries_bundle

ODD = (
    "🛑", "👩\u200d👩\u200d👧", "🇪🇺", "é", "e\u0301", "n\u0303\u0323", "אבג", "عربي",
    "\u202eab\u202c", "漢字", "ß", "İ",
    "ﬁ", "\u200b", "\ufeff", "\U0010ffff", "\x00", "\x1b[0m", '"', "\\u0041", "a,b",
)  # fmt: skip
BLANK = (" ", "\r\n", "\n", "\t", "\u2028", "\u3000", " \r\n ")
#: Few words, as the tiny models read 16 tokens.
texts = st.lists(
    st.tuples(st.sampled_from(("refund", *ODD)), st.sampled_from(BLANK)), max_size=4
).map(lambda pairs: "".join(word + blank for word, blank in pairs))
anything = st.text(st.characters(codec=None), max_size=60) | texts


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("odd")
    return {
        "spans": write_spans_bundle(home / "spans.attar"),
        "ranking": write_ranking_bundle(home / "ranking.attar"),
        "summary": write_summaries_bundle(home / "summary.attar"),
    }


@pytest.fixture(scope="module")
def models(bundles: dict[str, Path]) -> dict[str, Predictor]:
    return {name: load(path) for name, path in bundles.items()}


def places(text: str) -> list[tuple[int, int]]:
    """Of every "refund", in code points."""
    found, at = [], text.find("refund")
    while at >= 0:
        found.append((at, at + len("refund")))
        at = text.find("refund", at + 1)
    return found


@given(texts)
def test_spans_are_where_they_were_put(models: dict[str, Predictor], text: str) -> None:
    answer = json.loads(json.dumps(models["spans"](text).to_json()))
    assert [(span["start"], span["end"]) for span in answer["spans"]] == places(text)


@settings(max_examples=60)
@given(anything)
def test_any_text_is_answered(models: dict[str, Predictor], text: str) -> None:
    for name, model in models.items():
        answer = model(text).to_json()
        # Half a pair of surrogates can be asked about, and survives JSON's escapes.
        assert json.loads(json.dumps(answer)) == answer
        assert 0 <= answer["score"] <= 1
        for one in answer.get("spans", answer.get("sentences", ())):
            assert text[one["start"] : one["end"]] == one["text"] != ""
        if name == "ranking":
            assert {one["id"] for one in answer["documents"]} == {one[0] for one in DOCUMENTS}
        assert model([text, "my refund", text])[2] == model(text)


ASKED = (
    "🛑 refund", "e\u0301tat:\r\nrefund", "אבג refund", "👩\u200d👩\u200d👧 my refund",
    '"refund", please', "İstanbul refund", "漢字 refund",
)  # fmt: skip


def as_csv(rows: tuple[str, ...]) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(rows))
    return written.getvalue().encode()


def as_json(rows: tuple[str, ...], **options: Any) -> bytes:
    return "".join(json.dumps({"text": row}, **options) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    "content",
    [as_csv(ASKED), as_json(ASKED), as_json(ASKED, ensure_ascii=False)],
    ids=["CSV", "JSON, escaped", "JSON"],
)
def test_places_through_the_command_line(
    content: bytes, attar_command: Callable[..., Done], bundles: dict[str, Path]
) -> None:
    done = attar_command("predict", bundles["spans"], "--json", stdin=content)
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.split("\n") if line]
    found = [[(s["start"], s["end"]) for s in answer["spans"]] for answer in answers]
    assert found == [places(text) for text in ASKED]


def test_another_field_holds_the_text(
    attar_command: Callable[..., Done], bundles: dict[str, Path]
) -> None:
    content = b'{"document": "Agent: Hello.\\r\\nCustomer: My parcel!"}\n'
    done = attar_command("predict", bundles["summary"], "--text", "document", stdin=content)
    assert (done.code, done.out) == (0, "My parcel!\n\n"), done
    done = attar_command("predict", bundles["summary"], stdin=content)
    assert done.code == 2 and "--text" in done.err
