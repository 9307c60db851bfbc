"""Agents made elsewhere, read as training rows: Dialogflow ES and CX exports, CLU and LUIS JSON.

    python -m desk.channels.imports agent.zip -o rows.jsonl --language en --map map.toml

The rows are those of `task = "extract"`: text, label, spans. What an export holds besides phrases
and entities (flows, pages, responses, webhooks) is not read: the desk's own dialog replaces it.
"""

from desk.channels.imports.phrases import Agent, ImportProblem, Names, Phrase
from desk.channels.imports.reading import read_agent

__all__ = ["Agent", "ImportProblem", "Names", "Phrase", "read_agent"]
