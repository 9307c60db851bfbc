"""From a bundle's answers to the desk's words, with a stand-in for the bundle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import attar
from desk.dialog.knowledge import PagesKnow, excerpt, fitting
from desk.dialog.understanding import ModelUnderstands
from desk.types import Request, Understood

PAGE = SimpleNamespace(id="d", title="T", text="One. Two.", passage=(5, 9), score=0.4)


def bundle(monkeypatch: pytest.MonkeyPatch, answer: Any, **about: Any) -> None:
    class Predictor:
        capabilities = about.get("capabilities", ("label", "spans"))
        documents = about.get("documents", (PAGE,))

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
    others = (
        SimpleNamespace(label='[{"name":"invoice"}]', score=0.1),
        SimpleNamespace(label='[{"name":"invoice","constants":{"x":1}}]', score=0.05),
        SimpleNamespace(label='[{"name":"warranty"}]', score=0.02),
    )
    bundle(monkeypatch, SimpleNamespace(calls=calls, abstained=False, alternatives=others))
    assert ModelUnderstands("x.attar")("…") == Understood(
        (
            Request("cancel_order", {"order_number": ("48213",)}, 0.9),
            Request("return_item", {"product": ("coat", "hat"), "amount": ("12.5",)}, 0.8),
        ),
        alternatives=(("invoice", 0.1), ("warranty", 0.02)),
    )


def test_no_calls_are_out_of_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(monkeypatch, SimpleNamespace(calls=(), abstained=True, alternatives=()))
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
        alternatives=(),
    )
    bundle(monkeypatch, found)
    known = Request("return_item", {"product": ("coat",)}, 0.7)
    assert ModelUnderstands("x.attar")("take  coat back") == Understood((known,))


def test_spans_side_by_side_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = (call("return_item", 0.8, product=["glass", "teapot", "kettle"]),)
    bundle(monkeypatch, SimpleNamespace(calls=calls, abstained=False, alternatives=()))
    (request,) = ModelUnderstands("x.attar")("the glass teapot and the kettle").requests
    assert request.slots == {"product": ("glass teapot", "kettle")}


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
    page = PAGE
    bundle(monkeypatch, SimpleNamespace(abstained=False, documents=(page,), score=0.9))
    found = PagesKnow("x.attar")("…")
    assert found is not None
    assert (found.document, found.title, found.text, found.score) == ("d", "T", "One. Two.", 0.9)
    bundle(monkeypatch, SimpleNamespace(abstained=True, documents=(page,), score=0.1))
    assert PagesKnow("x.attar")("…") is None


def test_pages_about_an_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [
        SimpleNamespace(
            id=name, title=name.title(), text=f"About {name}.", passage=None, score=score
        )
        for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.4), ("d", 0.0))
    ]
    answer = SimpleNamespace(abstained=True, documents=tuple(pages[:3]), score=0.1)
    bundle(monkeypatch, answer, documents=tuple(pages))
    topics = {"invoice": ("d", "c", "b"), "warranty": ("d",)}
    knows = PagesKnow("x.attar", topics=topics)
    assert [page.document for page in knows.near("…", "invoice")] == ["b", "c", "d"]
    assert [page.document for page in knows.near("…", "warranty")] == ["d"]
    assert knows.near("…", "store_info") == ()
    assert [page.document for page in PagesKnow("x.attar").near("…", "x")] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no page e"):
        PagesKnow("x.attar", topics={"invoice": ("e",)})


def test_the_sentence_that_fits() -> None:
    text = "We ship to Spain. Parcels to Norway take ten days. Ask us."
    at = fitting(text, "how long does a parcel to norway take")
    assert at and text[slice(*at)] == "Parcels to Norway take ten days. "
    assert fitting(text, "zzz") is None


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
