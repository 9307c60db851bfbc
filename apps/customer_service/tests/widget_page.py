"""A shop's page that holds the widget of a desk elsewhere, and how a browser sees it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

SHADOW = "document.querySelector('[data-desk]').shadowRoot"


@contextlib.contextmanager
def serving(app: Starlette, port: int = 0) -> Iterator[str]:
    """An application on loopback, in a thread; gives its URL."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until, "the desk did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(20)


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """A shop's server, whose page allows nothing but the widget of the desk that is set."""
    found = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = found.page().encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", found.policy())
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


class Shop:
    url = desk = attributes = viewport = ""
    language = "en"

    def page(self) -> str:
        return (
            f'<!doctype html><html lang="{self.language}"><head><title>Shop</title>'
            f"{self.viewport}"
            '<link rel="icon" href="data:,"></head><body><main><h1>Shop</h1></main>'
            f'<script src="{self.desk}/widget.js" {self.attributes} defer></script>'
            "</body></html>"
        )

    def policy(self) -> str:
        live = self.desk.replace("http", "ws", 1)
        return (
            f"default-src 'none'; script-src {self.desk}; connect-src {self.desk} {live}; "
            "img-src data:"
        )


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """A headless Chromium. Raises FileNotFoundError where there is none."""
    from selenium import webdriver

    paths = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in paths:
        raise FileNotFoundError("install Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(paths[0])
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", "force-prefers-reduced-motion", "window-size=900,800",
        f"user-data-dir={folder}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(paths[1])))
    driver.set_page_load_timeout(30)
    driver.set_script_timeout(30)
    driver.command_executor.client_config.timeout = 60
    try:
        yield driver
    finally:
        driver.quit()


class Chat:
    """The widget on a page, as a person uses it."""

    def __init__(self, driver: Any, url: str, fresh: bool = True) -> None:
        self.driver = driver
        driver.get_log("browser")
        driver.get(url)
        if fresh:
            driver.execute_script("sessionStorage.clear()")
            driver.refresh()
        self.until("return !!document.querySelector('[data-desk]')")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.run(f"return {SHADOW}.querySelector(arguments[0])", selector)

    def until(self, script: str, seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}\n{self.log}"
            time.sleep(0.03)
        return found

    @property
    def log(self) -> list[str]:
        found: list[str] = self.run(
            "const host = document.querySelector('[data-desk]'); return host ? "
            "[...host.shadowRoot.querySelectorAll('.log > *')].map((e) => e.textContent) : []"
        )
        return found

    def until_said(self, *parts: str) -> None:
        end = time.monotonic() + 20
        while not all(any(part in line for line in self.log) for part in parts):
            assert time.monotonic() < end, f"{parts} not in {self.log}"
            time.sleep(0.03)

    def open(self) -> None:
        self.find(".opener").click()
        self.until(f"return !{SHADOW}.querySelector('section').hidden")

    def say(self, text: str) -> None:
        from selenium.webdriver.common.keys import Keys

        self.find("textarea").send_keys(text, Keys.ENTER)

    def complaints(self) -> list[str]:
        """What the browser's console holds against the page."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
