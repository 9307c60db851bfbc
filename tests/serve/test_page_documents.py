"""The page at / for models that rank documents or summarize one, in a real Chromium."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.settings import Capture, Fallback
from serve.documents_desk import PARCELS, SURE, UNSURE, VISIT, ranking, summarizing
from serve.test_page_spans import type_in, written
from upstream import completion

if TYPE_CHECKING:
    from serve.conftest import Serve
    from serve.page_desk import Page

LINKED = "return [...document.querySelectorAll('.linked')].map((one) => one.textContent)"
CONTRASTS = """
const canvas = document.createElement('canvas').getContext('2d');
const light = (color) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (one) => {
  const color = getComputedStyle(one).backgroundColor;
  return /, 0\\)$/.test(color) ? behind(one.parentElement) : color;
};
return [...document.querySelectorAll(arguments[0])].map((one) => {
  const both = [light(getComputedStyle(one).color), light(behind(one))];
  const [low, high] = both.sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
});
"""


def downloaded(page: Page, folder: Path, texts: str) -> list[list[str]]:
    """The records of the file that is offered once the texts are answered."""
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    page.run("document.getElementById('paste').value = arguments[0]", texts)
    page["run"].click()
    page.until("rows", "All rows")
    page["download"].click()
    until, found = time.monotonic() + 15, folder / "texts-answered.csv"
    while not (found.exists() and found.stat().st_size):  # it is made empty at first
        assert time.monotonic() < until, "nothing was downloaded"
        time.sleep(0.02)
    with found.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_documents_stand_in_order(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(ranking(serve, tmp_path).url)
    shown.until("facts", "3 documents", "abstains under a score of 50.0%")
    assert shown["text-label"].text == "Query"
    assert not shown["length"].is_displayed()
    type_in(shown, SURE)
    shown.until("answer", "Refunds", "money-back · nearness 1.000", "right with a likelihood of")
    names = "return [...document.querySelectorAll('#answer ol > li h2')].map((h) => h.textContent)"
    assert shown.run(names) == ["Refunds", "Cancelling", "where-is-it"]
    marks = "return [...document.querySelectorAll('#answer mark')].map((m) => m.textContent)"
    assert shown.run(marks) == ["A refund takes a week."]
    shown.until("said", "Refunds. The first document is right", "A refund takes a week.")
    type_in(shown, UNSURE)
    shown.until("answer", "Abstains", "No document is a good answer", "What is nearest")
    shown.until("said", "No document is a good answer")
    assert shown.complaints() == []


def test_a_summary_and_its_document_are_linked(serve: Serve, visit, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    shown: Page = visit(summarizing(serve, tmp_path, sections=True).url)
    shown.until("facts", "3 sections")
    type_in(shown, VISIT)
    shown.until("answer", "3 sentences of the document", "problems", "plan")
    assert "history" not in shown["answer"].text  # no sentence is for it
    said, places = (
        shown.driver.find_elements("css selector", f"#answer {where} a")
        for where in (".brief", ".document")
    )
    assert [one.text for one in said] == [one.text for one in places]
    ActionChains(shown.driver).move_to_element(said[1]).perform()
    assert shown.run(LINKED) == ["It is swollen.", "It is swollen."]
    ActionChains(shown.driver).move_to_element(places[2]).perform()
    assert shown.run(LINKED) == 2 * ["Rest it, and put ice on it."]
    ActionChains(shown.driver).move_to_element(shown["facts"]).perform()
    assert shown.run(LINKED) == []
    # By the keyboard: the focus marks both, Enter leads there and back.
    shown.run("arguments[0].focus()", said[0])
    assert shown.run(LINKED) == 2 * ["My knee hurts since Monday."]
    shown.type(Keys.ENTER)
    assert shown.driver.switch_to.active_element == places[0]
    shown.type(Keys.ENTER)
    assert shown.driver.switch_to.active_element == said[0]
    assert said[0].get_attribute("aria-describedby").startswith("said-hint")
    hint = "return document.getElementById(arguments[0].getAttribute('aria-describedby')).innerText"
    assert shown.run(hint, said[0]) == "Leads to its place in the document."
    assert shown.complaints() == []


def test_a_length_is_asked_for(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(summarizing(serve, tmp_path).url)
    shown.until("facts", "1 section")
    assert shown["text-label"].text == "Document"
    type_in(shown, PARCELS)
    shown.until("answer", "2 sentences", "Where is my parcel?", "The parcel is late.")
    shown["words"].send_keys("4")
    shown.until("answer", "1 sentence of the document, 4 words of 15")
    shown["words"].send_keys("\ue003-")  # no length any more
    shown.until("answer", "2 sentences")
    shown.driver.find_element("css selector", "#ask .primary").click()
    shown.until("answer", "2 sentences")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 360])
def test_it_fits_and_can_be_read(
    serve: Serve, visit, tmp_path: Path, scheme: str, width: int
) -> None:
    def emulate(shown: Page) -> None:
        send = shown.driver.execute_cdp_cmd
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        send("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        send("Emulation.setDeviceMetricsOverride", size)

    def check(shown: Page, parts: str) -> None:
        wide = "return document.documentElement.scrollWidth - window.innerWidth"
        assert shown.run(wide) <= 0
        contrasts = shown.run(CONTRASTS, parts)
        assert contrasts and min(contrasts) >= 4.5

    shown: Page = visit(summarizing(serve, tmp_path, sections=True).url)
    emulate(shown)
    try:
        shown.until("facts", "3 sections")
        type_in(shown, VISIT)
        shown.until("answer", "swollen")
        shown.run("document.querySelector('.brief a').focus()")
        check(shown, ".beside a, .beside mark, .brief h2 *, .beside p")
        shown = visit(ranking(serve, tmp_path).url)
        shown.until("facts", "3 documents")
        type_in(shown, SURE)
        shown.until("answer", "Refunds")
        check(shown, ".ranking h2, .ranking p, .ranking mark")
    finally:
        shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        shown.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_file_of_queries_is_downloaded(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(ranking(serve, tmp_path).url)
    shown.until("facts", "3 documents")
    head, first, second = downloaded(shown, tmp_path, f"{SURE}\n{UNSURE}")
    assert head == [
        "text", "document", "title", "passage", "documents", "score", "abstained", "answered_by",
    ]  # fmt: skip
    assert first[:4] == [SURE, "money-back", "Refunds", "A refund takes a week."]
    assert json.loads(first[4])[0]["id"] == "money-back"
    assert (first[6:], second[6:]) == (["false", "model"], ["true", "nobody"])


def test_a_file_of_documents_is_downloaded(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(summarizing(serve, tmp_path, sections=True).url)
    shown.until("facts", "3 sections")
    head, first = downloaded(shown, tmp_path, f'text\n"{VISIT}"\n')
    assert head == [
        "text", "summary", "history", "plan", "problems", "sentences", "score", "abstained",
        "answered_by",
    ]  # fmt: skip
    found: dict[str, Any] = dict(zip(head, first, strict=True))
    assert found["problems"] == "My knee hurts since Monday. It is swollen."
    assert (found["history"], found["plan"]) == ("", "Rest it, and put ice on it.")
    start, end = (json.loads(found["sentences"])[0][key] for key in ("start", "end"))
    assert VISIT[start:end] == "My knee hurts since Monday."


def test_a_large_model_beside_documents(serve: Serve, visit, tmp_path: Path, upstream) -> None:
    upstream.script = [completion("Ask the shop.")]
    fallback = Fallback(url=upstream.url, model="large")
    shown: Page = visit(ranking(serve, tmp_path, fallback=fallback).url)
    shown.until("both-note", "large")
    type_in(shown, SURE)
    shown["ask-both"].click()
    shown.until("compared", "Refunds", "A refund takes a week.", "Ask the shop.", "own")
    assert upstream.asked[0][2]["messages"] == [{"role": "user", "content": SURE}]


def test_the_right_document_is_chosen(serve: Serve, visit, tmp_path: Path) -> None:
    capture = tmp_path / "captured.jsonl"
    shown: Page = visit(ranking(serve, tmp_path, capture=Capture(path=str(capture))).url)
    shown.until("facts", "3 documents")
    type_in(shown, UNSURE)
    shown.until("answer", "Abstains")
    assert shown["right-label"].text == "The right document"
    options = shown["right"].find_elements("css selector", "option")
    assert {one.text for one in options} == {
        "Choose…", "Cancelling (how-to-cancel)", "where-is-it", "Refunds (money-back)",
        "Another document…",
    }  # fmt: skip
    shown["save"].click()
    shown.until("corrected", "Choose the right document first.")
    assert not shown["right-id"].is_displayed()
    options[-1].click()
    shown["right-id"].send_keys("money-bak")
    shown["save"].click()
    shown.until("corrected", "Not saved: 'faq' knows no document 'money-bak'.")
    shown["right-id"].send_keys("\ue003\ue003ack")
    shown["save"].click()
    shown.until("corrected", "Saved for the next build.")
    row = written(capture)[-1]
    assert (row["text"], row["label"]) == (UNSURE, "money-back")


def test_the_right_summary_is_written(serve: Serve, visit, tmp_path: Path) -> None:
    capture = Capture(path=str(tmp_path / "captured.jsonl"))
    shown: Page = visit(summarizing(serve, tmp_path, sections=True, capture=capture).url)
    shown.until("facts", "3 sections")
    type_in(shown, VISIT)
    shown.until("answer", "swollen")
    plan = shown["right-text-1"]
    assert plan.get_attribute("value") == "Rest it, and put ice on it."
    assert shown["right-text-0"].get_attribute("value") == ""
    plan.clear()
    plan.send_keys("Rest.")
    shown["save"].click()
    shown.until("corrected", "Saved for the next build.")
    row = written(Path(capture.path))[-1]
    assert row["summary"] == {
        "plan": "Rest.", "problems": "My knee hurts since Monday. It is swollen.",
    }  # fmt: skip
    assert shown.complaints() == []


def test_the_report_of_summaries(serve: Serve, visit, tmp_path: Path) -> None:
    worst = {"text": "a document", "gold": "right one", "label": "wrong one", "grade": 0.05}
    report = {"name": "brief", "task": "summarize", "certify_rows": 70, "worst": [worst],
              "metrics": {"rouge1": 0.312, "rouge2": 0.1, "rougeL": 0.25}}  # fmt: skip
    shown: Page = visit(summarizing(serve, tmp_path, sections=True, report=report).url)
    shown.until("report-note", "ROUGE-1 31.2% and ROUGE-L 25.0% on 70 rows")
    shown.until("weak", "The worst answers", "right one", "wrong one", "5.0%")


def test_what_a_fallback_says_stands_before_the_documents(
    serve: Serve, visit, tmp_path: Path, upstream
) -> None:
    upstream.script = [completion("<b>Ask</b> the shop.")]
    fallback = Fallback(url=upstream.url, model="large")
    model = {"on_abstain": "fallback"}
    shown: Page = visit(ranking(serve, tmp_path, model, fallback=fallback).url)
    shown.until("facts", "3 documents")
    type_in(shown, UNSURE)
    shown.until("answer", "Abstains", "What is nearest, and no good answer")
    assert not upstream.asked  # while somebody types, nobody else is asked
    shown.driver.find_element("css selector", "#ask .primary").click()
    shown.until("answer", "Not from the documents", "<b>Ask</b> the shop.", "by the fallback")
    shown.until("said", "The fallback answers in its own words. <b>Ask</b> the shop.")
    head, first = downloaded(shown, tmp_path, UNSURE)
    found = dict(zip(head, first, strict=True))
    assert (found["document"], found["passage"]) == ("", "<b>Ask</b> the shop.")
    assert found["answered_by"] == "fallback"
