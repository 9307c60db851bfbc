"""The bench of dialogues: what a bot does with a turn, the threshold, what is contained."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from dialogue_rules import ACTS, REQUESTS, Read, choose_threshold, count, read_turns, redrawn

NAMES = ("book", "cancel", "confirmation", "contentonly", "outofdomain", "rejection", "thankyou")


def likely(*turns: dict[str, float]) -> np.ndarray:
    return np.array([[turn.get(name, 0.0) for name in NAMES] for turn in turns])


def test_intents_that_come_to_the_same_add_up() -> None:
    turns = likely(
        {"book": 0.9, "cancel": 0.1}, {"book": 0.4, "confirmation": 0.3, "rejection": 0.3}
    )
    read = read_turns([["book", "confirmation"]], turns, NAMES, REQUESTS)
    assert read.right.tolist() == [True, True]
    assert read.sure == pytest.approx([0.9, 0.7])


def test_a_request_is_asked_again_only_where_the_bot_has_turned_to_it() -> None:
    turns = likely({"cancel": 1.0}, {"confirmation": 1.0})
    # The bot has read another request: going on with that one is not what is asked for.
    assert not read_turns([["book", "book"]], turns, NAMES, REQUESTS).right.any()
    turns = likely({"book": 1.0}, {"confirmation": 1.0}, {"contentonly": 1.0})
    dialogue = [["book", "book", "book"]]
    assert read_turns(dialogue, turns, NAMES, REQUESTS).right.all()
    assert read_turns(dialogue, turns, NAMES, ACTS).right.tolist() == [True, False, True]


def test_what_is_out_of_domain_is_never_answered_rightly() -> None:
    turns = likely({"outofdomain": 1.0}, {"confirmation": 1.0})
    read = read_turns([["outofdomain"], ["outofdomain"]], turns, NAMES, REQUESTS)
    assert read.sure.tolist() == [-1.0, 1.0]
    assert read.right.tolist() == [True, False]


def test_one_of_two_new_requests_is_not_enough() -> None:
    turns = likely({"book": 1.0}, {"book": 1.0}, {"cancel": 1.0})
    read = read_turns([["book<div>cancel"], ["book", "book<div>cancel"]], turns, NAMES, REQUESTS)
    assert read.right.tolist() == [False, True, True]


def test_a_dialogue_is_contained_where_every_turn_is_answered() -> None:
    read = Read(
        np.array([0.9, 0.9, 0.9, 0.1, 0.1, 0.1]),
        np.array([True, True, False, True, True, True]),
        np.array([0, 0, 1, 2, 3, 3]),
    )
    found = count(read, read.sure >= 0.5)
    assert (found.dialogues, found.contained, found.right, found.asked_once) == (4, 2, 1, 3)


def drawn(rng: np.random.Generator, dialogues: int) -> Read:
    """Five turns each; a turn is wrong with the probability that it is not sure of."""
    sure = rng.uniform(0.8, 1, 5 * dialogues)
    return Read(sure, rng.random(len(sure)) < sure, np.repeat(np.arange(dialogues), 5))


def test_the_threshold_keeps_its_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialogue_rules.CUTS", 12)
    population = drawn(np.random.default_rng(1), 600)
    cut = choose_threshold(population, population, at_most=0.08, alpha=0.05)
    assert cut is not None and 0.8 < cut < 0.9  # 0.84 is where a twelfth is wrong
    assert redrawn(population, (100, 200), at_most=0.08, alpha=0.05, draws=20) <= 0.15
    # And where none could be kept, none is chosen: nothing is broken.
    assert redrawn(population, (100, 200), at_most=0.0001, alpha=0.05, draws=2) == 0


def test_no_threshold_where_none_can_be_guaranteed() -> None:
    rng = np.random.default_rng(2)
    bad = Read(rng.uniform(0, 1, 500), rng.random(500) < 0.5, np.repeat(np.arange(100), 5))
    assert choose_threshold(bad, bad, at_most=0.03, alpha=0.05) is None
    silent = Read(np.full(5, -1.0), np.ones(5, bool), np.arange(5))
    assert choose_threshold(silent, silent, at_most=0.03, alpha=0.05) is None
