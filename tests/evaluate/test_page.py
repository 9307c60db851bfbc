"""The page: whole, safe to open, and silent about what the report does not hold."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from html_reader import Page

from attar.evaluate.claims import in_words
from attar.evaluate.page import as_html
from attar.evaluate.page.drawing import Axis
from attar.evaluate.page.markup import Html, join, short_percent, tag

LABELS = [
    "activate_card",
    "age_limit",
    "apple_pay",
    "atm_support",
    "balance_after_transfer",
    "beneficiary_refused",
    "cancel_transfer",
    "card_arrival",
    "card_not_working",
    "cash_withdrawal_charge",
    "change_pin",
    "contactless_refused",
    "country_support",
    "declined_payment",
    "direct_debit_unknown",
    "edit_details",
    "exchange_rate",
    "extra_charge_on_statement",
    "failed_transfer",
    "get_physical_card",
    "lost_or_stolen_card",
    "refund_not_showing",
    "top_up_reverted",
    "verify_identity",
]
HOSTILE = "<script>alert(1)</script>\"'&</style><img src=x onerror=y>"


def claim(metric: str, **changes: Any) -> dict[str, Any]:
    made = {
        "metric": metric, "label": None, "at_least": None, "at_most": None, "confidence": 0.95,
        "seals": 1, "value": None, "lower": None, "upper": None, "rows": 2400, "p_value": 0.001,
        "more_rows": None, "status": "met", "together": True,
    }  # fmt: skip
    return {**made, **changes}


CLAIMS = [
    claim("accuracy", at_least=0.9, value=0.9379, lower=0.9292, upper=0.9458, seals=2),
    claim("retained", at_least=-0.02, value=-0.0071, lower=-0.0139, upper=-0.0004),
    claim("error_when_answering", at_most=0.03, value=0.0261, lower=0.0207, upper=0.0325,
          rows=2188, status="undecided", together=False, more_rows=5300, p_value=0.11),
    claim("recall", label="refund_not_showing", at_least=0.9, value=0.78, lower=0.66, upper=0.868,
          rows=50, status="unmet", together=False, p_value=1.0),
    claim("latency_p99_ms", at_most=8.0, value=4.31, lower=4.1, upper=4.62, rows=2000),
]  # fmt: skip


def full() -> dict[str, Any]:
    """A report with everything in it, as full_report would return it."""
    dice = random.Random(7)
    texts = [
        "My card was declined at the till although there is plenty of money in the account",
        "why hasn't the refund for the jacket i sent back shown up yet??",
        "I topped up by bank transfer this morning and now the money has gone back",
        "Is it possible to use my phone to pay instead of the card, and does it cost anything?",
    ]
    slices = []
    for kind, names in {
        "label": LABELS,
        "length": ["up to 40 characters", "41 to 80", "81 to 160", "over 160"],
        "perturbation": ["one typing error", "lower case", "no punctuation"],
    }.items():
        for name in names:
            rows = dice.randint(60, 140) if kind == "label" else dice.randint(300, 2400)
            accuracy = min(0.99, max(0.78, dice.gauss(0.93, 0.04)))
            half = 2 * (accuracy * (1 - accuracy) / rows) ** 0.5
            slices.append({
                "kind": kind, "name": name, "rows": rows, "accuracy": accuracy,
                "lower": accuracy - half, "upper": min(1.0, accuracy + half),
            })  # fmt: skip
    curve = [
        {
            "threshold": round(0.99 - 0.0185 * i, 6), "answered": round((i + 1) / 50, 6),
            "error": round(0.002 + 0.06 * ((i + 1) / 50) ** 9, 6),
            "oos_accepted": round(0.55 * ((i + 1) / 50) ** 6, 6),
        }
        for i in range(50)
    ]  # fmt: skip
    bins = [
        {"low": i / 10, "high": (i + 1) / 10, "rows": n, "score": i / 10 + 0.05,
         "accuracy": min(1.0, i / 10 + 0.05 + dice.gauss(0, 0.04))}
        for i, n in enumerate([0, 6, 14, 31, 47, 68, 90, 141, 262, 1541])
        if n
    ]  # fmt: skip
    shapes = [
        ("2 layers", 6.1, 0.9381),
        ("1 layer and convolution", 3.82, 0.9362),
        ("1 layer", 3.4, 0.9297),
        ("convolution", 1.9, 0.9114),
        ("static", 0.8, 0.8702),
    ]
    calls = [2.31 * (0.72 + 0.28 * (i / 50) ** 0.8 + 0.5 * (i / 100) ** 9) for i in range(99)]
    return {
        "name": "bank-support",
        "task": "classify",
        "labels": LABELS,
        "student": "1 layer and convolution",
        "seed": 3,
        "versions": {"python": "3.11.9", "attar": "0.2.0", "numpy": "2.3.1", "torch": "2.13.0"},
        "size_bytes": 3_820_114,
        "content_sha256": "9f2b" * 16,
        "metrics": {
            "accuracy": 0.9379, "macro_f1": 0.9311, "agreement": 0.9607, "in_scope_rows": 2250,
            "rows": 2400, "oos_auroc": 0.9712, "oos_rows": 150, "oos_recall": 0.861,
            "in_scope_abstained": 0.079, "accuracy_when_answering": 0.9739,
        },
        "teacher": {
            "name": "ensemble of 3", "model": "all-MiniLM-L6-v2",
            "metrics": {"accuracy": 0.945, "macro_f1": 0.9402, "oos_auroc": 0.9801},
        },
        "chance": 0.0571,
        "certify_rows": 2400,
        "budget": {
            "size_mb": {"limit": 5.0, "measured": 3.820114},
            "latency_ms": {"limit": 5.0, "measured": 2.31},
            "memory_mb": {"limit": None, "measured": 96.0},
        },
        "candidates": [
            {"name": name, "size_bytes": int(size * 1e6), "parameters": int(size * 9e5),
             "score": score, "select": {"accuracy": score}}
            for name, size, score in shapes
        ],
        "plan": {
            "distill.epochs": {"value": 40, "reason": "9,600 rows: long distillation still gains"},
            "student.layers": {"value": 1, "reason": "best score on select within 5 MB"},
            "vocabulary.tokens": {"value": 8000, "reason": "covers 99.8% of the train tokens"},
        },
        "data": {
            "rows": {"train": 9600, "select": 1200, "calibrate": 1200, "certify": 2400,
                     "unlabeled": 0},
            "dropped": {"duplicate": 131, "leak": 12, "too_long": 0, "conflicting_label": 9},
            "notes": ["2 labels have fewer than 60 train rows: change_pin, age_limit",
                      "no group column: rows are taken to be independent"],
        },
        "claims": copy.deepcopy(CLAIMS),
        "handover": {
            "acceptance": "probability", "temperature": 1.31, "threshold": curve[44]["threshold"],
            "method": "learn then test, fixed sequence", "calibrate_rows": 1200,
            "certified": True, "curve": curve,
        },
        "comparison": {
            "gains": 41, "losses": 57, "p_value": 0.1294,
            "rows": [
                {"text": text, "gold": dice.choice(LABELS), "student": dice.choice(LABELS),
                 "teacher": dice.choice(LABELS)}
                for text in texts
            ],
        },
        "slices": slices,
        "confusions": [
            {"gold": dice.choice(LABELS), "named": dice.choice(LABELS), "rows": 11 - i, "of": 96}
            for i in range(8)
        ],
        "reliability": {"ece": 0.0182, "bins": bins},
        "errors": [
            {"text": text, "gold": dice.choice(LABELS), "label": dice.choice(LABELS),
             "score": 0.99 - 0.04 * i}
            for i, text in enumerate(texts)
        ],
        "measurements": {
            "latency": {"p50_ms": 2.31, "p99_ms": 4.31,
                        "percentiles_ms": [1.6, *calls[:49], 2.31, *calls[49:97], 4.31, 9.8]},
            "peak_memory_mb": 96.0, "build_seconds": 640.0, "machine": "a laptop CPU, 1 thread",
            "energy": {"joules_per_request": 0.0213, "method": "estimate", "watts": 9.2},
        },
        "bias": [
            {"name": name, "rows": rows, "accuracy": 0.94, "others": 0.936, "difference": 0.004,
             "p_value": 0.81}
            for name, rows in (("web", 1400), ("telephone", 850))
        ],
        "cost": {
            "machine": {"name": "a rented machine, 2 vCPU", "usd_per_hour": 0.085, "cores": 1,
                        "source": "a price page", "date": "2026-04", "per_million_usd": 0.054542,
                        "requests_a_month": 1_137_662_337},
            "assumptions": {"p50_ms": 2.31, "note": "a prompt of 200 tokens and an answer of 10"},
            "models": [
                {"model": "a small large model", "per_million_usd": 14.0, "times": 256.7,
                 "break_even_requests_a_month": 4_432_143, "source": "another page",
                 "date": "2026-03"},
                {"model": "a large model", "per_million_usd": 750.0, "times": 13750.9,
                 "break_even_requests_a_month": 82_734, "source": "another page",
                 "date": "2026-03"},
            ],
        },
    }  # fmt: skip


MINIMAL = {"name": "tiny", "task": "classify", "labels": ["a", "b"], "claims": []}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything below a value lies; of each list the first element stands for all."""
    inner = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        inner = list(enumerate(value[:1]))
    for key, child in inner:
        yield (*at, key)
        yield from paths(child, (*at, key))


