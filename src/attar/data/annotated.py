"""Rows whose texts hold typed spans: which forms of record there are, and what they say.

A record has a text and spans in it (`spans` or `entities`), or tokens and a tag for each.
CoNLL files and spaCy's `.spacy` become such records here. Every offset is one of code points.
It checks tokens, tags and spans; the text itself and the text's label are for `read` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from attar.data.lines import opened
from attar.data.records import Lines, Records, short
from attar.errors import DataError, MissingExtraError
from attar.recipe import DataSection
from attar.tasks.annotations import Span, annotation_in
from attar.types import Row

SPAN_FIELDS = ("spans", "entities")
TOKENS = "tokens"
TAGS = "tags"
#: The columns that a table of annotated rows may have, besides text, label and group.
FIELDS = (*SPAN_FIELDS, TOKENS, TAGS)
#: And those of rows whose texts ask for function calls (`data.called`).
CALLS, MESSAGES = "calls", "messages"
CALLED = (CALLS, MESSAGES)

#: A category of the whole text counts from this probability on, as in spaCy's own scores.
MIN_CATEGORY = 0.5

#: BIO, IOB1 and IOB2, BILOU, BIOES: all of their tags. The label may hold hyphens itself.
_TAG = re.compile(r"O|([BILUSE])-(.*\S.*)", re.DOTALL)
_EXAMPLE = '{"text": "…", "spans": [{"start": 0, "end": 4, "label": "city"}]}'


def with_text(values: Mapping[str, Any], text_field: str, place: str) -> Mapping[str, Any]:
    """The record with a text: where it is one of tokens, they are joined by one space. Blank
    tokens outside of spans, which public sets have, go first, with their tags.

    Raises DataError for tokens that are no texts.
    """
    values = _without_blanks(values)
    if any(values.get(field) is not None for field in SPAN_FIELDS):
        return values
    tagged = values.get(TAGS) is not None or values.get(text_field) is None
    if values.get(TOKENS) is None or not tagged:
        return values
    return {**values, text_field: " ".join(_tokens(values, place))}


def spans_in(values: Mapping[str, Any], text: str, place: str) -> list[Span]:
    """The spans of a record in order, trimmed of whitespace; text: as `with_text` gives it.

    Raises DataError for a record without spans or tags, and for spans that are not in the
    text, empty, unnamed or not apart.
    """
    values = _without_blanks(values)
    given = [field for field in SPAN_FIELDS if values.get(field) is not None]
    if len(given) > 1:
        raise DataError(f"{place}: there are both 'spans' and 'entities'. Take one of them out.")
    if given:
        field, found = given[0], _given_spans(values[given[0]], given[0], text, place)
    elif values.get(TAGS) is not None:
        field, found = TAGS, _tagged_spans(values, place)
    else:
        raise DataError(
            f"{place}: there are neither spans nor tags. Expected the field 'spans' or 'entities' "
            f"([] where a text has none), as in {_EXAMPLE}, or the fields 'tokens' and 'tags', "
            'as in {"tokens": ["to", "Rome"], "tags": ["O", "B-city"]}.'
        )
    return _apart([_trimmed(span, text, field, place) for span in found], text, field, place)


def check_labels_alike(rows: Sequence[Row], label_field: str) -> None:
    """Raise DataError, naming the first row without one, where only some rows have a label."""
    bare = [annotation_in(row.label).label is None for row in rows]
    if rows and all(bare) and label_field != DataSection(train=()).label:
        raise DataError(
            f"{rows[0].place}: neither this nor any other row has the label of its text (field "
            f"{short(label_field)}). Mend its name in the recipe, or take it out: [data] label."
        )
    if any(bare) and not all(bare):
        raise DataError(
            f"{rows[bare.index(True)].place}: there is no label of the whole text (field "
            f"{short(label_field)}), but {bare.count(False):,} of {len(rows):,} rows have one, the "
            f"first is {rows[bare.index(False)].place}. Give all rows one, or none."
        )


def _given_spans(value: Any, field: str, text: str, place: str) -> list[Span]:
    if not isinstance(value, list):
        raise DataError(
            f"{place}: the field {short(field)} is a {type(value).__name__}, expected a list of "
            f"spans, as in {_EXAMPLE}, [] for none."
        )
    return [
        _span(one, text, f"{place}: span {number} of {len(value)} (field {short(field)})")
        for number, one in enumerate(value, 1)
    ]


def _span(value: Any, text: str, where: str) -> Span:
    """One span as it is given: an object, or start, end and label in a list."""
    if isinstance(value, list) and len(value) == 3:
        start, end, label = value
    elif isinstance(value, dict):
        start, end, label = (value.get(key) for key in ("start", "end", "label"))
    else:
        raise DataError(
            f'{where} is no span. Expected {{"start": 0, "end": 4, "label": "city"}} or '
            '[0, 4, "city"].'
        )
    if type(start) is not int or type(end) is not int:  # bool is an int, but no offset
        raise DataError(
            f"{where}: start and end are {_seen(start)} and {_seen(end)}, expected "
            "integers. Give offsets into the text, in characters from 0."
        )
    if not isinstance(label, str) or not label.strip():
        raise DataError(
            f"{where}: the label is {_seen(label)}, expected a text that says what the "
            'span is, such as "city". Fill it in, or take the span out.'
        )
    if not 0 <= start < end <= len(text):
        raise DataError(
            f"{where}: {_seen(start)} to {_seen(end)} is no part of the text, which has "
            f"{len(text):,} characters. Count code points from 0, the end not included; start "
            "must be before end."
        )
    said = value.get("text") if isinstance(value, dict) else None
    if said is not None and said != text[start:end]:
        raise DataError(
            f"{where}: its text is {_seen(said)}, but {start} to {end} is "
            f"{short(text[start:end])}. Count code points, the end not included (not bytes, "
            "and not UTF-16 units as JavaScript and Java do)."
        )
    return Span(start, end, label)


def _trimmed(span: Span, text: str, field: str, place: str) -> Span:
    part = text[span.start : span.end]
    if not part.strip():
        raise DataError(
            f"{place}: the span {span.start} to {span.end} (field {short(field)}) holds nothing "
            "but whitespace. Mend its offsets, or take it out."
        )
    start = span.start + len(part) - len(part.lstrip())
    end = span.end - len(part) + len(part.rstrip())
    return Span(start, end, span.label)


def _apart(spans: list[Span], text: str, field: str, place: str) -> list[Span]:
    """The spans in order, none of them within or across another."""
    spans = sorted(spans)
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise DataError(
                f"{place}: the spans {_shown(before, text)} and {_shown(after, text)} overlap "
                f"(field {short(field)}). One character can be part of one span only: keep one "
                "of them, or shorten one."
            )
    return spans


def _shown(span: Span, text: str) -> str:
    part = short(text[span.start : span.end])
    return f"{part} ({span.start} to {span.end}, {short(span.label)})"


def _seen(value: Any) -> str:
    """A value as a message shows it: short, and printable whatever it is."""
    if isinstance(value, str):
        return short(value)
    shown = repr(value) if value is None or isinstance(value, int | float) else ""
    return shown[:60] if shown else f"a {type(value).__name__}"


def _without_blanks(values: Mapping[str, Any]) -> Mapping[str, Any]:
    tokens, tags = values.get(TOKENS), values.get(TAGS)
    if not isinstance(tokens, list) or not isinstance(tags, list) or len(tokens) != len(tags):
        return values
    blank = [
        tag == "O" and isinstance(t, str) and not t.strip()
        for t, tag in zip(tokens, tags, strict=True)
    ]
    if not any(blank):
        return values
    kept = [at for at, one in enumerate(blank) if not one]
    return {**values, TOKENS: [tokens[i] for i in kept], TAGS: [tags[i] for i in kept]}


def _tokens(values: Mapping[str, Any], place: str) -> list[str]:
    tokens = values[TOKENS]
    if not isinstance(tokens, list):
        raise DataError(
            f"{place}: the field {TOKENS!r} is a {type(tokens).__name__}, expected a list of texts."
        )
    for number, token in enumerate(tokens, 1):
        if not isinstance(token, str) or not token.strip():
            raise DataError(
                f"{place}: token {number} of {len(tokens)} (field {TOKENS!r}) is "
                f"{_seen(token)}, expected a text that is not empty. Fill it in, or take "
                "it out together with its tag."
            )
    return tokens


def _tagged_spans(values: Mapping[str, Any], place: str) -> list[Span]:
    if values.get(TOKENS) is None:
        raise DataError(
            f"{place}: there are 'tags' but no 'tokens'. Give the tokens they belong to, as a "
            "list of texts."
        )
    tokens, tags = _tokens(values, place), values[TAGS]
    if not isinstance(tags, list):
        raise DataError(
            f"{place}: the field {TAGS!r} is a {type(tags).__name__}, expected a list with a tag "
            "for each token."
        )
    if len(tags) != len(tokens):
        raise DataError(
            f"{place}: there are {len(tokens)} tokens but {len(tags)} tags (fields {TOKENS!r}, "
            f"{TAGS!r}). Give each token one tag, O outside of spans."
        )
    parts = [_tag(tag, number, place) for number, tag in enumerate(tags, 1)]
    return list(_joined(tokens, parts))


def _tag(tag: Any, number: int, place: str) -> tuple[str, str]:
    """(O, B, I, L, U, S or E, the label), the label empty for O."""
    match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
    if match is None:
        raise DataError(
            f"{place}: tag {number} is {_seen(tag)} (field "
            f"{TAGS!r}), expected O or a prefix of BIO, IOB, BILOU or BIOES and a label, such as "
            "B-city and I-city. Rewrite the tag."
        )
    return match[1] or "O", match[2] or ""


def _joined(tokens: Sequence[str], parts: Iterable[tuple[str, str]]) -> Iterator[Span]:
    """Spans into the tokens joined by one space. A tag that goes on with nothing begins a
    span, as in IOB1, where only a span right after one of its own label begins with B."""
    going: Span | None = None
    start = 0
    for token, (prefix, label) in zip(tokens, parts, strict=True):
        end = start + len(token)
        if going is not None and prefix in ("I", "L", "E") and label == going.label:
            going = going._replace(end=end)
        else:
            if going is not None:
                yield going
            going = Span(start, end, label) if prefix != "O" else None
        if going is not None and prefix in ("L", "E", "U", "S"):
            yield going
            going = None
        start = end + 1
    if going is not None:
        yield going


def conll_records(lines: Lines, name: str) -> Records:
    """Yield (line of the row's first token, its tokens and tags) of a CoNLL file: a token a
    line, columns between tabs or blanks, the first the token, the last its tag, a blank line
    after each row. Raises DataError while iterating."""
    first, tokens, tags = 0, list[str](), list[str]()
    width = 2
    for number, line in lines:
        columns = _columns(line)
        document = line.startswith("-DOCSTART-")
        if tokens and (document or not columns):
            yield first, {TOKENS: tokens, TAGS: tags}
            tokens, tags = [], []
        if document or not columns or _is_comment(line, columns, width):
            continue
        first = first if tokens else number
        if len(columns) < 2:
            raise DataError(
                f"{name}, row {first}: line {number} has one column, {short(columns[0])}, expected "
                "a token and its tag, with a tab or blank between. Add the tag, O outside of spans."
            )
        width = len(columns)
        tokens.append(columns[0])
        tags.append(columns[-1])
    if tokens:
        yield first, {TOKENS: tokens, TAGS: tags}


def _columns(line: str) -> list[str]:
    # Not split(): it would cut tokens at no-break spaces, and lose empty cells.
    line = line.rstrip(" \t\r\n")
    return line.split("\t") if "\t" in line else [part for part in line.split(" ") if part]


def _is_comment(line: str, columns: Sequence[str], width: int) -> bool:
    """Whether a line is a comment, and not the token # with the columns that tokens have."""
    is_token = len(columns) == width and _TAG.fullmatch(columns[-1]) is not None
    return line.startswith("# ") and not is_token


def spacy_records(path: Path, fields: DataSection) -> Records:
    """Yield (number from 1, text, spans and label) of the documents of a `.spacy` file.

    Spans are the document's entities, the label is its likeliest category. Raises DataError
    while iterating, and MissingExtraError without spaCy.
    """
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        raise MissingExtraError("spacy", f"{path}: reading spaCy's binary format") from None
    with opened(path) as stream:
        content = stream.read()
    vocab = spacy.blank("xx").vocab
    try:
        docs = list(DocBin().from_bytes(content).get_docs(vocab))
    except Exception as error:  # whatever spaCy meets in bytes that it did not write
        raise DataError(
            f"{path}: not a whole .spacy file ({type(error).__name__}). Write it again with "
            "DocBin.to_disk; a file of another kind must not be named .spacy."
        ) from None
    for number, doc in enumerate(docs, 1):
        spans = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
        yield number, {fields.label: _category(doc.cats), fields.text: doc.text, "spans": spans}


def _category(scores: Mapping[str, float]) -> str | list[str] | None:
    """The likeliest category; several that are equally likely are a list, which `read` refuses."""
    highest = max(scores.values(), default=0.0)
    if highest < MIN_CATEGORY:
        return None
    best = [name for name, score in scores.items() if score == highest]
    return best[0] if len(best) == 1 else best
