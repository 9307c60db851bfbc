"""Screening through `curate`: what is dropped, flagged, redacted, and what stays raw."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from attar.data import reasons
from attar.data.curate import curate, save_rows, summary
from attar.data.screen import save_redacted
from attar.errors import DataError
from attar.recipe import DataSection
from attar.types import Dataset, Row, Silent

WORDS = [
    "parcel",
    "order",
    "refund",
    "account",
    "payment",
    "delivery",
    "courier",
    "invoice",
    "address",
    "password",
    "card",
    "transfer",
    "balance",
    "charge",
    "receipt",
    "statement",
    "branch",
    "customer",
    "support",
    "number",
    "weather",
]
GERMAN = "Wo bleibt das Paket, das ich vor zwei Wochen bei Ihnen bestellt habe?"


class AnyTask:
    gold_kind = "label"

    def check(self, rows: Any) -> None:
        pass

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        return () if label is None else (label,)


TASK: Any = AnyTask()


def sentence(rng: random.Random) -> str:
    return "where is the " + " ".join(rng.sample(WORDS, 7)) + " please"


def rows(count: int, seed: int) -> list[dict[str, str]]:
    rng = random.Random(seed)
    return [{"text": sentence(rng), "label": "xy"[i % 2]} for i in range(count)]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def write(name: str, some: list[dict[str, str]]) -> tuple[Path, ...]:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in some))
        return (path,)

    def curated(train: Any, test: Any = (), unlabeled: Any = (), **settings: Any) -> Dataset:
        fields = DataSection(
            train=write("train.jsonl", train),
            test=write("test.jsonl", test) if test else (),
            unlabeled=write("unlabeled.jsonl", unlabeled) if unlabeled else (),
            **settings,
        )
        return curate(AnyTask(), fields)  # type: ignore[arg-type]

    return curated


def texts(some: tuple[Row, ...]) -> set[str]:
    return {row.text for row in some}


def noise(count: int, label: str) -> list[dict[str, str]]:
    """Rows of digits with a letter here and there."""
    rng = random.Random(5)
    made = ("".join(rng.choices("0123456789" * 4 + "abcdef", k=60)) for _ in range(count))
    return [{"text": f"§ {text}", "label": label} for text in made]


def test_defects_leave_unlabeled_and_are_flagged_in_train(run: Any) -> None:
    train = [*rows(80, 0), *noise(30, "x")]
    unlabeled = [*rows(10, 1), {"text": "<div>one</div> <div>two</div> words", "label": "x"}]
    kept = run(train, rows(20, 2), unlabeled)
    assert [d.reason for d in kept.dropped if d.row.file == "unlabeled.jsonl"] == [reasons.MARKUP]
    assert len(kept.unlabeled) == 10
    flagged = [one for one in kept.flagged if one.reason == reasons.SYMBOLS]
    assert flagged and texts(tuple(one.row for one in flagged)) <= {row["text"] for row in train}
    assert summary(kept, TASK)["flagged"][reasons.SYMBOLS] == len(flagged)

    strict = run(train, rows(20, 2), unlabeled, quality_filter="all")
    gone = [d for d in strict.dropped if d.reason == reasons.SYMBOLS]
    assert gone and not any(row.text.startswith("§") for row in strict.train)
    # Calibrate is cut from the same file, and keeps what train loses.
    assert strict.calibrate == kept.calibrate and strict.certify == kept.certify

    off = run(train, rows(20, 2), unlabeled, quality_filter="off")
    assert len(off.unlabeled) == 11 and off.flagged == ()


def test_named_languages_filter_train_and_unlabeled_alone(run: Any) -> None:
    pytest.importorskip("py3langid")
    things = ("Geld", "Buch", "Haus", "Rad", "Auto", "Kleid", "Telefon", "Geschenk", "Bild")
    *german, last = ({"text": GERMAN.replace("Paket", t), "label": "y"} for t in things)
    test = [*rows(20, 2), last]
    unlabeled = [*rows(5, 3), {"text": "Danke, das hat mir sehr gut geholfen, bis bald!"}]
    train = [*rows(80, 0), *german]
    named = run(train, test, unlabeled, languages=("en",))
    assert {d.detail for d in named.dropped if d.reason == reasons.LANGUAGE} == {"de"}
    assert len(named.unlabeled) == 5 and "Wo" not in {t[:2] for t in texts(named.train)}
    assert last["text"] in texts(named.certify)
    kept = (*named.select, *named.calibrate, *named.certify)  # flagged, and left alone
    assert texts(tuple(one.row for one in named.flagged)) == {
        text for text in texts(kept) if text.startswith("Wo ")
    }

    free = run(train, test, unlabeled)
    assert not [d for d in free.dropped if d.reason == reasons.LANGUAGE]
    assert any("in another language (de" in note for note in free.notes)
    with pytest.raises(DataError, match="languages"):
        run(train, test, languages=("xx",))


def test_a_label_keeps_its_rows_when_all_of_them_would_go(run: Any) -> None:
    train = [*rows(40, 0), *noise(6, "z")]
    kept = run(train, rows(20, 2), quality_filter="all")
    assert "z" in {row.label for row in kept.train}


def personal(count: int, seed: int) -> list[dict[str, str]]:
    """Rows, each with an address of its own."""
    plain = rows(count, seed)
    return [row | {"text": f"{row['text']} a{seed}.{i}@b.com"} for i, row in enumerate(plain)]


def test_redaction_reaches_what_is_learned_from_and_nothing_else(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("presidio_analyzer")
    sets = personal(80, 0), personal(20, 1), personal(10, 2)
    raw, flagged = run(*sets), run(*sets, personal_data="flag")
    assert raw.flagged == ()
    assert flagged.train == raw.train and len(flagged.flagged) == sum(
        summary(raw, TASK)["rows"].values()
    )

    redacted = run(*sets, personal_data="redact")
    for name in ("train", "select", "unlabeled"):
        found = getattr(redacted, name)
        assert found and all(row.text.endswith("<EMAIL>") for row in found)
    assert (redacted.calibrate, redacted.certify) == (raw.calibrate, raw.certify)
    assert redacted.fingerprint != raw.fingerprint
    assert {one.detail for one in redacted.flagged} == {"EMAIL 1"}

    save_rows(redacted.flagged, tmp_path / "flagged.jsonl")
    assert "personal data" in (tmp_path / "flagged.jsonl").read_text()
    out = tmp_path / "out.jsonl"
    fields = DataSection((tmp_path,), text="said", label="meant")
    assert save_redacted(raw, fields, TASK.gold_kind, out, Silent()) == 0
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(entries) == sum(summary(raw, TASK)["rows"].values())
    assert "@" not in out.read_text() and {e["split"] for e in entries} >= {"train", "certify"}
    assert set(entries[0]) == {"said", "meant", "split"}
