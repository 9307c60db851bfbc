"""The commands on the base install: predict, report, verify, and what they are given wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import attar
from attar.bundle import read_bundle, repack
from attar.errors import MissingExtraError
from conftest import Done, assert_one_error

TEXTS = ["i want my refund", "where is my parcel", "the weather now", "", "naïve ☃"]
HEAVY = ("numpy", "torch", "onnxruntime", "transformers", "tokenizers", "rich", "scipy")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from attar.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stopped: assert not stopped.code, stopped.code\n"
        f"print('heavy:', [m for m in {HEAVY} if m in sys.modules])"
    )
    for arguments in ([], ["build"], ["predict"], ["report"], ["verify"], ["curate"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments, "--help"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert "Usage: attar" in done.stdout
        assert done.stdout.splitlines()[-1] == "heavy: []", arguments


def test_predict_never_imports_torch(tiny_bundle: Path) -> None:
    script = (
        "import sys\n"
        "from attar.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'rich', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", str(tiny_bundle), "refund"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_runs_too(tiny_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "attar.cli", "predict", str(tiny_bundle)],
        input="refund\n\nparcel please\n", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["refund", "delivery"]


def lines(**keys: str) -> bytes:
    return "".join(json.dumps({"text": t, **keys}) + "\n" for t in TEXTS).encode()


def csv_of(texts: list[str]) -> bytes:
    return ("id,text\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))).encode()


@pytest.mark.parametrize(
    ("stdin", "arguments", "texts"),
    [
        (b"", TEXTS, TEXTS),
        (lines(), [], TEXTS),
        (lines(id="7"), ["--input", "jsonl"], TEXTS),
        (csv_of(TEXTS), [], TEXTS),
        (csv_of(TEXTS), ["--input", "csv"], TEXTS),
        ("\n".join(TEXTS[:3]).encode(), [], TEXTS[:3]),
        (b"text\nrefund\n", ["--input", "lines"], ["text", "refund"]),
        (b'{"text": "refund"}\n', ["--input", "lines"], ['{"text": "refund"}']),
        ("\ufeffrefund\r\nparcel\r\n".encode(), [], ["refund", "parcel"]),
    ],
)
def test_predict_json(
    stdin: bytes, arguments: list[str], texts: list[str],
    attar_command: Callable[..., Done], tiny_bundle: Path,
) -> None:  # fmt: skip
    done = attar_command("predict", tiny_bundle, "--json", *arguments, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    answers = [json.loads(line) for line in done.out.splitlines()]
    predictor = attar.load(tiny_bundle)
    assert [answer["label"] for answer in answers] == [predictor(text).label for text in texts]
    for answer in answers:
        assert list(answer) == ["label", "score", "abstained", "alternatives"]
        assert answer["label"] in predictor.labels
        assert 0 <= answer["score"] <= 1
        assert isinstance(answer["abstained"], bool)
        for label, score in answer["alternatives"]:
            assert label != answer["label"]
            assert 0 <= score <= answer["score"]
    if texts == TEXTS:
        assert [answer["abstained"] for answer in answers[:3]] == [False, False, True]


def test_predict_for_people(attar_command: Callable[..., Done], tiny_bundle: Path) -> None:
    done = attar_command("predict", tiny_bundle, "my refund", "the weather")
    first, second = done.out.splitlines()
    assert first.split()[0] == "refund"
    assert "my refund" in first
    assert "abstains" in second
    assert "abstains" not in first


def test_predict_streams_many_lines(attar_command: Callable[..., Done], tiny_bundle: Path) -> None:
    words = ["refund", "parcel", "cancel"] * 300
    done = attar_command("predict", tiny_bundle, "--json", stdin="\n".join(words).encode())
    labels = [json.loads(line)["label"] for line in done.out.splitlines()]
    assert labels == ["refund", "delivery", "cancel"] * 300


@pytest.fixture
def finished(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle with a report."""
    sealed = {
        "name": "tiny", "task": "classify", "labels": ["cancel"], "student": "x", "claims": [],
        "metrics": {"accuracy": 1.0}, "chance": 0.3, "threshold": 0.5, "certify_rows": 3,
        "teacher": {"name": "t", "model": "m", "metrics": {}}, "budget": {}, "plan": {},
        "candidates": [], "data": {}, "seed": 0, "versions": {},
    }  # fmt: skip
    path = tmp_path / "finished.attar"
    repack(read_bundle(tiny_bundle), {"report.json": json.dumps(sealed).encode()}, path)
    return path


def test_report(attar_command: Callable[..., Done], finished: Path, tiny_bundle: Path) -> None:
    done = attar_command("report", finished, "--json")
    found = json.loads(done.out)
    assert found["content_sha256"] == read_bundle(finished).content_sha256
    assert found["size_bytes"] == finished.stat().st_size
    assert attar_command("report", finished).out.startswith("tiny: classify")
    assert_one_error(attar_command("report", tiny_bundle), "holds no report")


