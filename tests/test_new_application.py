"""A new application is the template under another name, and its tests pass at once."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "apps" / "new_application.py"
SPACE = shutil.ignore_patterns("__pycache__", ".attar")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the template in it."""
    shutil.copytree(ROOT / "apps" / "_template", tmp_path / "apps" / "_template", ignore=SPACE)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "attar").mkdir(parents=True)  # by which ruff knows it is ours
    return tmp_path


def make(root: Path, name: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, SCRIPT, name, "--root", root]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_its_tests_pass_at_once(root: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
    pytest.importorskip("starlette", reason="the extra desk is not installed")
    made = make(root, "voice_commands")
    assert made.returncode == 0, made.stderr
    shutil.rmtree(root / "apps" / "_template")  # nothing of it is needed
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "apps/voice_commands"],
        cwd=root, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d\d passed", done.stdout)


def test_names_are_changed_and_words_are_not(root: Path) -> None:
    assert make(root, "voice_commands").returncode == 0
    new = root / "apps" / "voice_commands"
    texts = {path.relative_to(new): path.read_text() for path in new.rglob("*") if path.is_file()}
    assert Path("tests/test_voice_commands_policy.py") in texts
    assert Path("voice_commands/__main__.py") in texts
    code = "\n".join(text for path, text in texts.items() if path.suffix == ".py")
    assert not re.search(r"(from|import|-m) application\b|application_made|\"application\.", code)
    assert "The application" in code and "application/json" in code
    assert "python -m voice_commands" in texts[Path("README.md")]
    assert "apps/voice_commands" in texts[Path("README.md")]


def test_lint_and_types_cover_it(root: Path) -> None:
    assert make(root, "voice_commands").returncode == 0
    tool = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    assert "voice_commands" in tool["mypy"]["packages"]
    assert "apps/voice_commands" in tool["mypy"]["mypy_path"].split(":")
    assert "voice_commands" in tool["importlinter"]["root_packages"]
    assert "voice_commands" in tool["importlinter"]["contracts"][-1]["source_modules"]


@pytest.mark.parametrize(
    "name", ["Voice", "voice-commands", "class", "../x", "json", "application", "attar"]
)
def test_what_cannot_be_a_name_is_refused(root: Path, name: str) -> None:
    done = make(root, name)
    assert done.returncode == 1 and done.stderr.startswith("error: ")
    assert [path.name for path in (root / "apps").iterdir()] == ["_template"]


def test_nothing_is_overwritten(root: Path) -> None:
    assert make(root, "other").returncode == 0
    (root / "apps" / "other" / "README.md").write_text("mine")
    assert make(root, "other").returncode == 1
    assert (root / "apps" / "other" / "README.md").read_text() == "mine"


def test_file_names_of_tests_are_unique() -> None:
    """pytest imports them by name alone."""
    names = [
        path.name for folder in ("tests", "apps/*/tests") for path in ROOT.glob(f"{folder}/*.py")
    ]
    names = [name for name in names if name != "conftest.py"]
    assert len(names) == len(set(names))


def test_the_script_is_importable() -> None:
    renamed = runpy.run_path(str(SCRIPT))["renamed"]
    said = "The application's words. from application.types import Message; application/json"
    assert renamed(said, "x") == said.replace("application.types", "x.types")
