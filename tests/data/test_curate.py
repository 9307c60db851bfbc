"""Curation: what is dropped, what is refused, what is never touched."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attar.data import reasons
from attar.data.curate import curate, save_dropped, summary
from attar.data.neighbors import near_pairs
from attar.errors import DataError
from attar.recipe import DataSection
from attar.tasks import TASKS
from attar.types import Dataset, Row

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pla", "gre", "dri"]


class FakeTask:
    gold_kind = "label"

    def __init__(self) -> None:
        self.checked: list[Row] = []

    def labels_of(self, label: str | None) -> tuple[str, ...]:
        return () if label is None else (label,)

    def check(self, rows: Sequence[Row]) -> None:
        self.checked += rows


def sentence(rng: random.Random) -> str:
    return " ".join("".join(rng.choices(SYLLABLES, k=3)) for _ in range(8))


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [sentence(rng) for _ in range(count)]


def labeled(count: int, seed: int, labels: str = "xy") -> list[dict[str, Any]]:
    return [
        {"text": text, "label": labels[i % len(labels)]}
        for i, text in enumerate(sentences(count, seed))
    ]


class Workshop:
    """Writes rows to files and curates them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, rows: Sequence[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def curate(
        self,
        train: Sequence[dict[str, Any]],
        test: Sequence[dict[str, Any]] = (),
        unlabeled: Sequence[dict[str, Any]] = (),
        seed: int = 0,
        **fields: Any,
    ) -> Dataset:
        section = DataSection(
            train=(self.write("train.jsonl", train),),
            test=(self.write("test.jsonl", test),) if test else (),
            unlabeled=(self.write("more.jsonl", unlabeled),) if unlabeled else (),
            **fields,
        )
        return curate(FakeTask(), section, seed=seed)  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def drops(dataset: Dataset) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for d in dataset.dropped:
        found.setdefault(d.reason, []).append(d.row.line)
    return {reason: sorted(lines) for reason, lines in found.items()}


def test_drops_have_reasons(shop: Workshop) -> None:
    train = labeled(100, 1)
    odd = sentences(6, 2)
    words = odd[4].split()
    train += [
        {"text": "  ", "label": "x"},  # 101
        {"text": "long " * 2001, "label": "x"},  # 102
        {"text": odd[0], "label": "x"},  # 103: one of 103 and 104 stays
        {"text": odd[0].upper() + "!", "label": "x"},
        {"text": odd[1], "label": "x"},  # 105: the majority
        {"text": odd[1], "label": "x"},
        {"text": odd[1], "label": "y"},  # 107: the minority
        {"text": odd[2], "label": "x"},  # 108, 109: no majority
        {"text": odd[2], "label": "y"},
        {"text": odd[3] + " a", "label": "x"},  # 110, 111: near, but of two labels
        {"text": odd[3] + " b", "label": "y"},
        {"text": " ".join([*words, "a"]), "label": "x"},  # 112 or 113
        {"text": " ".join([*words, "b"]), "label": "x"},
    ]
    dataset = shop.curate(train)
    found = drops(dataset)
    assert found.pop(reasons.EMPTY) == [101]
    assert found.pop(reasons.OVERLONG) == [102]
    assert found.pop(reasons.LABEL_CONFLICT) == [107, 108, 109]
    duplicates = found.pop(reasons.DUPLICATE)
    assert len(duplicates) == 2 and {103, 104, 105, 106} > set(duplicates)
    near = found.pop(reasons.NEAR_DUPLICATE)
    assert len(near) == 1 and near[0] in (112, 113)
    assert found == {}
    detail = next(d.detail for d in dataset.dropped if d.reason == reasons.NEAR_DUPLICATE)
    assert detail == f"nearly the text of train.jsonl, row {225 - near[0]}"
    assert summary(dataset, FakeTask())["dropped"]["duplicate"] == 2  # type: ignore[arg-type]


def test_contested_texts_are_learned_by_majority_and_evaluated_as_they_come(
    shop: Workshop,
) -> None:
    """Dropping them from held-out splits would flatter the model: people did label them so."""
    train = labeled(300, 1)
    for text in sentences(200, 2):  # x three times of four
        train += [{"text": text, "label": label} for label in "xxxy"]
    for text in sentences(200, 3):  # a tie
        train += [{"text": text, "label": label} for label in "xy"]
    contested, tied = set(sentences(200, 2)), set(sentences(200, 3))
    dataset = shop.curate(train)
    assert sum(map(len, (dataset.train, dataset.select, dataset.calibrate, dataset.certify))) + len(
        dataset.dropped
    ) == len(train)
    learned = [*dataset.train, *dataset.select]
    judged = [*dataset.calibrate, *dataset.certify]
    assert not tied & {row.text for row in learned}
    assert {row.label for row in learned if row.text in contested} == {"x"}
    minority = [row.label == "y" for row in judged if row.text in contested]
    assert 0.08 < sum(minority) / len(minority) < 0.5  # a quarter, up to chance
    ties = [row.label == "y" for row in judged if row.text in tied]
    assert 0.3 < sum(ties) / len(ties) < 0.7
    texts = [row.text for row in (*learned, *judged)]
    assert len(texts) == len(set(texts))


def test_a_text_drawn_for_evaluation_may_be_spelled_otherwise(shop: Workshop) -> None:
    """Regression: a KeyError, where the row drawn differed from the merged one in case."""
    train = labeled(200, 1)
    train += [row | {"text": row["text"].upper()} for row in train]
    dataset = shop.curate(train, unlabeled=[{"text": "a new text"}])
    assert any(row.text.isupper() for row in (*dataset.calibrate, *dataset.certify))


def test_leaks_leave_train_and_certify_is_never_touched(shop: Workshop) -> None:
    train = labeled(100, 1)
    test = [
        {"text": train[0]["text"].upper(), "label": "x"},
        {"text": train[1]["text"] + " a", "label": "y"},
        {"text": train[1]["text"] + " a", "label": "x"},
        {"text": "", "label": "x"},
        {"text": "long " * 3000, "label": "y"},
        *labeled(20, 3),
    ]
    dataset = shop.curate(train, test)
    assert drops(dataset) == {reasons.LEAK: [1, 2]}
    certify = sorted(dataset.certify, key=lambda row: row.line)
    assert [(row.text, row.label) for row in certify] == [(r["text"], r["label"]) for r in test]
    assert any("2 train rows" in note for note in dataset.notes)


def test_groups_of_certify_leave_train(shop: Workshop) -> None:
    train = [row | {"who": i // 4} for i, row in enumerate(labeled(100, 1))]
    test = [row | {"who": 100 + i} for i, row in enumerate(labeled(9, 3))]
    dataset = shop.curate(train, [*test, labeled(1, 4)[0] | {"who": 0}], group="who")
    assert drops(dataset) == {reasons.LEAK: [1, 2, 3, 4]}
    assert "shares the group '0' with test.jsonl, row 10" in dataset.dropped[0].detail


def test_texts_that_come_again_stay_where_groups_keep_rows_apart(shop: Workshop) -> None:
    train = [row | {"who": i // 4} for i, row in enumerate(labeled(100, 1))]
    again = train[90]["text"]
    test = [{"text": text, "label": "x", "who": 200} for text in (again, again + " a")]
    test += [row | {"who": 201} for row in labeled(9, 3)] + [labeled(1, 4)[0] | {"who": 0}]
    assert 91 in drops(shop.curate(train, test, group="who"))[reasons.LEAK]
    dataset = shop.curate(train, test, group="who", leaks="groups")
    assert drops(dataset) == {reasons.LEAK: [1, 2, 3, 4]}
    learned = (*dataset.train, *dataset.select, *dataset.calibrate)
    assert again in [row.text for row in learned]
    assert not {row.group for row in learned} & {row.group for row in dataset.certify}


def test_no_near_duplicates_or_groups_straddle(shop: Workshop) -> None:
    rng = random.Random(5)
    train = []
    for i, text in enumerate(sentences(60, 6)):
        for variant in range(3):  # equal but for the label and one short word
            label = "xyz"[variant]
            train.append({"text": f"{text} {'abc'[variant]}", "label": label, "who": i % 45})
    rng.shuffle(train)
    dataset = shop.curate(train, group="who")
    names = ("train", "select", "calibrate", "certify")
    rows = [(name, row) for name in names for row in getattr(dataset, name)]
    assert len(rows) + len(dataset.dropped) == len(train)
    for i, j in near_pairs([row.text for _, row in rows]).tolist():
        assert rows[i][0] == rows[j][0]
    groups = {(row.group, name) for name, row in rows}
    assert len(groups) == len({group for group, _ in groups})


def test_order_and_file_names_do_not_matter(shop: Workshop) -> None:
    train, test = labeled(120, 7) + labeled(40, 7), labeled(30, 8)
    one = shop.curate(train, test)
    rng = random.Random(0)
    rng.shuffle(train)
    rng.shuffle(test)
    two = shop.curate(train, test)
    three = curate(
        FakeTask(),  # type: ignore[arg-type]
        DataSection(
            train=(shop.write("a.jsonl", train[:70]), shop.write("b.jsonl", train[70:])),
            test=(shop.write("c.jsonl", test),),
        ),
    )
    assert one.fingerprint == two.fingerprint == three.fingerprint
    for name in ("train", "select", "calibrate", "certify"):
        contents = [[(r.text, r.label) for r in getattr(d, name)] for d in (one, two, three)]
        assert contents[0] == contents[1] == contents[2]
    assert shop.curate(train, test, seed=1).fingerprint != one.fingerprint
    changed = [*train[:-1], train[-1] | {"text": "something else altogether"}]
    assert shop.curate(changed, test).fingerprint != one.fingerprint


def test_calibrate_may_be_a_file_of_its_own(shop: Workshop) -> None:
    train, test, own = labeled(100, 1), labeled(30, 3), labeled(40, 4)
    own += [test[0], train[0]]  # the first is certify's, the second leaves train
    path = shop.write("own.jsonl", own)
    dataset = shop.curate(train, test, calibrate=(path,))
    assert len(dataset.calibrate) == 41 and len(dataset.certify) == 30
    assert {row.text for row in dataset.calibrate} == {row["text"] for row in own[:40]} | {
        train[0]["text"]
    }
    assert 5 <= len(dataset.select) <= 11
    assert len(dataset.train) + len(dataset.select) == 99
    assert drops(dataset)[reasons.LEAK] == [1, 41]
    alone = shop.curate(train, calibrate=(path,))
    assert len(alone.calibrate) == 42 and 15 <= len(alone.certify) <= 25


def test_unlabeled_rows_do_not_leak(shop: Workshop) -> None:
    train, test = labeled(100, 1), labeled(20, 3)
    first = shop.curate(train, test)
    texts = [
        first.train[0].text.upper(),
        first.select[0].text + " a",
        first.calibrate[0].text,
        test[0]["text"] + "!",
        "a new text",
        "A new text.",
        "",
    ]
    dataset = shop.curate(train, test, [{"text": text} for text in texts])
    assert len(dataset.unlabeled) == 1 and dataset.unlabeled[0].label is None
    assert drops(dataset)[reasons.LEAK] == [2, 3, 4]
    counts = summary(dataset, FakeTask())["dropped"]  # type: ignore[arg-type]
    assert list(counts) == list(reasons.DROPS)
    assert {k: n for k, n in counts.items() if n} == {"empty": 1, "duplicate": 2, "leak": 3}


def test_labels_that_cannot_be_used(shop: Workshop) -> None:
    train = labeled(100, 1)
    with pytest.raises(DataError, match="only the label 'x'"):
        shop.curate([row | {"label": "x"} for row in train])
    with pytest.raises(DataError, match="only the label 'x' in scope"):
        shop.curate(train, out_of_scope="y")
    with pytest.raises(DataError, match="only one train row is left for 'rare'"):
        shop.curate([*train, {"text": "a rare thing", "label": "rare"}])
    with pytest.raises(DataError, match="Did you mean 'other'"):
        shop.curate([*train, *labeled(9, 9, ["other"])], out_of_scope="othr")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="2 of 22 test rows have labels without train rows: 'Y'"):
        shop.curate(train, [*labeled(20, 3), *labeled(2, 4, "Y")])
    with pytest.raises(DataError, match="the same file"):
        shop.curate(train, train)


def test_weak_labels_are_noted(shop: Workshop) -> None:
    train = labeled(100, 1) + labeled(3, 2, "r") + [{"text": "", "label": "gone"}]
    dataset = shop.curate(train, labeled(199, 3) + labeled(1, 4, "Y"))
    notes = "\n".join(dataset.notes)
    assert "fewer than 5 train rows for 'r'" in notes
    assert "1 of 200 test rows have labels without train rows: 'Y'" in notes
    assert "no row is left after cleaning for 'gone'" in notes


def test_too_few_groups_are_refused(shop: Workshop) -> None:
    train = [row | {"who": i // 50} for i, row in enumerate(labeled(100, 1))]
    with pytest.raises(DataError, match="leave nothing for"):
        shop.curate(train, group="who")


def test_the_task_checks_the_train_rows(shop: Workshop) -> None:
    task = FakeTask()
    path = shop.write("a.jsonl", labeled(50, 1))
    curate(task, DataSection(train=(path,)))  # type: ignore[arg-type]
    assert len(task.checked) == 50


def test_dropped_rows_are_saved(shop: Workshop, tmp_path: Path) -> None:
    path = shop.write("train.jsonl", labeled(150, 1))
    path.write_bytes(path.read_bytes() + b'{"text": "caf\xe9", "label": "x"}\n')
    dataset = curate(FakeTask(), DataSection(train=(path,)))  # type: ignore[arg-type]
    save_dropped(dataset, tmp_path / "dropped.jsonl")
    saved = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    assert saved == [
        {
            "file": "train.jsonl",
            "row": 151,
            "text": "caf\ufffd",
            "label": "x",
            "reason": "encoding",
            "detail": "",
        }
    ]
    assert json.loads(json.dumps(summary(dataset, FakeTask())))["rows"]["train"] == len(
        dataset.train
    )  # type: ignore[arg-type]


def test_label_sets_are_curated_as_one(shop: Workshop, tmp_path: Path) -> None:
    """Equal sets are duplicates, other sets of one text a conflict; a set that train never
    had is certified all the same, as long as its labels are known."""
    texts = sentences(240, 7)
    sets = [["a"], ["b"], ["a", "b"], []]
    rows = [{"text": text, "labels": sets[i % 4]} for i, text in enumerate(texts)]
    rows += [{"text": texts[2], "labels": ["b", "a"]}, {"text": texts[0], "labels": ["b"]}]
    rows += [{"text": t, "labels": ["c"]} for t in sentences(12, 8)]
    test = [{"text": t, "labels": ["c", "a"]} for t in sentences(3, 9)]
    for name, some in (("train", rows), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some))
    fields = DataSection((tmp_path / "train.jsonl",), (tmp_path / "test.jsonl",), label="labels")
    dataset = curate(TASKS.get("multilabel"), fields)
    assert [row.label for row in dataset.certify] == ['["a", "c"]'] * 3
    found = Counter(d.reason for d in dataset.dropped)
    assert found[reasons.DUPLICATE] == 1
    assert found[reasons.LABEL_CONFLICT] >= 1
    assert {row.text for row in dataset.train} & {texts[0]} == set()
    counts = summary(dataset, TASKS.get("multilabel"))["labels"]["train"]
    assert set(counts) == {"a", "b", "c"}
