"""The agents' page and the dashboard in a real Chromium."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from people_pages import KEYS, Agency
from widget_page import browser, serving

HOSTILE = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        with browser(tmp_path_factory.mktemp("chromium")) as found:
            yield found
    except FileNotFoundError as error:
        pytest.skip(f"no Chromium: {error}")


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    found = Agency(tmp_path)
    yield found
    found.close()


class Page:
    def __init__(self, driver: Any, url: str, key: str | None = None) -> None:
        self.driver = driver
        driver.get_log("browser")
        driver.get(url)
        driver.execute_script("sessionStorage.clear()")
        if key:
            driver.execute_script("sessionStorage.setItem('desk-agent-key', arguments[0])", key)
        driver.refresh()

    def until(self, script: str, *arguments: object) -> Any:
        end = time.monotonic() + 30
        while not (found := self.driver.execute_script(f"return {script}", *arguments)):
            seen = self.driver.execute_script("return document.body.innerText")
            assert time.monotonic() < end, f"never true: {script} {arguments}\n{seen}\n{self.log()}"
            time.sleep(0.05)
        return found

    def until_seen(self, text: str) -> None:
        self.until("document.body.innerText.includes(arguments[0])", text)

    def press(self, label: str) -> None:
        # The page may be drawing: found and pressed in one step.
        self.until(
            "(() => { const b = [...document.querySelectorAll('button')].find((e) => "
            "e.textContent.startsWith(arguments[0])); b?.click(); return !!b; })()",
            label,
        )

    def log(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


def test_an_agent_takes_answers_corrects_and_closes(driver: Any, agency: Agency) -> None:
    agency.hand_over()
    agency.chat.say(HOSTILE)
    with serving(agency.app) as url:
        page = Page(driver, f"{url}/people/")
        page.until("document.querySelector('dialog[open] input')").send_keys(KEYS["alice"], "\n")
        page.until_seen("waiting (1)")
        page.press("Take the next")
        page.until_seen("Case 1")
        page.until_seen("by order number and e-mail address")
        page.until_seen(HOSTILE)
        assert driver.title != "run"
        page.press("Greeting")
        page.until("document.getElementById('reply').value.startsWith('Hello, this is alice.')")
        page.press("Send")
        page.until_seen("Agent")
        said = [turn.text for turn in agency.desk.turns("chat") if turn.said_by == "agent"]
        assert len(said) == 1
        assert page.until("document.getElementById('reply').value === ''")
        # A reply that is being written outlives that the case is drawn anew.
        driver.find_element("id", "reply").send_keys("One more thing")
        agency.chat.say("are you there?")
        page.until_seen("are you there?")
        assert page.until("document.getElementById('reply').value") == "One more thing"
        assert page.until("document.activeElement.id") == "reply"
        page.press("Wrong…")
        page.until("document.querySelector('form.correct')")
        driver.execute_script(
            "document.querySelector('form.correct select').value = 'refund_status';"
            "document.querySelector('[data-slot=order_number]').value = 'MF-10003'"
        )
        page.press("Keep")
        page.until_seen("corrected by alice")
        (row,) = agency.people._verdicts.rows("calls")
        assert row["calls"] == [
            {"name": "refund_status", "arguments": {"order_number": "MF-10003"}}
        ]
        page.press("Close: resolved")
        page.until_seen("Closed by alice: resolved.")
        page.until_seen("waiting (0)")
        assert page.log() == []


def test_the_dashboard_draws_filters_and_saves(driver: Any, agency: Agency) -> None:
    agency.hand_over()
    agency.hand_over("again")
    with serving(agency.app) as url:
        page = Page(driver, f"{url}/people/figures", KEYS["bob"])
        page.until_seen("0 of 2; 95 %")
        assert page.until("document.querySelectorAll('svg.plot').length") >= 6
        bars = page.until(
            "[...document.querySelectorAll('rect.handed title')].map(e => e.textContent)"
        )
        assert "asked: 2" in bars
        names = "[...document.forms[0].elements.channel.options].map((o) => o.value)"
        assert page.until(names) == ["", "test"]
        driver.execute_script("document.forms[0].elements.since.value = '2020-01-01'")
        page.press("Show")
        page.until_seen("a period of at most 400 days")
        driver.execute_script("document.forms[0].elements.since.value = ''")
        driver.execute_script("document.forms[0].elements.intent.value = 'order_status'")
        page.press("Show")
        page.until_seen("0 of 2; 95 %")
        # Of the console only the period that was refused.
        assert all("422" in line for line in page.log())
        width = driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert width <= 0
