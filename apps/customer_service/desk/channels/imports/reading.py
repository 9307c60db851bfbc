"""Which kind of export a file is, told by what it holds."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from desk.channels.imports import clu, dialogflow
from desk.channels.imports.archive import MOST_TOTAL, Archive
from desk.channels.imports.phrases import Agent, ImportProblem

KINDS = (
    "a ZIP that Dialogflow ES or CX exported (CX: as JSON package, not as .blob), or the JSON of a "
    "CLU or LUIS project"
)


def read_agent(path: Path | str, language: str = "en") -> Agent:
    """The phrases of an export in one language. Raises ImportProblem."""
    path = Path(path)
    if not path.is_file():
        raise ImportProblem(f"{path}: there is no such file")
    if zipfile.is_zipfile(path):
        archive = Archive(path)
        if dialogflow.is_cx(archive):
            return _some(dialogflow.read_cx(archive, language), path, language)
        if dialogflow.is_es(archive):
            return _some(dialogflow.read_es(archive, language), path, language)
        raise ImportProblem(f"{path}: no training phrases in it; expected is {KINDS}")
    if path.stat().st_size > MOST_TOTAL:
        raise ImportProblem(f"{path}: larger than {MOST_TOTAL:,} bytes")
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ImportProblem(f"{path}: expected is {KINDS}") from None
    if clu.is_clu(document):
        return _some(clu.read_clu(document, language, str(path)), path, language)
    if clu.is_luis(document):
        return _some(clu.read_luis(document, str(path)), path, language)
    raise ImportProblem(f"{path}: expected is {KINDS}")


def _some(agent: Agent, path: Path, language: str) -> Agent:
    if not agent.phrases:
        left = ", ".join(f"{n} {why}" for why, n in agent.skipped.items())
        raise ImportProblem(f"{path}: no phrases in {language!r} ({left or 'none at all'})")
    return agent
