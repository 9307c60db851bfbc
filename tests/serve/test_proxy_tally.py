"""What attar proxy says of the data set so far, and the recipe that reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serve.proxy_desk import Start, answering, completion


def test_progress_is_told_in_numbers(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    proxied = start(report_every=40)
    for number in range(40):
        label = "refund" if number % 2 else "parcel"
        proxied.upstream.answer = answering(completion(label))
        proxied.chat(f"text {number}")
    proxied.close()
    said = capfd.readouterr().err
    line = ("40 rows, 40 of them with one of 2 labels: each at least 20 times, enough for a "
            "first `attar build`")  # fmt: skip
    assert said.count(line) == 2  # at 40 rows, and at the end
    assert 'task = "classify"\n\n[data]\ntrain = ["traffic.jsonl"]\n' in said
    assert "unlabeled =" not in said and "parcel" not in said


def test_files_are_rotated_and_the_recipe_names_them(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    proxied = start(megabytes=0.0005, files=3)
    proxied.upstream.answer = answering(completion("refund"))
    for number in range(12):
        proxied.chat(f"text {number}")
    proxied.close()
    names = ["traffic.jsonl", "traffic.1.jsonl", "traffic.2.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert f"train = {json.dumps(names)}\n" in capfd.readouterr().err