def parent_of(report: dict[str, Any], path: tuple[Any, ...]) -> Any:
    found: Any = report
    for key in path[:-1]:
        found = found[key]
    return found


def test_the_page_is_whole_and_has_every_section() -> None:
    page = Page(as_html(full()))
    assert page.titles() == [
        "claims", "trust", "budget", "handover", "scores", "latency", "slices", "errors", "data",
        "reproduce",
    ]  # fmt: skip
    links = [attributes["href"] for name, attributes in page.tags if name == "a"]
    assert links == [f"#{anchor}" for anchor in page.titles()]
    assert [name for name, _ in page.tags].count("h1") == 1


def test_the_page_asks_the_network_for_nothing() -> None:
    source = as_html(full())
    assert "http:" not in source and "https:" not in source and "//" not in source
    for name, attributes in Page(source).tags:
        assert name not in {"script", "link", "img", "iframe", "object", "base", "form"}
        assert not {"src", "srcset", "action", "style"} & attributes.keys()
        assert attributes.get("href", "#").startswith("#")
        assert not any(key.startswith("on") for key in attributes)
    assert "url(" not in source and "@import" not in source
    assert "default-src 'none'" in source


def test_every_claim_is_named_in_words_with_its_status_and_never_passed() -> None:
    page = Page(as_html(full()))
    text = re.sub(r"\s+", " ", page.text)
    for made in CLAIMS:
        promise, _, found = in_words(made).partition(f": {made['status']}")
        assert promise in text
        assert found.lstrip(".,; ")[1:] in text
    marks = [a["class"] for name, a in page.tags if name == "li" and "class" in a]
    assert marks == [made["status"] for made in CLAIMS]
    assert "5 claims: 3 met, 1 unmet, 1 undecided." in text
    assert "3 of 5 are established" in text
    assert "passed" not in text


