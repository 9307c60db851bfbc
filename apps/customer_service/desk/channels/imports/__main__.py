"""The command: an export in, rows out. What was found and left out is said on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from desk.channels.imports.phrases import ImportProblem, Names, rows
from desk.channels.imports.reading import KINDS, read_agent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m desk.channels.imports", description=KINDS)
    parser.add_argument("export", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON lines to write")
    parser.add_argument("--language", default="en")
    parser.add_argument("--map", type=Path, help="TOML with [intents] and [slots]: new names")
    parser.add_argument("--entities", type=Path, help="JSON to write the entities' values to")
    parser.add_argument("--force", action="store_true", help="write over files that exist")
    asked = parser.parse_args(arguments)
    try:
        for out in (asked.out, asked.entities):
            if out is not None and out.exists() and not asked.force:
                raise ImportProblem(f"{out} exists; give --force to write over it")
        agent = read_agent(asked.export, asked.language)
        made = list(rows(agent, Names.read(asked.map) if asked.map else None))
    except ImportProblem as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in made]
    asked.out.write_text("".join(lines), "utf-8")
    if asked.entities is not None:
        values = {
            name: [{"value": value, "synonyms": list(names)} for value, names in found]
            for name, found in agent.entities.items()
        }
        asked.entities.write_text(json.dumps(values, ensure_ascii=False, indent=1), "utf-8")
    intents = Counter(row["label"] for row in made)
    print(f"{agent.kind}: {len(made):,} rows of {len(intents)} intents", file=sys.stderr)
    for why, number in agent.skipped.items():
        print(f"left out: {number:,} {why}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
