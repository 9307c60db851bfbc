"""Settings: what is refused, with the place; flags over the file; TLS."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

import httpx

from attar.errors import RecipeError
from attar.serve.settings import Settings, checked, parse_settings, read_settings, secret

if TYPE_CHECKING:
    from serve.conftest import Serve

HASH = "0123456789abcdef" * 4
MODEL = '[models.desk]\npath = "desk.attar"\n'
FALLBACK = '[fallback]\nurl = "http://127.0.0.1:9/v1"\nmodel = "large"\n'


def written(folder: Path, content: str) -> Path:
    path = folder / "serve.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    content = f"""
host = "0.0.0.0"
cors = ["https://shop.example"]
[models.desk]
path = "desk.attar"
aliases = ["gpt-small", "org/model"]
on_abstain = "fallback"
[[keys]]
name = "shop"
sha256 = "{HASH}"
requests_per_second = 5
[limits]
texts = 3
[capture]
path = "requests.jsonl"
sample = 0.5
{FALLBACK}usd_per_day = 1
input_usd = 0.5
"""
    settings = read_settings(written(tmp_path, content))
    assert settings.models["desk"].aliases == ("gpt-small", "org/model")
    assert settings.limits.texts == 3
    assert settings.limits.deadline_ms == Settings().limits.deadline_ms
    assert settings.keys[0].requests_per_second == 5
    assert settings.fallback is not None and settings.fallback.retries == 2
    assert not settings.local


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (MODEL + "[limit]\n", ["limit"]),
        (MODEL + "[limits]\ntext = 3\n", ["text", "limits"]),
        (MODEL + "alias = 'x'\n", ["alias", "models"]),
        (MODEL + "[limits]\ntexts = 0\n", ["limits.texts", ">= 1"]),
        (MODEL + "[limits]\ntexts = 'many'\n", ["limits.texts", "int"]),
        (MODEL + "[limits]\ncharacters = 2000000\n", ["limits.characters", "1000000"]),
        ("[models.desk]\npath = 'x'\non_abstain = 'ask'\n", ["on_abstain", "ask"]),
        (MODEL + "[[keys]]\nname = 'a'\nsha256 = 'secret'\n", ["keys[0].sha256"]),
        (MODEL + "[fallback]\nurl = 'ftp://x'\nmodel = 'y'\n", ["fallback.url"]),
        (MODEL + "[fallback]\nurl = 'http://x'\n", ["model", "fallback"]),
        (MODEL + "[fallback]\nurl = 'http://'\nmodel = 'y'\n", ["fallback.url", "host"]),
        (MODEL + "[person]\nurl = 'http://[x'\n", ["person.url", "host"]),
        (MODEL + "[person]\nurl = 'http://x:99999'\n", ["person.url"]),
        (MODEL + FALLBACK + "usd_per_day = 1\n", ["usd_per_day", "input_usd"]),
        ("port = 70000\n" + MODEL, ["port"]),
        ("host = [", ["serve.toml"]),
        ("", ["no model"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, content: str, parts: list[str]
) -> None:
    with pytest.raises(RecipeError) as refused:
        read_settings(written(tmp_path, content))
    for part in ["serve.toml", *parts]:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("host = '0.0.0.0'\n" + MODEL, "--new-key"),
        ("host = '192.168.1.7'\n" + MODEL, "192.168.1.7"),
        (MODEL + "aliases = ['desk']\n", "'desk'"),
        (MODEL + "aliases = ['a', 'a']\n", "'a'"),
        (MODEL + "aliases = ['a']\n[models.b]\npath = 'b'\naliases = ['a']\n", "'a'"),
        (MODEL + "aliases = ['b']\n[models.b]\npath = 'b'\n", "'b'"),
        (MODEL + "on_abstain = 'fallback'\n", "[fallback]"),
        (MODEL + "on_abstain = 'person'\n", "[person]"),
        ("certificate = 'c.pem'\n" + MODEL, "private_key"),
        ("private_key = 'k.pem'\n" + MODEL, "certificate"),
        (MODEL + f"[[keys]]\nname = 'a'\nsha256 = '{HASH}'\n" * 2, "two keys"),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, content: str, part: str) -> None:
    path = written(tmp_path, content)
    assert parse_settings(path).models  # each value by itself is right
    with pytest.raises(RecipeError, match="serve.toml") as refused:
        read_settings(path)
    assert part in str(refused.value)


def test_other_machines_are_let_in_with_a_key_or_by_will(tmp_path: Path) -> None:
    host = "host = '0.0.0.0'\n"
    keys = f"[[keys]]\nname = 'a'\nsha256 = '{HASH}'\n"
    assert read_settings(written(tmp_path, host + MODEL + keys)).keys
    assert read_settings(written(tmp_path, host + "insecure = true\n" + MODEL)).insecure
    for local in ("127.0.0.1", "::1", "localhost"):
        assert read_settings(written(tmp_path, f"host = '{local}'\n" + MODEL)).local


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml: cannot be read"):
        read_settings(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"host = '\xe9'")
    with pytest.raises(RecipeError, match=r"latin\.toml"):
        read_settings(tmp_path / "latin.toml")


def test_secrets_are_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAR_TEST_SECRET", "sk-1\n")
    assert secret("ATTAR_TEST_SECRET", "fallback.api_key_env") == "sk-1"
    assert secret(None, "fallback.api_key_env") is None
    monkeypatch.setenv("ATTAR_TEST_SECRET", "sk-é")
    with pytest.raises(RecipeError, match="header") as refused:
        secret("ATTAR_TEST_SECRET", "fallback.api_key_env")
    assert "sk-" not in str(refused.value)
    for value in ("", " \n"):
        monkeypatch.setenv("ATTAR_TEST_SECRET", value)
        with pytest.raises(RecipeError, match=r"fallback\.api_key_env.*ATTAR_TEST_SECRET"):
            secret("ATTAR_TEST_SECRET", "fallback.api_key_env")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that `attar serve` would serve, instead of serving them."""
    found: list[Settings] = []
    monkeypatch.setattr("attar.serve.app.run", lambda settings, *_, **__: found.append(settings))
    return found


