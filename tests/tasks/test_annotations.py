"""Annotations and their names, and tags and their spans: there and back again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from attar.data.annotated import spans_in, with_text
from attar.tasks.annotations import Annotation, Span, annotation_in, name_of

texts = st.text(st.characters(exclude_characters="\0"))  # lone surrogates too, until curation
labels = texts.filter(lambda label: bool(label.strip()))
tokens = texts.filter(lambda token: bool(token) and token == token.strip())


@st.composite
def annotations(draw: st.DrawFn) -> Annotation:
    edges = sorted(draw(st.sets(st.integers(0, 10**6), max_size=12)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    spans = tuple(Span(start, end, draw(labels)) for start, end in pairs)
    return Annotation(draw(st.none() | labels), spans)


@given(annotations(), st.randoms(use_true_random=False))
def test_an_annotation_has_one_name(annotation: Annotation, rng: random.Random) -> None:
    name = name_of(*annotation)
    assert annotation_in(name) == annotation
    shuffled = rng.sample(annotation.spans, len(annotation.spans))
    assert name_of(annotation.label, map(tuple, shuffled)) == name


def test_names_are_plain_json() -> None:
    name = name_of("réserver", [(10, 16, "ville"), Span(0, 2, "qui")])
    assert name == '{"label": "réserver", "spans": [[0, 2, "qui"], [10, 16, "ville"]]}'
    assert json.loads(name)["label"] == "réserver"
    assert annotation_in(None) == annotation_in(name_of(None, [])) == Annotation()


@st.composite
def tagged(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Tokens and well-formed BIO tags, from runs of them: inside of a span, or outside."""
    words: list[str] = []
    tags: list[str] = []
    for run in draw(st.lists(st.lists(tokens, min_size=1, max_size=4), max_size=5)):
        label = draw(st.none() | labels)
        words += run
        if label is None:
            tags += ["O"] * len(run)
        else:
            tags += [f"B-{label}"] + [f"I-{label}"] * (len(run) - 1)
    return words, tags


def spans_of(words: Sequence[str], tags: Sequence[str]) -> tuple[str, list[Span]]:
    record = {"tokens": list(words), "tags": list(tags)}
    text = with_text(record, "text", "here")["text"]
    return text, spans_in(record, text, "here")


def bio(words: Sequence[str], spans: Sequence[Span]) -> list[str]:
    """The naive way back: a token's tag, from the span that its first character is in."""
    tags, at = [], 0
    for word in words:
        span = next((span for span in spans if span.start <= at < span.end), None)
        tags.append("O" if span is None else f"{'B' if span.start == at else 'I'}-{span.label}")
        at += len(word) + 1
    return tags


@given(tagged())
def test_tags_come_back_from_spans(row: tuple[list[str], list[str]]) -> None:
    words, tags = row
    text, spans = spans_of(words, tags)
    assert text == " ".join(words)
    assert bio(words, spans) == tags
    # The slices are the joined tokens, run by run.
    runs: list[list[str]] = []
    for word, tag in zip(words, tags, strict=True):
        if tag.startswith("B-"):
            runs.append([word])
        elif tag.startswith("I-"):
            runs[-1].append(word)
    assert [text[span.start : span.end] for span in spans] == [" ".join(run) for run in runs]


@given(tagged())
def test_the_schemes_agree(row: tuple[list[str], list[str]]) -> None:
    words, tags = row
    expected = spans_of(words, tags)
    ends = [not following.startswith("I-") for following in [*tags, "O"][1:]]
    for single, last in (("U", "L"), ("S", "E")):
        # B before I stays, B alone is a single, I before none is an end.
        closing = {"B": single, "I": last}
        closed = [
            closing[tag[0]] + tag[1:] if end and tag != "O" else tag
            for tag, end in zip(tags, ends, strict=True)
        ]
        assert spans_of(words, closed) == expected
    # IOB1: B only where the span before touches and has the same label.
    before = ["O", *tags]
    opened = [
        "I" + tag[1:] if tag[0] == "B" and previous[1:] != tag[1:] else tag
        for previous, tag in zip(before, tags, strict=False)
    ]
    assert spans_of(words, opened) == expected


@given(tagged(), st.none() | labels)
def test_spans_read_as_they_were_named(row: tuple[list[str], list[str]], label: str | None) -> None:
    text, spans = spans_of(*row)
    named = annotation_in(name_of(label, spans))
    record = {"text": text, "spans": [list(span) for span in reversed(named.spans)]}
    assert spans_in(record, text, "here") == spans
