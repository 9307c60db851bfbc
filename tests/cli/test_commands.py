"""The commands on the base install: predict, report, verify, curate, and every bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import attar
from attar.bundle import read_bundle, repack
from attar.cli import main
from attar.errors import MissingExtraError

TEXTS = ["i want my refund", "where is my parcel", "the weather now", "", "naïve ☃"]
HEAVY = ("numpy", "torch", "onnxruntime", "transformers", "tokenizers", "rich", "scipy")


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def attar_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run a command in this process, with bytes on standard input."""

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        class Piped(io.TextIOWrapper):
            def isatty(self) -> bool:
                return not stdin

        monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return Done(stopped.value.code, captured.out, captured.err)

    return run


def assert_one_error(done: Done, *parts: str) -> None:
    assert done.code == 2, done
    assert done.err.count("error:") + done.err.count("Error:") == 1, done.err
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err, done.err


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


Spoil = Callable[[Path], None]


def rows(count: int, *labels: str) -> str:
    return "".join(
        json.dumps({"text": f"text {label} {i * 7919} about {chr(97 + i % 26)}", "label": label})
        + "\n"
        for i in range(count)
        for label in labels
    )


def spoil(name: str, content: str | bytes | None) -> Spoil:
    def do(folder: Path) -> None:
        path = folder / name
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return do


def recipe(old: str, new: str) -> Spoil:
    def do(folder: Path) -> None:
        path = folder / "recipe.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return do


GOOD = rows(30, "a", "b", "oos")
BAD_DATA: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing": (spoil("train.jsonl", None), ("train.jsonl", "no such file")),
    "empty": (spoil("train.jsonl", ""), ("train.jsonl", "no rows")),
    "latin-1": (
        spoil("train.jsonl", "".join(f'{{"text": "é{i}", "label": "a"}}\n' for i in range(50))
              .encode("latin-1")),
        ("train.jsonl", "UTF-8"),
    ),
    "utf-16": (spoil("train.jsonl", GOOD.encode("utf-16")), ("train.jsonl", "UTF-16")),
    "binary": (spoil("train.jsonl", b"\x7fELF\0\x01\x02\0"), ("train.jsonl", "binary")),
    "not JSON": (spoil("train.jsonl", GOOD + "{oops\n"), ("train.jsonl, row 91",)),
    "no field": (spoil("train.jsonl", '{"txt": "a", "label": "b"}\n'), ("row 1", "'text'")),
    "no label": (spoil("train.jsonl", '{"text": "a", "intent": "b"}\n'), ("row 1", "'label'")),
    "one class": (spoil("train.jsonl", rows(30, "oos", "a")), ("'a'",)),
    "one row": (
        spoil("train.jsonl", GOOD + '{"text": "lonely one", "label": "lonely"}\n'),
        ("lonely",),
    ),
    "10 MB": (
        spoil("train.jsonl", json.dumps({"text": "x" * 10**7, "label": "a"}) + "\n"),
        ("train.jsonl, row 1", "10,000,000 characters"),
    ),
    "a folder": (recipe('train = "train.jsonl"', 'train = "."'), (".",)),
    "bad gzip": (recipe('train = "train.jsonl"', 'train = "bad.gz"'), ("bad.gz",)),
    "unknown key": (recipe("[data]", "[data]\ntrian = 1"), ("'trian'", "Did you mean 'train'")),
    "unknown section": (recipe("[data]", "[dataa]"), ("'dataa'", "Did you mean 'data'")),
    "unknown task": (recipe('"classify"', '"clasify"'), ("Did you mean 'classify'",)),
    "no TOML": (recipe("[data]", "[data"), ("recipe.toml", "TOML")),
    "other out of scope": (
        recipe('out_of_scope = "oos"', 'out_of_scope = "ooss"'),
        ("'ooss'", "Did you mean 'oos'"),
    ),
    "new labels in test": (
        spoil("test.jsonl", rows(10, "a", "b") + '{"text": "new thing", "label": "zz"}\n'),
        ("'zz'", "1 of 21"),
    ),
    "broken test": (spoil("test.jsonl", b'{"text": "\xff", "label": "a"}\n'), ("test.jsonl",)),
}  # fmt: skip


