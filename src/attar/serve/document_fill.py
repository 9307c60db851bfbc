"""A ranking of documents, or a summary of one, put into what a client of a chat asks for: a text,
a JSON object, or its own JSON Schema.

Beside what `schema_fill` knows, a property may be named as a part of the best document, as all
documents, as the summary, one of its sections, or its sentences. What is not there is null
where the schema allows it, left out where it is not required, and refused otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attar.predictions import RankedDocument, Ranking, Summary
from attar.runtime.quotes import plain
from attar.serve.item_fill import ItemFilling, Name, NothingFoundError, takes_null
from attar.serve.schema_fill import SCORE_NAMES, UNKNOWN, CannotFillError

PASSAGE_ROLE = (
    *("answer", "passage", "content", "response", "reply", "quote", "message", "snippet"),
    *("excerpt", "sentence"),
)
ID_ROLE = (
    *("id", "documentid", "docid", "document", "doc", "source", "sourceid", "reference", "label"),
    *("key", "slug", "article", "articleid", "match"),
)
TITLE_ROLE = ("title", "heading", "headline", "name")
TEXT_ROLE = ("text", "body", "documenttext", "fulltext", "page")
RANK_ROLE = ("rank", "position", "place")
DOCUMENTS_NAMES = (
    *("documents", "docs", "results", "matches", "hits", "sources", "ids", "passages"),
    *("references", "citations", "articles", "candidates"),
)
SUMMARY_ROLE = (
    *("summary", "text", "content", "answer", "response", "result", "tldr", "abstract", "brief"),
    *("gist", "message"),
)
SENTENCES_NAMES = (
    *("sentences", "quotes", "highlights", "keypoints", "points", "bullets", "excerpts"),
    *("extracts", "spans", "sources"),
)
SECTION_ROLE = ("section", "label", "name", "title", "heading", "kind", "type")
SENTENCE_ROLE = ("text", "quote", "sentence", "content", "excerpt")
START_ROLE, END_ROLE = ("start", "startoffset", "begin"), ("end", "endoffset")


class DocumentFilling(ItemFilling):
    """A schema filled with a ranking. found: without documents where the model abstained;
    unsure: what is said then for an answer."""

    def __init__(
        self, schema: Mapping[str, Any], found: Ranking, unsure: str, abstained: bool
    ) -> None:
        super().__init__(schema, None, [], found.score, abstained)
        self.found, self._unsure = found, unsure

    def known(self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int) -> Any:
        called = plain(name)
        if "const" in part:
            return UNKNOWN
        if "array" in kinds and called in DOCUMENTS_NAMES:
            fills = (
                self._document(name, one, place, deep)
                for place, one in enumerate(self.found.documents, 1)
            )
            return self.all_of(name, part, fills, _as_document)
        if "object" in kinds and isinstance(part.get("properties"), Mapping):
            return self.members(part, deep + 1)
        best = self.found.documents[0] if self.found.documents else None
        value = UNKNOWN if best is None else _part_of(best, called, 1, alone=True)
        if value is not UNKNOWN and called not in RANK_ROLE:
            made = self.fitted(name, value, part)
            self.drawn += 1
            return made
        if best is None and called in (*PASSAGE_ROLE, *ID_ROLE, *TITLE_ROLE, *TEXT_ROLE):
            if takes_null(part, kinds):
                return None
            if called in PASSAGE_ROLE and "string" in kinds:
                return self.fitted(name, self._unsure, part)
            raise NothingFoundError(f"{name!r}: no document is a good answer")
        return UNKNOWN

    def nothing_made(self) -> None:
        if self.missing is None:
            raise CannotFillError("none of its properties is a part of a document")

    def _from_enum(self, name: str, allowed: Sequence[Any], said: str | None) -> Any:
        return super()._from_enum(name, allowed, self.found.label or self._unsure)

    def _document(
        self, name: str, found: RankedDocument, place: int, deep: int
    ) -> Callable[[Any], Any]:
        """Fills a schema with one document: its id, or an object."""

        def role_of(called: str, others: set[str]) -> Any:
            return _part_of(found, called, place)

        return lambda part: self.one_of(name, part, Name(found.id), role_of, deep + 1)


class SummaryFilling(ItemFilling):
    """A schema filled with a summary. sections: all that the model knows."""

    def __init__(
        self, schema: Mapping[str, Any], found: Summary, sections: Sequence[str], abstained: bool
    ) -> None:
        super().__init__(schema, None, [], found.score, abstained)
        self._texts = dict.fromkeys(sections, "") | found.sections
        self._sections = {plain(one): one for one in reversed(sections)}
        self.found = found

    def known(self, name: str, part: Mapping[str, Any], kinds: Sequence[Any], deep: int) -> Any:
        called = plain(name)
        if "const" in part:
            return UNKNOWN
        section = self._sections.get(called)
        if "array" in kinds and (section is not None or called in SENTENCES_NAMES):
            return self.all_of(name, part, self._sentences(name, section, deep), _as_sentence)
        if "array" in kinds and called == "sections":
            return self.all_of(name, part, self._each(name, deep), _as_section)
        if "object" in kinds and isinstance(part.get("properties"), Mapping):
            return self.members(part, deep + 1)
        if "object" in kinds and called == "sections":
            return self.found.sections
        if section is None and called not in SUMMARY_ROLE:
            return UNKNOWN
        text = self.found.prose if section is None else self._texts[section]
        if not text and takes_null(part, kinds):
            return None
        return self.fitted(name, text, part)  # "" is a summary of what says nothing of it

    def nothing_made(self) -> None:
        raise CannotFillError("none of its properties is a summary or a part of one")

    def _sentences(
        self, name: str, section: str | None, deep: int
    ) -> Iterable[Callable[[Any], Any]]:
        for one, text in zip(self.found.sentences, self.found.named, strict=True):
            if section in (None, one.label):
                values = [
                    (SENTENCE_ROLE, text), (SECTION_ROLE, Name(one.label)),
                    (START_ROLE, one.start), (END_ROLE, one.end),
                    (SCORE_NAMES, round(one.score, 6)),
                ]  # fmt: skip
                yield self._filled_by(name, text, values, deep)

    def _each(self, name: str, deep: int) -> Iterable[Callable[[Any], Any]]:
        for section, text in self.found.sections.items():
            values = [(SECTION_ROLE, Name(section)), ((*SUMMARY_ROLE, *SENTENCE_ROLE), text)]
            yield self._filled_by(name, text, values, deep)

    def _filled_by(
        self, name: str, alone: str, values: Sequence[tuple[Sequence[str], Any]], deep: int
    ) -> Callable[[Any], Any]:
        """values: what properties of these names take, the first that fits."""

        def role_of(called: str, others: set[str]) -> Any:
            return next((value for names, value in values if called in names), UNKNOWN)

        return lambda part: self.one_of(name, part, alone, role_of, deep + 1)


def passage_of(found: RankedDocument) -> str:
    """The sentence that fits best, else the whole text."""
    start, end = found.passage or (0, len(found.text))
    return found.text[start:end]


def in_words(found: Ranking | Summary) -> str:
    """What a chat says: what the best document is called and its passage, or the summary, in
    lines of its sections where the model knows several. "" where there is nothing."""
    if isinstance(found, Ranking):
        if not found.documents:
            return ""
        best = found.documents[0]
        return f"{best.title or best.id}\n{passage_of(best)}"
    if not found.several:
        return found.prose
    return "\n".join(f"{name}: {text}" for name, text in found.sections.items())


def as_object(found: Ranking | Summary) -> dict[str, Any]:
    """What a chat says where it is asked for any JSON object."""
    shown = found.to_json()
    if isinstance(found, Summary):
        return shown
    best = found.documents[0] if found.documents else None
    answer = {
        "answer": None if best is None else passage_of(best),
        "id": None if best is None else best.id,
        "title": None if best is None else best.title,
    }
    return answer | shown


def _part_of(found: RankedDocument, called: str, place: int, alone: bool = False) -> Any:
    """The value of a property of a document. alone: not in a list of them: its score is the
    answer's then, not how near it is."""
    if called in PASSAGE_ROLE:
        return passage_of(found)
    if called in ID_ROLE:
        return found.id if alone else Name(found.id)
    if called in TITLE_ROLE:
        return found.title
    if called in TEXT_ROLE:
        return found.text
    if called in RANK_ROLE:
        return place
    return round(found.score, 6) if called in SCORE_NAMES and not alone else UNKNOWN


def _as_document(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {key: {} for key in ("id", "title", "text", "score")}})


def _as_sentence(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {key: {} for key in ("text", "section", "start", "end")}})


def _as_section(fill: Callable[[Any], Any]) -> Any:
    return fill({"properties": {key: {} for key in ("section", "text")}})
