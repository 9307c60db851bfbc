"""The page at / in a real Chromium: what a person types, reads, drops and downloads."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve.settings import Capture, Fallback, Key, Limits, Model
from serve.page_desk import HOSTILE, KEY, REFUND, REPORT, WEATHER, keys, large_model

if TYPE_CHECKING:
    from serve.conftest import Serve


@pytest.fixture
def fallback() -> Iterator[Fallback]:
    with large_model() as found:
        yield found


def test_an_answer_follows_the_typing_and_an_abstention_is_said(serve: Serve, visit) -> None:
    shown = visit(serve().url)
    shown.until("facts", "3 labels", "abstains under a score of 50.0%")
    shown["text"].send_keys(REFUND)
    shown.until("answer", "refund", "answered by the model", "ms to this browser", "threshold")
    assert shown.run("return document.querySelectorAll('.bars li').length") == 3
    shown.until("said", "refund. The model answers")
    shown["text"].clear()
    shown["text"].send_keys(WEATHER)
    shown.until("answer", "Abstains", "under the threshold of 50.0%", "answered by nobody")
    assert shown.complaints() == []


def test_the_key_is_asked_for_and_kept_for_the_tab(serve: Serve, visit) -> None:
    shown = visit(serve(keys=keys()).url)
    shown.until("gate", "This server needs a key")
    shown["key"].send_keys("wrong", "\n")
    shown.until("trouble", "not one of this server's")
    shown["key"].send_keys(KEY, "\n")
    shown.until("facts", "3 labels")
    shown["text"].send_keys(REFUND)
    shown.until("answer", "refund", "answered by the model")
    shown.driver.refresh()
    shown.until("facts", "3 labels")
    assert shown.run("return sessionStorage.getItem('attar.key')") == KEY
    shown["forget"].click()
    shown.until("gate", "This server needs a key")
    assert shown.run("return sessionStorage.getItem('attar.key')") is None


def test_a_file_is_answered_and_downloaded(serve: Serve, visit, tmp_path: Path) -> None:
    shown = visit(serve(limits=Limits(texts=20)).url)
    shown.until("facts", "3 labels")
    shown.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    rows = [["id", "Text", "label"], ["=1+1", 'my "refund",\nnow', "x"], ["2", WEATHER, "y"]]
    rows += [[str(n), "parcel", "z"] for n in range(3, 120)]
    source = tmp_path / "desk.csv"
    with source.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(rows)
    shown["upload"].send_keys(str(source))
    shown.until("batch-said", "119 of 119 texts answered", "abstained from 1", "1 cell", "formula")
    shown.until("rows", "The first 10 rows", "delivery")
    shown["download"].click()
    end = time.monotonic() + 15
    while not (found := tmp_path / "desk-answered.csv").exists():
        assert time.monotonic() < end, "nothing was downloaded"
        time.sleep(0.02)
    with found.open(newline="", encoding="utf-8") as file:
        head, *answered = list(csv.reader(file))
    assert head == [*rows[0], "attar_label", "score", "abstained", "answered_by"]
    assert [row[:3] for row in answered] == rows[1:]
    assert answered[0][3] == "refund"
    assert [row[5:] for row in answered[:2]] == [["false", "model"], ["true", "nobody"]]


def test_a_server_that_refuses_for_now_is_waited_for(serve: Serve, visit) -> None:
    limited = (Key(name="slow", sha256=keys()[0].sha256, requests_per_second=2, burst=5),)
    shown = visit(serve(keys=limited, limits=Limits(texts=5)).url)
    shown["key"].send_keys(KEY, "\n")
    shown.until("facts", "3 labels")
    shown["paste"].send_keys("parcel\n" * 40)
    shown["run"].click()
    shown.until("left", "waiting")
    shown.until("batch-said", "40 of 40 texts answered")


def test_the_keyboard_alone_suffices(serve: Serve, visit, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    capture = tmp_path / "captured.jsonl"
    server = serve(capture=Capture(path=str(capture)))
    shown = visit(server.url)
    shown.until("facts", "3 labels")
    shown.type(Keys.TAB)
    assert shown.driver.switch_to.active_element.text == "To the text box"
    assert shown.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    shown.type(Keys.ENTER)
    shown.type(REFUND, Keys.CONTROL + Keys.ENTER)
    shown.until("answer", "refund")
    shown.type(Keys.TAB)  # Ask
    shown.type(Keys.TAB)  # the labels
    shown.type("cancel", Keys.TAB)
    shown.type(Keys.ENTER)
    shown.until("corrected", "Saved")
    end = time.monotonic() + 10
    while "person" not in (capture.read_text() if capture.exists() else ""):
        assert time.monotonic() < end, "no correction was written"
        time.sleep(0.05)
    lines = [json.loads(line) for line in capture.read_text().splitlines()]
    assert lines[-1]["label"] == "cancel"


def test_a_correction_that_cannot_be_kept_says_why(serve: Serve, visit) -> None:
    shown = visit(serve().url)
    shown.until("facts", "3 labels")
    shown["text"].send_keys(REFUND)
    shown.until("answer", "refund")
    shown.run("document.getElementById('right').value = 'cancel'")
    shown["save"].click()
    shown.until("corrected", "Not saved", "--capture")


def test_both_answers_stand_side_by_side(serve: Serve, visit, fallback: Fallback) -> None:
    shown = visit(serve(fallback=fallback).url)
    shown.until("both-note", "large")
    shown["text"].send_keys(REFUND)
    shown["ask-both"].click()
    shown.until("compared", "refund", "delivery", "$200.00 a million", "times the cost")
    without = visit(serve().url)
    without.until("both-note", "--fallback URL --fallback-model NAME")


def test_hostile_texts_and_labels_run_nothing(serve: Serve, visit, make_bundle) -> None:
    settings = {"labels": ["cancel", HOSTILE, "refund"], "out_of_scope": "oos",
                "threshold": 0.5, "temperature": 1.0, "acceptance": "probability"}  # fmt: skip
    report = {**REPORT, "labels": settings["labels"]}
    path = make_bundle(
        "hostile.attar",
        {"report.json": json.dumps(report).encode(), "golden.jsonl": b""},
        task_settings=settings,
    )
    shown = visit(serve(models={"hostile": Model(path=str(path))}).url)
    shown.until("weak", HOSTILE, "What it gets wrong")
    shown["text"].send_keys(f"parcel {HOSTILE}")
    shown.until("answer", HOSTILE)
    shown["paste"].send_keys(f"parcel {HOSTILE}")
    shown["run"].click()
    shown.until("rows", f"parcel {HOSTILE}")
    shown["show-report"].click()
    shown.until("show-report", "Hide the report")
    shown.driver.switch_to.frame(shown.driver.find_element("css selector", "iframe"))
    assert "90.0%" in shown.driver.find_element("css selector", "body").text
    shown.driver.switch_to.default_content()
    assert shown.run("return document.title") == "hostile – attar"
    assert shown.run("return document.querySelectorAll('img').length") == 0
    assert shown.complaints() == []


@pytest.mark.parametrize(("scheme", "paper"), [("light", "255"), ("dark", "20")])
def test_it_fits_a_phone_in_light_and_dark(serve: Serve, visit, scheme: str, paper: str) -> None:
    shown = visit(serve().url)
    send = shown.driver.execute_cdp_cmd
    send("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": scheme},
    ]})  # fmt: skip
    send("Emulation.setDeviceMetricsOverride", {
        "width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": True,
    })  # fmt: skip
    try:
        shown.until("facts", "3 labels")
        shown["text"].send_keys(REFUND)
        shown.until("answer", "refund")
        assert shown.run("return document.documentElement.scrollWidth") <= 360
        color = shown.run("return getComputedStyle(document.body).backgroundColor")
        assert color.startswith(f"rgb({paper},")
    finally:
        send("Emulation.setEmulatedMedia", {"features": []})
        send("Emulation.clearDeviceMetricsOverride", {})
