"""What the documents name exists: commands, options, make targets, recipes and their data."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from attar.cli import commands
from attar.data.curate import curate
from attar.recipe import read_recipe
from attar.tasks import TASKS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("apps/*/*.md")])
RECIPES = sorted(ROOT.glob("apps/*/recipe.toml"))
DESK = ROOT / "apps" / "customer_service"

FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\s*(?:\$ |%\s)?(?:\S*/)?(attar|make)(?=\s|$)([^\n]*)", re.MULTILINE)
INLINE = re.compile(r"`(?:\S*/)?(attar|make) ([^`\n]+)`")


def named_commands(text: str) -> Iterator[tuple[str, str]]:
    """(program, arguments) of each command line in fenced blocks and inline code."""
    for block in FENCE.findall(text):
        yield from COMMAND.findall(block.replace("\\\n", " "))
    yield from INLINE.findall(FENCE.sub("", text))


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([A-Za-z][\w-]*):(?!=)", text, re.MULTILINE))


def problem(program: str, rest: str) -> str | None:
    """What is wrong with a command line, None when nothing is."""
    lexer = shlex.shlex(rest, posix=True, punctuation_chars="|>&;")  # quotes hold all of these
    lexer.whitespace_split = True
    words = list(takewhile(lambda word: word[0] not in "|>&;", lexer))
    if program == "make":
        targets = [w for w in words if "=" not in w and not w.startswith("-")]
        unknown = set(targets) - make_targets()
        return f"make has no target {sorted(unknown)}" if unknown else None
    if not words or words[0].startswith("-") or words[0] in ("…", "..."):
        return None
    command = commands.commands.get(words[0])
    if command is None:
        return f"attar has no command {words[0]!r}"
    known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
    options = [w.strip("[]").partition("=")[0] for w in words[1:] if w.strip("[]").startswith("-")]
    unknown = {o for o in options if o not in known | {"--help", "-h", "-"}}
    return f"attar {words[0]} has no option {sorted(unknown)}" if unknown else None


def test_every_command_in_the_documents_exists() -> None:
    problems = [
        f"{path.relative_to(ROOT)}: `{program}{' ' + rest.strip() if rest else ''}`: {found}"
        for path in DOCUMENTS
        for program, rest in named_commands(path.read_text(encoding="utf-8"))
        if (found := problem(program, rest))
    ]
    assert not problems, "\n".join(problems)


def test_the_makefile_names_commands_that_exist() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    lines = re.findall(r"^\t@?\$\(BIN\)/attar ([^\n]*)", text, re.MULTILINE)
    assert lines
    for line in lines:
        assert problem("attar", line.replace("$(", "(")) is None, line
    for target in ("quickstart", "test", "install", "bench-classify"):
        assert target in make_targets()
    phony = re.search(r"^\.PHONY: (.*)", text, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) <= make_targets()


def test_the_check_itself() -> None:
    text = (
        "Run `attar build recipe.toml` or `make test`.\n```sh\n$ attar predict a.attar \\\n"
        "    --json 'x' | head\nmake quickstart PYTHON=python3\n```\n"
        "```\nattar bild x\nmake nothing\n.venv/bin/attar report x --jsn\n```\n"
    )
    found = [problem(*named) for named in named_commands(text)]
    assert found == [
        None,
        None,
        "attar has no command 'bild'",
        "make has no target ['nothing']",
        "attar report has no option ['--jsn']",
        None,
        None,
    ]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_shipped_recipes_parse_and_their_data_curates(path: Path) -> None:
    recipe = read_recipe(path)
    dataset = curate(TASKS.get(recipe.task), recipe.data)
    assert dataset.train
    assert dataset.certify
    again = curate(TASKS.get(recipe.task), recipe.data)
    assert again.fingerprint == dataset.fingerprint


def test_there_are_shipped_recipes() -> None:
    assert DESK / "recipe.toml" in RECIPES


def test_the_support_desk_has_the_data_that_was_promised() -> None:
    """24 intents, 30 distinct train and 10 test messages each, 150 out of scope; no leak."""
    recipe = read_recipe(DESK / "recipe.toml")
    oos = recipe.data.out_of_scope
    dataset = curate(TASKS.get("classify"), recipe.data)
    learned = (*dataset.train, *dataset.select, *dataset.calibrate)
    train = Counter(row.label for row in {(row.text.casefold(), row.label): row
                                          for row in learned}.values())  # fmt: skip
    test = Counter(row.label for row in dataset.certify)
    intents = set(train) - {oos}
    assert len(intents) == 24
    assert set(test) == set(train)
    assert {label: n for label, n in train.items() if n < 30} == {}
    assert {label: n for label, n in test.items() if n < 10} == {}
    assert train[oos] + test[oos] >= 150
    held_out = {" ".join(row.text.casefold().split()) for row in dataset.certify}
    for row in (*learned, *dataset.unlabeled):
        assert " ".join(row.text.casefold().split()) not in held_out
    assert len(held_out) == len(dataset.certify)


def test_the_support_desks_messages_are_written_not_filled_in() -> None:
    """No opening or ending that many messages share, as slot-filled templates have."""
    texts = [
        json.loads(line)["text"].casefold().split()
        for line in (DESK / "train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for part in (slice(0, 5), slice(-5, None)):
        most = Counter(tuple(words[part]) for words in texts if len(words) > 6).most_common(1)
        assert most[0][1] <= 0.01 * len(texts), most
