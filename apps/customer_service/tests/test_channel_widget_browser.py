"""The widget in a real Chromium, on a shop's page of another origin with a strict policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from channels_desk import FakeDesk
from desk.app import make_app
from desk.channels import websocket
from desk.channels.sessions import IDENTITY
from desk.channels.settings import Secret, Settings, Web
from widget_page import SHADOW, Chat, Shop, browser, serving, shop

SHARED = "i" * 40
HOSTILE = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        with browser(tmp_path_factory.mktemp("chromium")) as found:
            yield found
    except FileNotFoundError as error:
        pytest.skip(f"no Chromium: {error}")


@pytest.fixture(scope="module")
def front() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def page(front: Shop, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(websocket, "LOOKS_S", 0.05)
    front.attributes, front.language = "", "en"
    with serving(make_app(desk, settings(front))) as front.desk:
        yield front


def settings(front: Shop) -> Settings:
    web = Web(
        secret=Secret("s" * 40),
        identity=Secret(SHARED),
        origins=(front.url,),
        messages_a_minute=400,
        conversations_a_minute=400,
    )
    return Settings(web)


def test_a_question_is_answered_with_its_source(driver: Any, page: Shop) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    assert chat.run(f"return {SHADOW}.activeElement.tagName") == "TEXTAREA"
    chat.say("how do I return it")
    chat.until_said("You have 30 days.", "From our help pages: Sending things back")
    assert chat.log[:3] == [
        "You: how do I return it",
        "Assistant: You have 30 days.",
        "Assistant: Shall I start a return?",
    ]
    # All bubbles lie in the log, those of the desk at the left, those of the customer at the right.
    places = chat.run(
        f"const log = {SHADOW}.querySelector('.log').getBoundingClientRect();"
        f"return [...{SHADOW}.querySelectorAll('.bubble')].map((one) => {{"
        "const at = one.getBoundingClientRect();"
        "return [at.left >= log.left && at.right <= log.right + 1, at.left - log.left < 40]; })"
    )
    assert places == [[True, False], [True, True], [True, True]]
    buttons = f"[...{SHADOW}.querySelectorAll('.suggestions button')].map((b) => b.textContent)"
    assert chat.run(f"return {buttons}") == ["Yes", "No"]
    chat.find(".suggestions button").click()
    chat.until_said("You said: Yes")
    assert chat.run(f"return {SHADOW}.querySelector('.suggestions').hidden")
    assert chat.complaints() == []


def test_markup_is_shown_and_never_run(driver: Any, page: Shop) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.say(HOSTILE)
    chat.until_said(f"You said: {HOSTILE}")
    assert driver.title == "Shop"
    assert chat.find(".log img") is None


def test_the_conversation_goes_on_on_the_next_page(driver: Any, page: Shop, desk: FakeDesk) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.say("hello")
    chat.until_said("You said: hello")
    chat = Chat(driver, f"{page.url}/other", fresh=False)
    chat.open()
    chat.until_said("You said: hello")
    chat.say("again")
    chat.until_said("You said: again")
    assert len({taken.conversation for taken in desk.taken}) == 1


def test_what_a_person_says_comes_in(driver: Any, page: Shop, desk: FakeDesk) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.say("agent please")
    chat.until_said("A colleague takes over.", "answers here")
    (conversation,) = desk.said
    desk.person_says(conversation, "Tom here.")
    chat.until_said("Colleague: Tom here.")
    chat = Chat(driver, page.url, fresh=False)
    chat.open()
    chat.until_said("Colleague: Tom here.")
    desk.person_says(conversation, "Solved.")
    chat.until_said("Colleague: Solved.")
    time.sleep(0.3)
    assert len([line for line in chat.log if line.startswith("Colleague: Solved")]) == 1


def test_a_message_survives_a_desk_that_is_away(driver: Any, page: Shop, desk: FakeDesk) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.say("hello")
    chat.until_said("You said: hello")
    chat.run("window.kept = window.fetch; window.fetch = () => Promise.reject(new Error())")
    chat.say("cancel 48213")
    chat.until(f"return {SHADOW}.querySelector('.status').textContent.startsWith('No conn')")
    chat.run("window.fetch = window.kept")
    chat.until_said("MF-48213 is canceled")
    assert [taken.text for taken in desk.taken].count("cancel 48213") == 1


def test_a_message_that_was_refused_can_be_sent_again(
    driver: Any, page: Shop, desk: FakeDesk
) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.run(
        "window.kept = window.fetch; window.fetch = () => Promise.resolve(new Response('', "
        "{status: 403}))"
    )
    chat.say("cancel 48213")
    chat.until_said("Your message was not sent.")
    chat.run("window.fetch = window.kept")
    chat.find(".note button").click()
    chat.until_said("MF-48213 is canceled")
    assert not any("not sent" in line for line in chat.log)


def test_an_expired_conversation_begins_anew(driver: Any, page: Shop) -> None:
    chat = Chat(driver, page.url)
    chat.open()
    chat.say("hello")
    chat.until_said("You said: hello")
    chat.run(
        "const [key] = Object.keys(sessionStorage); const kept = JSON.parse(sessionStorage[key]);"
        "sessionStorage[key] = JSON.stringify({...kept, token: 'expired'})"
    )
    chat = Chat(driver, page.url, fresh=False)
    chat.open()
    chat.say("again")
    chat.until_said("You said: again")


def test_the_shop_vouches_for_its_customer(driver: Any, page: Shop, desk: FakeDesk) -> None:
    claims = {"sub": "C7", "aud": IDENTITY, "exp": time.time() + 60}
    for token in (jwt.encode(claims, SHARED, "HS256"), jwt.encode(claims, "x" * 40, "HS256")):
        page.attributes = f'data-identity="{token}"'
        chat = Chat(driver, page.url)
        chat.open()
        chat.say("hello")
        chat.until_said("You said: hello")
    assert [taken.customer for taken in desk.taken] == ["C7", None]


def test_the_keyboard_alone_suffices_and_focus_returns(driver: Any, page: Shop) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    chat = Chat(driver, page.url)

    def press(*keys: str) -> None:
        ActionChains(driver).send_keys(*keys).perform()

    press(Keys.TAB)
    assert chat.run(f"return {SHADOW}.activeElement.className") == "opener"
    assert chat.run(f"return getComputedStyle({SHADOW}.activeElement).outlineStyle") == "solid"
    press(Keys.ENTER)
    press("how do I return it")
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    press("please", Keys.ENTER)
    chat.until_said("You have 30 days.")
    assert "return it\nplease" in chat.log[0]
    press(Keys.ESCAPE)
    assert chat.run(f"return {SHADOW}.querySelector('section').hidden")
    assert chat.run(f"return {SHADOW}.activeElement.className") == "opener"
    assert chat.find(".opener").get_attribute("aria-expanded") == "false"


def test_dark_and_light_follow_the_system_or_the_tag(driver: Any, page: Shop) -> None:
    paper = f"return getComputedStyle({SHADOW}.querySelector('section')).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(25, 28, 34)"
    for system, attribute, wanted in (
        ("light", "", light),
        ("dark", "", dark),
        ("light", 'data-theme="dark"', dark),
        ("dark", 'data-theme="light"', light),
    ):
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": system}]},
        )
        page.attributes = attribute
        assert Chat(driver, page.url).run(paper) == wanted
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_speaks_the_language_of_the_page(driver: Any, page: Shop, desk: FakeDesk) -> None:
    page.language = "de-CH"
    chat = Chat(driver, page.url)
    assert chat.find(".opener").get_attribute("aria-label") == "Chat mit uns"
    chat.open()
    chat.say("hallo")
    chat.until_said("Assistent: You said: hallo")
    assert desk.taken[0].language == "de"


def test_the_page_at_the_root_holds_it(driver: Any, page: Shop) -> None:
    chat = Chat(driver, page.desk)
    chat.open()
    chat.say("agent please")
    chat.until_said("A colleague takes over.")
    assert chat.run(f"return {SHADOW}.querySelector('h2').textContent") == "Marlow & Finch"
    time.sleep(0.5)  # a WebSocket that the policy forbids would be complained about
    assert chat.complaints() == []


def test_on_a_small_screen_it_fits(driver: Any, page: Shop) -> None:
    page.viewport = '<meta name="viewport" content="width=device-width">'
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 320, "height": 480, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        chat = Chat(driver, page.url)
        chat.open()
        box = chat.run(f"return {SHADOW}.querySelector('section').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0 and box["right"] <= 320
        assert box["top"] >= 0 and box["bottom"] <= 480
    finally:
        page.viewport = ""
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