@pytest.mark.parametrize("case", list(BAD_DATA))
def test_bad_data(
    case: str, attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_desk(tmp_path, encoder=False)
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / "test.jsonl").write_text(rows(5, "a", "b", "oos"))
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    change, expected = BAD_DATA[case]
    change(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert_one_error(attar_command("curate", path), *expected)
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_data_stops_a_build_too(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("torch")
    path = write_desk(tmp_path, encoder=False)
    (tmp_path / "train.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    assert_one_error(attar_command("build", path), "train.jsonl", "no rows")
    assert_one_error(attar_command("build", tmp_path / "gone.toml"), "gone.toml")
    assert_one_error(attar_command("build", path, "--seed", "x"), "x")
    assert not list(tmp_path.glob("*.attar"))
    assert not (tmp_path / ".attar").exists()


def test_a_bad_teacher_stops_a_build(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    path = write_desk(tmp_path, encoder=False)
    out = tmp_path / "x.attar"
    recipe('model = "encoder"', 'model = "./encoder"')(tmp_path)
    assert_one_error(attar_command("build", path, "-o", out), "./encoder", "does not exist")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text("{")
    assert_one_error(attar_command("build", path, "-o", out), "encoder")
    assert not out.exists()


def test_curate(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_desk(tmp_path, encoder=False)
    train = tmp_path / "train.jsonl"
    train.write_text(train.read_text() + train.read_text().splitlines()[0] + "\n")
    done = attar_command("curate", path, "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert found["dropped"]["duplicate"] == 1
    assert found["rows"]["certify"] == 40
    saved = (tmp_path / ".attar" / "dropped.jsonl").read_text(encoding="utf-8")
    dropped = [json.loads(line) for line in saved.splitlines()]
    assert len(dropped) == sum(found["dropped"].values())
    assert {"file", "row", "text", "label", "reason", "detail"} <= set(dropped[0])
    plain = attar_command("curate", path)
    assert "certify" in plain.out
    assert "1 duplicate" in plain.out
    assert "dropped.jsonl" in plain.err


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


def test_curate_shows_what_it_found(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_desk(tmp_path, encoder=False)
    done = attar_command("curate", path)
    assert done.code == 0
    assert "labels" in done.out and "as diverse as 4 of equal size" in done.out
    assert "words that give a label away" in done.out and "'cancel' → cancel" in done.out
    assert (tmp_path / ".attar" / "flagged.jsonl").exists()
    report = json.loads(attar_command("curate", path, "--json").out)
    assert report["balance"]["labels"]["count"] == 4
    assert "suspicious_labels" not in report


def test_curate_looks_for_suspicious_labels(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("cleanlab")
    path = write_desk(tmp_path)
    done = attar_command("curate", path, "--labels")
    assert done.code == 0, done.err
    lines = (tmp_path / ".attar" / "suspicious.jsonl").read_text().splitlines()
    assert f"{len(lines)} of" in done.out and "train labels look wrong" in done.out
    report = json.loads(attar_command("curate", path, "--labels", "--json").out)
    assert report["suspicious_labels"] == len(lines)


def test_curate_writes_redacted_rows(
    attar_command: Callable[..., Done], write_desk: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("presidio_analyzer")
    path = write_desk(tmp_path, encoder=False)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"text": "please refund my money to ann@example.org", "label": "refund"}\n')
    out = tmp_path / "redacted.jsonl"
    assert attar_command("curate", path, "--redact", out).code == 0
    assert "to <EMAIL>" in out.read_text() and "ann@" not in out.read_text()
    assert_one_error(attar_command("curate", path, "--redact", out), "exists already", "--force")
    assert attar_command("curate", path, "--redact", out, "--force").code == 0
