"""A real server in a thread of this process, on loopback, with the tiny bundle."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx
import uvicorn

from attar.serve.app import Serving, make_app
from attar.serve.settings import Model, Settings

if TYPE_CHECKING:
    from attar.serve.service import Service
    from serve.page_desk import Page
    from serve.proxy_desk import Start


@dataclass
class Running:
    """A server that answers. url: without a slash at the end."""

    url: str
    client: httpx.Client
    server: Serving

    @property
    def service(self) -> Service:
        app: Any = self.server.config.app
        service: Service = app.state.service
        return service


@contextlib.contextmanager
def in_thread(server: uvicorn.Server) -> Iterator[str]:
    """Run the server on a free port of loopback until the block ends; gives its URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until, "the server did not start"
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the server did not end"


@contextlib.contextmanager
def running(settings: Settings, **arguments: Any) -> Iterator[Running]:
    """Serve the settings on a free port, until the block ends."""
    server = Serving(make_app(settings, **arguments), settings)
    with (
        in_thread(server) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
    ):
        yield Running(url, client, server)


Serve = Callable[..., Running]


@pytest.fixture
def serve(tiny_bundle: Path) -> Iterator[Serve]:
    """Serve the tiny bundle as "tiny"; keywords are Settings', `model` Model's. Servers end
    with the test."""
    with contextlib.ExitStack() as stack:

        def start(model: dict[str, Any] | None = None, **settings: Any) -> Running:
            redact = settings.pop("redact", None)
            settings.setdefault("models", {"tiny": Model(path=str(tiny_bundle), **(model or {}))})
            settings.setdefault("log_requests", False)
            return stack.enter_context(running(Settings(**settings), redact=redact))

        yield start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start proxies, each before a stub of its upstream. Proxies end with the test."""
    from serve.proxy_desk import proxies

    with proxies(tmp_path) as begin:
        yield begin


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    paths = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in paths:
        pytest.skip("no Chromium: install Debian's packages chromium and chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", "force-prefers-reduced-motion", "window-size=1000,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(paths[1])
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def visit(chromium: Any) -> Callable[[str], Page]:
    """Open the page of a server in the browser."""
    from serve.page_desk import Page

    return lambda url: Page(chromium, url)