def test_verify(attar_command: Callable[..., Done], tiny_bundle: Path, tmp_path: Path) -> None:
    done = attar_command("verify", tiny_bundle)
    assert done.code == 0
    assert "3 golden examples answered as sealed" in done.out
    content = bytearray(tiny_bundle.read_bytes())
    with zipfile.ZipFile(tiny_bundle) as archive:
        entry = archive.getinfo("model.onnx")
    at = entry.header_offset + 30 + len("model.onnx") + entry.file_size // 2
    content[at] ^= 1
    tampered = tmp_path / "tampered.attar"
    tampered.write_bytes(content)
    assert_one_error(attar_command("verify", tampered), "tampered.attar", "model.onnx")
    assert_one_error(attar_command("predict", tampered, "x"), "model.onnx")


def test_verify_with_other_answers(
    attar_command: Callable[..., Done], make_bundle: Callable[..., Path]
) -> None:
    golden = b'{"text": "refund", "label": "cancel", "score": 0.9, "abstained": false}\n'
    done = attar_command("verify", make_bundle("other.attar", {"golden.jsonl": golden}))
    assert_one_error(done, "1 of 1 golden examples differ", "label 'refund' instead of 'cancel'")


def damaged(kind: str, good: Path, path: Path) -> None:
    """Write a bundle to `path` that is wrong in one way."""
    content = good.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no bundle\n" * 100)
    elif kind == "trailing":
        path.write_bytes(content + b"more")
    elif kind == "folder":
        path.mkdir()
    elif kind == "version":
        rezip(good, path, manifest={"format_version": 99})
    elif kind == "unknown task":
        rezip(good, path, manifest={"task": "clasify"})
    elif kind == "traversal":
        rezip(good, path, extra={"../../evil": b"x"})
    elif kind == "bomb":
        rezip(good, path, extra={"card.md": b"\0" * 100_000_000})


def rezip(
    good: Path, path: Path, manifest: dict[str, Any] | None = None,
    extra: dict[str, bytes] | None = None,
) -> None:  # fmt: skip
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "manifest.json":
                content = json.dumps({**json.loads(content), **(manifest or {})}).encode()
            target.writestr(name, content)
        for name, content in (extra or {}).items():
            target.writestr(name, content, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    "kind",
    ["missing", "truncated", "empty", "text", "trailing", "folder", "version", "unknown task",
     "traversal", "bomb"],
)  # fmt: skip
def test_bad_bundles(
    kind: str, attar_command: Callable[..., Done], tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.attar"
    damaged(kind, tiny_bundle, path)
    for command in (("predict", path, "text"), ("verify", path), ("report", path)):
        assert_one_error(attar_command(*command), "bad.attar")
    assert not (tmp_path.parent / "evil").exists()


def test_an_oversized_bundle(attar_command: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "huge.attar"
    with path.open("wb") as file:
        file.truncate(5 * 10**9)  # sparse
    assert_one_error(attar_command("verify", path), "huge.attar", "bytes")


def test_bad_use_of_predict(attar_command: Callable[..., Done], tiny_bundle: Path) -> None:
    assert_one_error(attar_command("predict", tiny_bundle), "no text", "hint:")
    assert_one_error(attar_command("predict", tiny_bundle, "x", "--threads", "0"), "at least 1")
    assert_one_error(attar_command("predict", tiny_bundle, "--input", "xml"), "xml")
    assert_one_error(attar_command("predikt"), "predikt")
    assert_one_error(attar_command("predict", tiny_bundle, "--jsn", "x"), "--jsn")
    assert_one_error(
        attar_command("predict", tiny_bundle, stdin=b'{"text": "a"}\n{"text": 1}\n'), "row 2"
    )
    assert_one_error(
        attar_command("predict", tiny_bundle, "--input", "jsonl", stdin=b"refund\n"), "row 1"
    )
    assert_one_error(
        attar_command("predict", tiny_bundle, "--input", "csv", stdin=b"id,txt\n1,a\n"), "'text'"
    )
    assert_one_error(attar_command("predict", tiny_bundle, stdin=b"\x7fELF\0\0"), "NUL")
    assert_one_error(
        attar_command("predict", tiny_bundle, stdin="refund".encode("utf-16")), "UTF-16"
    )


def test_a_missing_extra_names_its_command(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from attar.cli import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = attar_command("build", write_desk(tmp_path, encoder=False))
    assert_one_error(done, "hint: pip install 'attar[train]'")
    with pytest.raises(MissingExtraError):
        extras.need("train", "a test")


def test_version_and_interruption(
    attar_command: Callable[..., Done], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attar.__version__ in attar_command("--version").out

    def interrupt(*arguments: object, **keys: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attar.runtime.predictor.load", interrupt)
    done = attar_command("predict", tiny_bundle, "x")
    assert done.code == 130
    assert "Traceback" not in done.err
