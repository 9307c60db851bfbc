"""The page at / for a model that marks spans, in a real Chromium."""

from __future__ import annotations

import csv
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.settings import Capture, Fallback
from serve.spans_desk import BOOK, UNSURE, marking

if TYPE_CHECKING:
    from serve.conftest import Serve
    from serve.page_desk import Page

CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d');
const light = (color) => {
  canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
return [0, 1, 2, 3, 4, 5, 6, 7].map((n) => {
  const mark = document.createElement('mark');
  mark.className = `hue-${n}`;
  document.body.append(mark);
  const { color, backgroundColor } = getComputedStyle(mark);
  const [low, high] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
  mark.remove();
  return (high + 0.05) / (low + 0.05);
});
"""


def type_in(page: Page, text: str) -> None:
    """Into the text box; chromedriver's keys know no letters beyond the BMP."""
    page.run(
        "const box = document.getElementById('text'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input'))",
        text,
    )


def written(capture: Path) -> list[Any]:
    until = time.monotonic() + 10
    while "person" not in (capture.read_text() if capture.exists() else ""):
        assert time.monotonic() < until, "no correction was written"
        time.sleep(0.05)
    return [json.loads(line) for line in capture.read_text().splitlines()]


def test_spans_stand_in_the_text(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(marking(serve, tmp_path).url)
    shown.until("facts", "2 labels · 3 kinds of spans", "abstains under a score of 50.0%")
    type_in(shown, BOOK)
    shown.until("answer", "book_flight", "from Rome", "city × 2", "or the label play_music")
    marks = shown.run(
        "return [...document.querySelectorAll('#answer mark')]"
        ".map((mark) => [mark.textContent, mark.className])"
    )
    assert [text for text, _ in marks] == ["two (count)", "Rome (city)", "Oslo (city)"]
    assert marks[1][1] == marks[2][1] != marks[0][1]
    shown.until("said", "book_flight. The model answers", "two [count]; Rome [city]; Oslo [city].")
    type_in(shown, UNSURE)
    shown.until("answer", "Abstains", "best guess is play_music", "Rome")
    assert shown.complaints() == []


def test_calls_stand_in_a_table_and_are_corrected(serve: Serve, visit, tmp_path: Path) -> None:
    capture = tmp_path / "captured.jsonl"
    server = marking(serve, tmp_path, calls=True, capture=Capture(path=str(capture)))
    shown: Page = visit(server.url)
    shown.until("facts", "2 functions · 3 kinds of spans")
    type_in(shown, BOOK)
    shown.until("answer", "book, notify", "from Rome", "2 function calls", '"seats":2')
    assert not shown["marking"].is_displayed()
    assert '"to": "Oslo"' in shown["right-calls"].get_attribute("value")
    shown["right-calls"].clear()
    shown["right-calls"].send_keys("[{]")
    shown["save"].click()
    shown.until("corrected", "Not saved: the calls are no JSON")
    shown["right-calls"].clear()
    shown["right-calls"].send_keys('[{"name": "book", "arguments": {"to": "Rome"}}]')
    shown["save"].click()
    shown.until("corrected", "Saved")
    row = written(capture)[-1]
    assert (row["text"], row["calls"]) == (BOOK, [{"name": "book", "arguments": {"to": "Rome"}}])
    type_in(shown, "hm")
    shown.until("answer", "No call", "It calls no function.")
    assert shown.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_can_be_read_in_light_and_dark(
    serve: Serve, visit, tmp_path: Path, scheme: str
) -> None:
    shown: Page = visit(marking(serve, tmp_path).url)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        shown.until("facts", "2 labels")
        assert min(shown.run(CONTRAST)) >= 4.5
    finally:
        shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_correction_by_keyboard_and_mouse(serve: Serve, visit, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    capture = tmp_path / "captured.jsonl"
    shown: Page = visit(marking(serve, tmp_path, capture=Capture(path=str(capture))).url)
    shown.until("facts", "2 labels")
    type_in(shown, BOOK)
    shown.until("marks", "Rome", "city")
    remove = shown["mark-list"].find_elements("css selector", "button")
    assert remove[1].get_attribute("aria-label") == "Remove Rome [city]"
    remove[1].click()
    shown.until("corrected", "Removed Rome [city].")
    box = shown["mark-text"]
    box.send_keys("no letter is taken")
    assert box.get_attribute("value") == BOOK
    # By the keyboard: "seats" and the blank before it, which is left out.
    shown.run("arguments[0].focus(); arguments[0].setSelectionRange(6, 6)", box)
    shown.type(Keys.SHIFT + 6 * Keys.ARROW_RIGHT)
    shown.run("document.getElementById('mark-label').value = 'artist'")
    shown.type(Keys.ENTER)
    shown.until("corrected", "Marked seats [artist].")
    # By the mouse: a double click selects a word.
    place = shown.run(
        "const b = arguments[0]; b.setSelectionRange(0, 0); const r = b.getBoundingClientRect();"
        "return [r.width, r.height]", box
    )  # fmt: skip
    ActionChains(shown.driver).move_to_element_with_offset(
        box, 60 - int(place[0] / 2), 20 - int(place[1] / 2)
    ).double_click().perform()
    selected = shown.run(
        "return arguments[0].value.slice(arguments[0].selectionStart, arguments[0].selectionEnd)",
        box,
    )
    assert selected.strip() in BOOK.split()
    shown["mark-add"].click()
    shown.until("corrected", f"Marked {selected.strip()} [artist]")
    shown.run("document.getElementById('right').value = 'play_music'")
    shown["save"].click()
    shown.until("corrected", "Saved")
    row = written(capture)[-1]
    assert (row["text"], row["label"]) == (BOOK, "play_music")
    assert {BOOK[s["start"] : s["end"]]: s["label"] for s in row["spans"]} == {
        selected.strip(): "artist", "seats": "artist", "Oslo": "city",
    } | ({} if selected.strip() == "two" else {"two": "count"})  # fmt: skip
    assert all(a["end"] <= b["start"] for a, b in pairwise(row["spans"]))


def test_a_file_with_spans_is_downloaded(serve: Serve, visit, tmp_path: Path) -> None:
    shown: Page = visit(marking(serve, tmp_path, calls=True).url)
    shown.until("facts", "2 functions")
    shown.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    shown.run("document.getElementById('paste').value = arguments[0]", f"{BOOK}\n{UNSURE}")
    shown["run"].click()
    shown.until("rows", "All rows", "Rome", "city", "book, notify")
    shown["download"].click()
    until, found = time.monotonic() + 15, tmp_path / "texts-answered.csv"
    while not (found.exists() and found.stat().st_size):  # it is made empty at first
        assert time.monotonic() < until, "nothing was downloaded"
        time.sleep(0.02)
    with found.open(newline="", encoding="utf-8") as file:
        head, first, second = list(csv.reader(file))
    assert head == ["text", "label", "spans", "calls", "score", "abstained", "answered_by"]
    assert first[:2] == [BOOK, ""]
    assert [(s["start"], s["label"]) for s in json.loads(first[2])] == [
        (2, "count"), (17, "city"), (25, "city"),
    ]  # fmt: skip
    assert json.loads(first[3])[0]["arguments"] == {"to": "Oslo", "seats": 2}
    assert second[3:] == ["[]", "0.2", "true", "nobody"]


def test_wrong_answers_of_the_report_are_marked(serve: Serve, visit, tmp_path: Path) -> None:
    gold = {"label": "book_flight", "spans": [{"start": 17, "end": 21, "label": "city"}]}
    given = {"label": "play_music", "spans": [{"start": 2, "end": 5, "label": "artist"}]}
    error = {"text": BOOK, "gold": "a", "label": "b", "score": 0.9,
             "marked": {"gold": gold, "given": given}}  # fmt: skip
    report = {"name": "trips", "task": "extract", "metrics": {"exact": 0.8, "accuracy": 0.9},
              "certify_rows": 70, "errors": [error]}  # fmt: skip
    shown: Page = visit(marking(serve, tmp_path, report=report).url)
    shown.until("report-note", "80.0% right on 70 rows")
    shown.until("weak", "right answer", "from Rome", "city", "artist")
    assert shown.run("return document.querySelectorAll('#weak mark').length") == 2
    shown["show-report"].click()
    shown.until("show-report", "Hide the report")
    shown.driver.switch_to.frame(shown.driver.find_element("css selector", "iframe"))
    marks = shown.driver.find_elements("css selector", "mark")
    shown.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", marks[0])
    said = [mark.get_attribute("textContent") for mark in marks]
    assert said == ["Rome (city)", "two (artist)"]
    shown.driver.switch_to.default_content()
    assert shown.complaints() == []


def test_a_large_model_beside_it(serve: Serve, visit, tmp_path: Path, upstream) -> None:
    upstream.script = [json.dumps({"label": "play_music", "spans": [
        {"text": "Oslo", "label": "artist"}]})]  # fmt: skip
    fallback = Fallback(url=upstream.url, model="large")
    shown: Page = visit(marking(serve, tmp_path, fallback=fallback).url)
    shown.until("both-note", "large")
    type_in(shown, BOOK)
    shown["ask-both"].click()
    shown.until("compared", "book_flight", "play_music", "Oslo", "artist", "Quotes found again")
    assert shown.run("return document.querySelectorAll('#compared mark').length") == 4
