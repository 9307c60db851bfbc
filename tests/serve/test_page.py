"""The page at /: its routes and their headers. What a person does with it: test_page_browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from attar.serve import page
from attar.serve.settings import Fallback, Model
from serve.page_desk import HOSTILE, REFUND, REPORT, keys, large_model

if TYPE_CHECKING:
    from serve.conftest import Serve


@pytest.fixture
def fallback() -> Iterator[Fallback]:
    with large_model() as found:
        yield found


@pytest.mark.parametrize("path", page.FILES)
def test_a_file_of_the_page_needs_no_key_and_is_guarded(serve: Serve, path: str) -> None:
    client = serve(keys=keys()).client
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].endswith("; charset=utf-8")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    again = client.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_holds_no_script_or_style_of_its_own_and_loads_nothing_else() -> None:
    folder = Path(page.__file__).parent
    content = (folder / "index.html").read_text()
    assert content.count("<script") == content.count("></script>") == 1
    assert "<style" not in content
    assert " style=" not in content
    for name in page.FILES.values():
        written = (folder / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:/" not in written, name
        assert "https:/" not in written, name
        assert "innerHTML" not in written, name
    files = {path.name for path in folder.iterdir() if path.suffix in (".js", ".css", ".html")}
    assert files <= set(page.FILES.values())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/page/about/tiny"), ("GET", "/page/report/tiny"), ("POST", "/page/compare/tiny")],
)
def test_what_tells_of_a_model_needs_the_key(serve: Serve, method: str, path: str) -> None:
    assert serve(keys=keys()).client.request(method, path, json={"text": "a"}).status_code == 401


def test_the_report_is_a_page_and_its_absence_is_said(serve: Serve, make_bundle) -> None:
    client = serve().client
    assert client.get("/page/report/tiny").json()["error"]["code"] == "no_report"
    told = client.get("/page/report/tiny", headers={"Accept": "text/html"})
    assert (told.status_code, "holds no report" in told.text) == (404, True)
    path = make_bundle("told.attar", {"report.json": json.dumps(REPORT).encode()})
    found = serve(models={"told": Model(path=str(path))}).client.get("/page/report/told")
    assert found.status_code == 200
    assert "90.0%" in found.text
    assert "script" not in found.headers["content-security-policy"]
    assert HOSTILE not in found.text


def test_both_are_asked_whether_the_model_abstains_or_not(serve: Serve, fallback: Fallback) -> None:
    server = serve(fallback=fallback)
    found = server.client.post("/page/compare/tiny", json={"text": REFUND}).json()
    assert found["model"]["label"] == "refund"
    assert found["model"]["answered_by"] == "model"
    assert found["fallback"] == {"label": "delivery", "note": None}
    assert found["fallback_usd"] == pytest.approx(0.0002)
    assert found["model_ms"] > 0
    assert found["fallback_ms"] > 0
    assert 0 < found["model_usd"] < found["fallback_usd"]
    assert b"attar_fallback_usd_total 0.0002" in server.service.metering.text()


def test_without_a_fallback_the_comparison_says_how_to_set_one(serve: Serve) -> None:
    found = serve().client.post("/page/compare/tiny", json={"text": REFUND}).json()
    assert found["fallback"] == {"label": None, "note": page.NO_FALLBACK}
    assert found["fallback_ms"] is found["fallback_usd"] is None


def test_a_fallback_that_fails_is_told_of(serve: Serve) -> None:
    broken = Fallback(url="http://127.0.0.1:9/v1", model="large", retries=0)
    found = serve(fallback=broken).client.post("/page/compare/tiny", json={"text": REFUND}).json()
    assert found["fallback"]["label"] is None
    assert "cannot reach" in found["fallback"]["note"]
    assert found["fallback_usd"] is None


def test_what_the_page_must_know_of_a_model(serve: Serve) -> None:
    found = serve().client.get("/page/about/tiny").json()
    assert found["labels"] == ["cancel", "delivery", "refund", "oos"]
    assert found["threshold"] == 0.5
    assert found["threshold_is_score"] is True
    assert (found["sets"], found["fallback"], found["capture"]) == (False, None, False)
