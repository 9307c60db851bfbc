"""Copies the template to an application of a new name, and has lint, types and tests cover it.

    python apps/new_application.py voice_commands [--root FOLDER]

The package, the names of the test files and the commands in the README are renamed; pyproject.toml
learns the package beside the template's. Nothing that exists is overwritten.
"""

from __future__ import annotations

import argparse
import keyword
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE, FOLDER = "application", "_template"
#: The package's name in code, commands and file names; never the word in a sentence.
_NAMED = re.compile(
    rf"(?<=from ){PACKAGE}(?= import)|(?<=import ){PACKAGE}\b|(?<=-m ){PACKAGE}\b"
    rf"|(?<![\w.-]){PACKAGE}(?=[._-]\w)|(?<=test_){PACKAGE}(?=_)|(?<=_){PACKAGE}(?=_)"
    rf"|\b{PACKAGE}(?=\.__)|(?<=apps/){FOLDER}"
)


def renamed(text: str, name: str) -> str:
    """A text of the template as the new application has it."""
    return _NAMED.sub(name, text)


def copy(root: Path, name: str) -> Path:
    """Make apps/NAME beside apps/_template. Raises ValueError for a name that cannot be one."""
    source, target = root / "apps" / FOLDER, root / "apps" / name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r}: expected a package's name, such as voice_commands")
    # All applications' packages are beside each other on the path of a test run.
    there = (*root.glob(f"apps/*/{name}"), *root.glob(f"apps/*/{name}.py"), root / "src" / name)
    taken = any(path.exists() for path in (target, *there))
    if taken or name in sys.stdlib_module_names:
        raise ValueError(f"{name!r} is taken; choose another name")
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_dir() or {"__pycache__", ".attar"} & {*relative.parts}:
            continue
        parts = [name if part == PACKAGE else renamed(part, name) for part in relative.parts]
        new = target.joinpath(*parts)
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(renamed(path.read_text(encoding="utf-8"), name), encoding="utf-8")
        shutil.copymode(path, new)
    project = root / "pyproject.toml"
    text = project.read_text(encoding="utf-8").replace(f'"{PACKAGE}"', f'"{PACKAGE}", "{name}"')
    text = text.replace(f":apps/{FOLDER}", f":apps/{FOLDER}:apps/{name}")
    project.write_text(text, encoding="utf-8")
    if find_spec("ruff"):  # the order of imports and the length of lines depend on the name
        for words in (["check", "--select", "I", "--fix"], ["format"]):
            command = [sys.executable, "-m", "ruff", words[0], "--quiet", "--no-cache", *words[1:]]
            subprocess.run([*command, str(target)], cwd=root, check=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of its package and folder, such as voice_commands")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    given = parser.parse_args()
    try:
        target = copy(given.root, given.name)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"made {target.relative_to(given.root)}; its README says what comes first")


if __name__ == "__main__":
    main()