def test_claims_that_all_hold_together_say_so() -> None:
    page = as_html({"claims": [made for made in CLAIMS if made["together"]]})
    assert "3 claims: 3 met. They also hold all together." in page
    older = {key: value for key, value in CLAIMS[0].items() if key != "together"}
    assert "together." not in as_html({"claims": [older]})


def test_an_undecided_claim_without_rows_or_without_a_forecast() -> None:
    none = claim("oos_acceptance", at_most=0.1, rows=0, status="undecided", together=False)
    assert "no row can decide it" in as_html({"claims": [none]})
    older = {key: value for key, value in CLAIMS[2].items() if key != "more_rows"}
    page = as_html({"claims": [older]})
    assert "on 2,188 rows." in page and "sensible number" not in page


def test_every_drawing_is_labeled_or_hidden_and_every_header_has_a_scope() -> None:
    for name, attributes in Page(as_html(full())).tags:
        if name == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        if name == "th":
            assert attributes["scope"] in {"row", "col"}


def test_no_text_of_the_user_becomes_markup() -> None:
    def hostile(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            fixed = key in {"versions", "dropped", "plan"}
            return {
                (f"{name}{HOSTILE}" if fixed else name): hostile(child, name)
                for name, child in value.items()
            }
        if isinstance(value, list):
            return [hostile(child, key) for child in value]
        kept = key in {"status", "metric"} or not isinstance(value, str)
        return value if kept else value + HOSTILE

    clean, dirty = as_html(full()), as_html(hostile(full()))
    assert "<script" not in dirty and "<img" not in dirty and "&lt;script&gt;" in dirty
    names = [[name for name, _ in Page(source).tags] for source in (clean, dirty)]
    assert set(names[0]) == set(names[1])
    assert dirty.count("</style>") == 1


def test_a_text_that_cannot_be_encoded_does_not_spoil_the_page() -> None:
    assert as_html({**MINIMAL, "name": "half \ud83d"}).encode("utf-8")


def test_a_minimal_report_is_a_page_too() -> None:
    for report in ({}, MINIMAL):
        page = Page(as_html(report))
        assert "No claim was made" in page.text
        assert "reproduce" in page.titles() and "slices" not in page.titles()
        assert "None" not in page.text and "nan" not in page.text


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("claims", "claims"),
        ("handover", "handover"),
        ("reliability", "scores"),
        ("slices", "slices"),
    ],
)
def test_a_section_is_left_out_with_its_key(key: str, section: str) -> None:
    for changed in ({k: v for k, v in full().items() if k != key}, {**full(), key: None}):
        page = Page(as_html(changed))
        assert section not in page.titles() and "data" in page.titles()


