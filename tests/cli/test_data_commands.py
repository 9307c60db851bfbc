"""curate and build on data: what they show and write, and every bad file, row and recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Done, assert_one_error

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