def test_flags_go_over_the_file(
    given: list[Settings], attar_command: Any, tmp_path: Path, tiny_bundle: Path
) -> None:
    # A file without models, and with what a flag alone makes right.
    path = written(tmp_path, "host = '0.0.0.0'\nport = 1\n[capture]\npath = 'c.jsonl'\n")
    arguments = ["--config", path, "--port", 0, "--insecure", "--alias", "other=tiny", "--workers"]
    done = attar_command("serve", tiny_bundle, *arguments, 2, "--quiet")
    assert done.code == 0, done.err
    (settings,) = given
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 0, 2)
    assert settings.models["tiny"].aliases == ("other",)
    assert settings.capture is not None and not settings.log_requests
    done = attar_command("serve", tiny_bundle, "--fallback", "http://x/v1", "--fallback-model", "l")
    assert done.code == 0, done.err
    assert given[-1].models["tiny"].on_abstain == "fallback"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "no model"),
        (["BUNDLE", "BUNDLE"], "two bundles are named 'tiny'"),
        (["BUNDLE", "--host", "0.0.0.0"], "--new-key"),
        (["BUNDLE", "--alias", "other"], "--alias other"),
        (["BUNDLE", "--alias", "tiny=tiny"], "'tiny'"),
        (["BUNDLE", "--alias", "other=desk"], "tiny"),
        (["BUNDLE", "--port", "70000"], "port"),
        (["BUNDLE", "--workers", "0"], "workers"),
        (["BUNDLE", "--fallback", "http://x"], "--fallback-model"),
        (["BUNDLE", "--fallback", "x", "--fallback-model", "y"], "fallback.url"),
        (["BUNDLE", "--fallback-model", "y"], "--fallback"),
        (["BUNDLE", "--fallback-key-env", "Y"], "--fallback"),
        (["BUNDLE", "--fallback", "http://x", "--fallback-model", "y", "--person", "http://y"],
         "--person"),
        (["BUNDLE", "--redact"], "--capture"),
        (["nowhere.attar"], "nowhere.attar"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)  # fmt: skip
def test_flags_that_are_refused(
    given: list[Settings], attar_command: Any, tiny_bundle: Path, arguments: list[str], part: str
) -> None:
    done = attar_command("serve", *(tiny_bundle if a == "BUNDLE" else a for a in arguments))
    assert done.code == 2, done
    assert part in done.err
    assert "Traceback" not in done.err
    assert given == []


def test_tls(serve: Serve, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    certificate, private = tmp_path / "certificate.pem", tmp_path / "private.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
               "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", private, "-out", certificate]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    server = serve(certificate=str(certificate), private_key=str(private))
    trusting = ssl.create_default_context(cafile=str(certificate))
    url = server.url.replace("http://", "https://")
    with httpx.Client(base_url=url, verify=trusting, trust_env=False, timeout=20) as client:
        found = client.post("/v1/predict/tiny", json={"text": "i want my refund"}).json()
    assert found["answers"][0]["label"] == "refund"
    with pytest.raises(httpx.TransportError):  # nothing is answered in the clear
        server.client.get("/healthz")


def test_settings_made_in_code_are_checked_the_same_way() -> None:
    with pytest.raises(RecipeError, match="here: no model"):
        checked(Settings(), "here")
