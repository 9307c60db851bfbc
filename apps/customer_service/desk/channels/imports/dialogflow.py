"""Agents that Dialogflow exported as ZIP.

ES: intents/NAME.json, intents/NAME_usersays_LANGUAGE.json; entities/NAME_entries_LANGUAGE.json.
CX ("JSON package"): intents/NAME/NAME.json, intents/NAME/trainingPhrases/LANGUAGE.json;
entityTypes/NAME/entities/LANGUAGE.json. Names may hold blanks and any letters.

A value is named by its parameter (alias, parameterId), as the agent's own flows name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from desk.channels.imports.archive import Archive
from desk.channels.imports.phrases import Agent, ImportProblem

_ES_SAID = re.compile(r"intents/(.+)_usersays_([A-Za-z-]+)\.json")
_ES_ENTRIES = re.compile(r"entities/(.+)_entries_([A-Za-z-]+)\.json")
_CX_SAID = re.compile(r"intents/([^/]+)/trainingPhrases/([A-Za-z-]+)\.json")
_CX_ENTRIES = re.compile(r"entityTypes/([^/]+)/entities/([A-Za-z-]+)\.json")
IGNORED = "@sys.ignore"  # of ES: a value that no parameter takes
NEGATIVE = "Default Negative Intent"  # of CX


def is_es(archive: Archive) -> bool:
    return any(map(_ES_SAID.fullmatch, archive.files))


def is_cx(archive: Archive) -> bool:
    return any(map(_CX_SAID.fullmatch, archive.files))


def read_es(archive: Archive, language: str) -> Agent:
    agent = Agent("Dialogflow ES")
    for file, name in _files(archive, _ES_SAID, language, agent):
        intent = _about(archive, f"intents/{name}.json")
        fallback = intent.get("fallbackIntent") is True
        for number, said in enumerate(_list(archive, file, None), 1):
            if said.get("isTemplate") is True:
                agent.skipped["template, not a phrase"] += 1
                continue
            parts = [_es_part(part) for part in _parts(archive, file, number, said, "data")]
            agent.add(parts, str(intent.get("name") or name), fallback)
    for file, name in _files(archive, _ES_ENTRIES, language):
        agent.entities[name] = [_entry(one) for one in _list(archive, file, None)]
    return agent


def read_cx(archive: Archive, language: str) -> Agent:
    agent = Agent("Dialogflow CX")
    for file, name in _files(archive, _CX_SAID, language, agent):
        intent = _about(archive, f"intents/{name}/{name}.json")
        fallback = intent.get("isFallback") is True or name == NEGATIVE
        for number, said in enumerate(_list(archive, file, "trainingPhrases"), 1):
            parts = [
                (part["text"], str(part["parameterId"]) if part.get("parameterId") else None)
                for part in _parts(archive, file, number, said, "parts")
            ]
            agent.add(parts, str(intent.get("displayName") or name), fallback)
    for file, name in _files(archive, _CX_ENTRIES, language):
        agent.entities[name] = [_entry(one) for one in _list(archive, file, "entities")]
    return agent


def _es_part(part: Mapping[str, Any]) -> tuple[str, str | None]:
    kind, alias = part.get("meta"), part.get("alias")
    marked = isinstance(alias, str) and alias and kind != IGNORED
    return part["text"], str(alias) if marked else None


def _files(
    archive: Archive, wanted: re.Pattern[str], language: str, agent: Agent | None = None
) -> Iterator[tuple[str, str]]:
    """Files of the language, and the names in them. "en" is also that of en-gb."""
    for file in sorted(archive.files):
        if match := wanted.fullmatch(file):
            given, asked = match[2].lower(), language.lower()
            if given == asked or given.startswith(f"{asked}-"):
                yield file, match[1]
            elif agent is not None:
                agent.skipped[f"files in {match[2]}"] += 1


def _about(archive: Archive, file: str) -> dict[str, Any]:
    return archive.record(file) if file in archive.files else {}


def _list(archive: Archive, file: str, key: str | None) -> list[dict[str, Any]]:
    found = archive.json(file)
    if key is not None:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        what = "a list of objects" if key is None else f"an object with a list {key!r}"
        raise ImportProblem(f"{archive.path}: {file}: {what} is expected")
    return found


def _parts(
    archive: Archive, file: str, number: int, said: Mapping[str, Any], key: str
) -> list[dict[str, Any]]:
    parts = said.get(key)
    fine = isinstance(parts, list) and all(
        isinstance(part, dict) and isinstance(part.get("text", ""), str) for part in parts
    )
    if not fine or parts is None:
        what = f'a list "{key}" of parts with texts is expected'
        raise ImportProblem(f"{archive.path}: {file}: phrase {number}: {what}")
    # Protobuf's JSON leaves an empty text out.
    return [{"text": "", **part} for part in parts]


def _entry(one: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    synonyms = one.get("synonyms")
    names = synonyms if isinstance(synonyms, list) else []
    return str(one.get("value", "")), tuple(str(name) for name in names)
