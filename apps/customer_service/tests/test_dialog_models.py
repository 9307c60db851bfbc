"""From a bundle's answers to the desk's words, with a stand-in for the bundle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import attar
from desk.dialog.knowledge import PagesKnow, excerpt
from desk.dialog.understanding import ModelUnderstands
from desk.types import Request, Understood


def bundle(monkeypatch: pytest.MonkeyPatch, answer: Any, **about: Any) -> None:
    class Predictor:
        capabilities = about.get("capabilities", ("label", "spans"))
        documents = about.get("documents", ("d",))

        def __call__(self, text: str) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(attar, "load", lambda path, threads=1: Predictor(), raising=False)


def call(name: str, score: float, **arguments: Any) -> SimpleNamespace:
    return SimpleNamespace(name=name, score=score, arguments=arguments)


def test_calls_are_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = (
        call("cancel_order", 0.9, order_number="48213"),
        call("return_item", 0.8, product=["coat", "hat"], other=1, amount=12.5, date=""),
    )
    bundle(monkeypatch, SimpleNamespace(calls=calls, abstained=False))
    assert ModelUnderstands("x.attar")("…") == Understood(
        (
            Request("cancel_order", {"order_number": ("48213",)}, 0.9),
            Request("return_item", {"product": ("coat", "hat"), "amount": ("12.5",)}, 0.8),
        )
    )


def test_no_calls_are_out_of_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(monkeypatch, SimpleNamespace(calls=(), abstained=True))
    assert ModelUnderstands("x.attar")("…") == Understood((), abstained=True)


def test_labels_and_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = (SimpleNamespace(start=6, end=10, label="product"),)
    found = SimpleNamespace(
        calls=None,
        text_label="return_item",
        text_score=0.7,
        score=0.6,
        spans=spans,
        abstained=False,
    )
    bundle(monkeypatch, found)
    known = Request("return_item", {"product": ("coat",)}, 0.7)
    assert ModelUnderstands("x.attar")("take  coat back") == Understood((known,))


def test_a_text_that_cannot_be_read_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(monkeypatch, attar.AttarError("no"))
    assert ModelUnderstands("x.attar")("…") == Understood((), abstained=True)
    assert PagesKnow("x.attar")("…") is None


def test_other_bundles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(monkeypatch, None, capabilities=("label",), documents=())
    with pytest.raises(attar.AttarError, match="extract"):
        ModelUnderstands("x.attar")
    with pytest.raises(attar.AttarError, match="rank"):
        PagesKnow("x.attar")


def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    page = SimpleNamespace(id="d", title="T", text="One. Two.", passage=(5, 9))
    bundle(monkeypatch, SimpleNamespace(abstained=False, documents=(page,), score=0.9))
    found = PagesKnow("x.attar")("…")
    assert found is not None
    assert (found.document, found.title, found.text, found.score) == ("d", "T", "One. Two.", 0.9)
    bundle(monkeypatch, SimpleNamespace(abstained=True, documents=(page,), score=0.1))
    assert PagesKnow("x.attar")("…") is None


@given(
    st.lists(
        st.text(st.characters(categories=["L", "Zs"]), min_size=1, max_size=40),
        min_size=1,
        max_size=20,
    ),
    st.data(),
)
def test_excerpts_are_whole_sentences_and_hold_the_passage(
    parts: list[str], data: st.DataObject
) -> None:
    text = " ".join(f"{part.strip() or 'x'}." for part in parts)
    start = data.draw(st.integers(0, len(text) - 1))
    shown = excerpt(text, (start, start + 1), 100)
    assert shown in text
    assert shown.endswith(".")
    assert len(shown) <= 100
