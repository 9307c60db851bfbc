"""What the tests of the page share: texts, a key, a report, a large model on loopback, and the
page as a browser has it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from typing import Any

from attar.serve.settings import Fallback, Key
from upstream import completion, served

REFUND, WEATHER, KEY = "i want my refund", "the weather now", "attar-key-of-the-test"
HOSTILE = "<img src=x onerror=\"document.title='run'\">"
REPORT = {
    "name": "tiny", "task": "classify", "labels": ["cancel", "delivery", "refund"],
    "metrics": {"accuracy": 0.9}, "certify_rows": 1200,
    "errors": [{"text": HOSTILE, "gold": "refund", "label": "cancel", "score": 0.9}],
}  # fmt: skip


def keys() -> tuple[Key, ...]:
    return (Key(name="someone", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)


@contextlib.contextmanager
def large_model() -> Iterator[Fallback]:
    """A large model on loopback, which says that everything is "delivery"."""
    with served() as stub:
        stub.script = [completion("delivery", tokens=(100, 10))]
        yield Fallback(url=stub.url, model="large", input_usd=1.0, output_usd=10.0)


class Page:
    """The page in a browser, asked for by the ids of its elements."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        driver.get_log("browser")
        driver.get(url + "/")

    def __getitem__(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def until(self, name: str, *parts: str) -> str:
        """The text of an element, once it has all the parts. Their case is the page's."""
        end = time.monotonic() + 15
        while True:
            text: str = self.run("return document.getElementById(arguments[0]).innerText", name)
            if all(part in text for part in parts):
                return text
            assert time.monotonic() < end, f"{name}: {parts} not in {text!r}"
            time.sleep(0.02)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def type(self, *keys: str) -> None:
        """Keys for whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]
