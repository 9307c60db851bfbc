"""The commands from end to end, in a small shop, with the rows' own truth for a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from measure import day, world


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "CUSTOMERS", 400)
    monkeypatch.setattr(world, "ORDERS", 800)


def test_a_day_is_played_and_kept(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    given = ["--oracle", "--first", "12", "--out", str(out), "--cache", str(cache)]
    assert day.main([*given, "--show", "read"]) == 0
    text = capsys.readouterr().out
    found = json.loads((out / "day.json").read_text())
    lines = (out / "conversations.jsonl").read_text().splitlines()
    assert found["all"]["conversations"] == len(lines) == 12
    assert found["all"]["contained and right"]["count"] >= 10
    assert "contained but wrong" in text
    assert "read: store_info" in text
    # The sample was made once, and a run leaves it as it is.
    made = next(cache.glob("shop-*.db"))
    before = made.read_bytes()
    assert day.main(given) == 0
    assert made.read_bytes() == before
    again = json.loads((out / "day.json").read_text())
    assert again["all"] == found["all"]


def test_a_readers_verdict_counts(small: None, tmp_path: Path) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    verdicts = tmp_path / "read.tsv"
    verdicts.write_text("a004\twrong\n")
    given = ["--oracle", "--first", "4", "--out", str(out), "--cache", str(cache)]
    assert day.main([*given, "--verdicts", str(verdicts)]) == 0
    rows = [json.loads(line) for line in (out / "conversations.jsonl").read_text().splitlines()]
    found = {row["id"]: row["faults"] for row in rows}
    assert found["a004"] == [{"kind": "wrong answer", "what": "by a reader"}]
    verdicts.write_text("a004 wrong\n")
    with pytest.raises(ValueError, match="line 1: expected an id"):
        day.main([*given, "--verdicts", str(verdicts)])


def test_models_or_an_oracle_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        day.main(["--understand", "x.attar"])
    assert "--help-pages" in capsys.readouterr().err
