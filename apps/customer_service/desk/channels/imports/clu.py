"""Projects of Azure's conversational language understanding (CLU), and of LUIS before it.

CLU: assets.utterances [{text, intent, language, entities [{category, offset, length}]}].
LUIS: utterances [{text, intent, entities [{entity, startPos, endPos}]}], the end included.
Both count UTF-16 code units, where an emoji is two; rows count code points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from desk.channels.imports.phrases import Agent, ImportProblem

NONE = "None"  # both call so what is none of the intents


def is_clu(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("assets"), dict)


def is_luis(document: Any) -> bool:
    return isinstance(document, dict) and "luis_schema_version" in document


def read_clu(document: Mapping[str, Any], language: str, place: str) -> Agent:
    agent = Agent("CLU")
    assets = document["assets"]
    for where, said in _utterances(assets.get("utterances"), place, agent):
        spoken = str(said.get("language") or language).lower()
        if spoken.partition("-")[0] != language.lower().partition("-")[0]:
            agent.skipped[f"in {spoken}"] += 1
            continue
        spans = [
            _span(one, "category", one.get("offset"), one.get("length"), where)
            for one in _objects(said.get("entities"), where)
        ]
        _add(agent, said, spans, where)
    for entity in _objects(assets.get("entities"), place):
        given = entity.get("list")
        lists = _objects(given.get("sublists") if isinstance(given, dict) else None, place)
        if lists:
            agent.entities[str(entity.get("category"))] = [_sublist(one, place) for one in lists]
    return agent


def read_luis(document: Mapping[str, Any], place: str) -> Agent:
    agent = Agent("LUIS")
    for where, said in _utterances(document.get("utterances"), place, agent):
        spans = []
        for one in _objects(said.get("entities"), where):
            start, last = one.get("startPos"), one.get("endPos")
            whole = isinstance(start, int) and isinstance(last, int)
            length = last + 1 - start if whole else None  # type: ignore[operator]
            spans.append(_span(one, "entity", start, length, where))
        _add(agent, said, spans, where)
    for entity in _objects(document.get("closedLists"), place):
        agent.entities[str(entity.get("name"))] = [
            (str(one.get("canonicalForm")), _texts(one.get("list")))
            for one in _objects(entity.get("subLists"), place)
        ]
    return agent


def _utterances(found: Any, place: str, agent: Agent) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(found, list):
        raise ImportProblem(f"{place}: a list of utterances is expected")
    for number, said in enumerate(found, 1):
        where = f"{place}: utterance {number}"
        if not isinstance(said, dict) or not isinstance(said.get("text"), str):
            raise ImportProblem(f"{where}: an object with a text is expected")
        if not said.get("intent"):
            agent.skipped["without an intent"] += 1
            continue
        yield where, said


def _add(
    agent: Agent, said: Mapping[str, Any], spans: list[tuple[int, int, str]], where: str
) -> None:
    text: str = said["text"]
    starts = _code_points(text)
    try:
        moved = [(starts[start], starts[end], name) for start, end, name in spans]
    except KeyError:
        what = "an entity begins or ends outside of the text, or within a sign"
        raise ImportProblem(f"{where}: {what}") from None
    intent = str(said["intent"])
    agent.mark(text, moved, intent, intent == NONE)


def _span(
    one: Mapping[str, Any], key: str, start: object, length: object, where: str
) -> tuple[int, int, str]:
    name = one.get(key)
    if not (isinstance(start, int) and isinstance(length, int) and isinstance(name, str)):
        raise ImportProblem(f"{where}: an entity with {key}, start and length is expected")
    return start, start + length, name


def _sublist(one: Mapping[str, Any], place: str) -> tuple[str, tuple[str, ...]]:
    given = _objects(one.get("synonyms"), place)
    return str(one.get("listKey")), tuple(n for each in given for n in _texts(each.get("values")))


def _objects(found: Any, where: str) -> list[dict[str, Any]]:
    """A list of objects; none where nothing is given. Raises ImportProblem."""
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ImportProblem(f"{where}: a list of objects is expected for entities and lists")
    return found


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def _code_points(text: str) -> dict[int, int]:
    """UTF-16 code units at which a sign begins, or the text ends -> code points."""
    starts, units = {}, 0
    for number, sign in enumerate(text):
        starts[units] = number
        units += 2 if ord(sign) > 0xFFFF else 1
    return {**starts, units: len(text)}