def test_no_single_missing_or_null_entry_breaks_the_page() -> None:
    """Claims are the exception: they are sealed whole."""
    whole = full()
    for path in paths({key: value for key, value in whole.items() if key != "claims"}):
        for null in (True, False):
            report = copy.deepcopy(whole)
            parent = parent_of(report, path)
            if null:
                parent[path[-1]] = None
            elif isinstance(parent, dict):
                del parent[path[-1]]
            else:
                continue
            assert "None" not in as_html(report), path


def test_the_point_in_force_is_marked() -> None:
    report = full()
    assert "certified: 90.0% answered, 2.5% wrong" in as_html(report)
    report["handover"]["certified"] = False
    assert "in force: 90.0% answered, 2.5% wrong" in as_html(
        report
    ) and "No threshold could be" in as_html(report)
    report["handover"] |= {"threshold": None, "certified": None}
    assert "always answers" in as_html(
        report
    ) and "in force: 100.0% answered, 6.2% wrong" in as_html(report)


def test_what_no_claim_asks_for_is_not_called_certified() -> None:
    page = as_html(full())  # claims error_when_answering, not oos_acceptance
    assert "certified: 90.0% answered, 2.5% wrong" in page
    assert "in force: 90.0% answered, 29.2% accepted" in page


def test_the_weakest_slice_is_named_and_long_lists_are_folded() -> None:
    report = full()
    report["slices"][5] |= {"accuracy": 0.5, "lower": 0.4, "upper": 0.6, "rows": 100}
    page = as_html(report)
    assert (
        f"Weakest: label “<bdi>{LABELS[5]}</bdi>”, 50.0% right on 100 rows (40.0% to 60.0%)."
        in page
    )
    assert "12 more" in page
    named = as_html({**report, "worst_slice": report["slices"][0]})
    assert f"Weakest: label “<bdi>{LABELS[0]}</bdi>”" in named


def test_costs_stand_beside_large_models() -> None:
    page = as_html(full())
    assert "$0.055" in page and "$750.00" in page and "13,751" in page and "82,734" in page


def test_only_html_goes_in_as_it_is() -> None:
    assert (
        tag("p", "<b>", tag("b", "&"), title='"') == '<p title="&quot;">&lt;b&gt;<b>&amp;</b></p>'
    )
    assert isinstance(join("a", 1), Html)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.871, 0.952), (0, 0.0345), (-0.02, 0.01)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = Axis(low, high, short_percent).ticks()
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
