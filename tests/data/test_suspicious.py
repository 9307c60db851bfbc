"""Suspicious labels, judged on probabilities whose right answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cleanlab")

from attar.data import reasons
from attar.data.suspicious import find_suspects, mended, ranked, save_suspects
from attar.types import Row

COLUMNS = ("a", "b", "c")
N = 300


def case(wrong: int) -> tuple[list[Row], np.ndarray]:
    """Rows of three labels that a model tells apart with noise; the first `wrong` labels
    are moved on by one."""
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 3
    logits = rng.normal(0, 0.7, (N, 3))
    logits[np.arange(N), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = truth.copy()
    given[:wrong] = (given[:wrong] + 1) % 3
    return [Row(f"text {i}", COLUMNS[g], None, "t", i) for i, g in enumerate(given)], probabilities


def test_planted_errors_are_found_and_named() -> None:
    rows, probabilities = case(30)
    found = find_suspects(rows, COLUMNS, probabilities)
    lines = {suspect.row.line for suspect in found}
    assert len(lines & set(range(30))) >= 28 and len(lines - set(range(30))) <= 3
    assert all(s.suggested == COLUMNS[s.row.line % 3] for s in found)
    own = [suspect.given_probability for suspect in found]
    assert own == sorted(own)
    assert all(s.suggested_probability > s.given_probability for s in found)


def test_clean_labels_are_left_alone() -> None:
    rows, probabilities = case(0)
    assert len(find_suspects(rows, COLUMNS, probabilities)) <= 1


def test_ranking_is_by_the_probability_of_the_given_label() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    assert ranked(np.array([0, 0, 1]), probabilities).tolist() == [1, 2, 0]


def test_rare_labels_are_not_judged() -> None:
    rows, probabilities = case(0)
    rows += [Row("rare", "d", None, "t", 1000 + i) for i in range(4)]
    wide = np.zeros((len(rows), 4))
    wide[:N, :3] = probabilities
    wide[N:, 0] = 1.0  # no fold could learn the label
    assert all(s.row.label != "d" for s in find_suspects(rows, (*COLUMNS, "d"), wide))


def test_three_ways_to_mend() -> None:
    rows, probabilities = case(30)
    suspects = find_suspects(rows, COLUMNS, probabilities)
    kept, dropped, flagged = mended(rows, suspects, "drop")
    assert len(kept) + len(suspects) == N and flagged == []
    assert {d.reason for d in dropped} == {reasons.SUSPICIOUS_LABEL}
    assert "looks likelier" in dropped[0].detail

    changed, dropped, flagged = mended(rows, suspects, "relabel")
    assert dropped == [] and len(flagged) == len(suspects)
    suggested = {s.row.line: s.suggested for s in suspects}
    assert [row.label for row in changed] == [suggested.get(r.line, r.label) for r in rows]

    same, dropped, flagged = mended(rows, suspects, "keep")
    assert same == rows and dropped == [] and len(flagged) == len(suspects)


@pytest.mark.parametrize("how", ["drop", "relabel"])
def test_no_label_loses_its_last_row(how: str) -> None:
    rows, probabilities = case(30)
    suspects = find_suspects(rows, COLUMNS, probabilities)
    doomed = [suspect.row for suspect in suspects if suspect.row.label == "a"]
    rows = doomed + [row for row in rows if row.label != "a"]
    kept, *_ = mended(rows, suspects, how)
    assert {row.label for row in kept} == set(COLUMNS)


def test_suspects_are_saved_for_people_to_look_at(tmp_path: Path) -> None:
    rows, probabilities = case(5)
    suspects = find_suspects(rows, COLUMNS, probabilities)
    save_suspects(suspects, tmp_path / "s.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [(e["row"], e["suggested"]) for e in lines] == [
        (s.row.line, s.suggested) for s in suspects
    ]
    assert lines[0]["label_probability"] < lines[0]["suggested_probability"]
