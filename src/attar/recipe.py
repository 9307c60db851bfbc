"""The recipe: the TOML file a user writes, checked where it is read.

Every key is listed here once, as a field of a frozen dataclass; unknown keys are
refused. Values that the recipe leaves out stay None: the plan derives them and
says why.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from attar.errors import RecipeError
from attar.registry import did_you_mean

FINETUNE_METHODS = ("auto", "full", "top_layers", "lora", "frozen", "contrastive")
SUSPICIOUS_LABELS = ("auto", "keep", "drop", "relabel")
PERSONAL_DATA = ("keep", "flag", "redact")
MOST_RESCORED = 20  # documents of a query; `runtime.index.CANDIDATES`
QUALITY_FILTERS = ("unlabeled", "all", "off")
LEAKS = ("texts", "groups")


@dataclass(frozen=True, slots=True)
class DataSection:
    """Where the rows are, what their fields are called, and how they are curated.

    label_separator: between the labels of a multilabel row that gives them as one text,
    as CSV must; JSON lists need none. calibrate: rows that thresholds are fixed on, such as the
    model will meet; else some of train are. functions: a JSON file of those that texts may ask for
    (docs/extract.md). documents: of the task rank. What the last five mean, and why nothing of
    it touches certify: docs/curation.md.
    """

    train: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    calibrate: tuple[Path, ...] = ()
    unlabeled: tuple[Path, ...] = ()
    documents: tuple[Path, ...] = ()
    text: str = "text"
    label: str = "label"
    group: str | None = None
    out_of_scope: str | None = None
    label_separator: str = "|"
    functions: Path | None = None
    languages: tuple[str, ...] = ()
    quality_filter: str = "unlabeled"
    personal_data: str = "keep"
    suspicious_labels: str = "auto"
    leaks: str = "texts"


@dataclass(frozen=True, slots=True)
class TeacherSection:
    """`model`: "embedded", a hub name, or a folder. `finetune`: how it learns the task.
    `members`: how many of it are fine-tuned, with seeds of their own, and averaged."""

    model: str = "embedded"
    finetune: str = "auto"
    members: int = 1


@dataclass(frozen=True, slots=True)
class StudentSection:
    """`start`: a bundle whose build is still in `.attar/`, or a model folder.
    `keep_labels`: the bundle's own labels stay, and those of the data are added to them."""

    start: str | None = None
    keep_labels: bool = False


@dataclass(frozen=True, slots=True)
class RescoreSection:
    """Of the task rank: the encoder that learns to read query and document together, as
    `[teacher] model` names one, and how many documents of a query it scores again."""

    model: str = "embedded"
    top: int = 10


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of the shipped file.

    size_mb: the whole bundle, in 10^6 bytes. latency_ms: p50 of one text of 16
    tokens on one thread of this machine. memory_mb: peak resident memory of a
    process that loads the bundle and answers, in 10^6 bytes.
    """

    size_mb: float | None = None
    latency_ms: float | None = None
    memory_mb: float | None = None

    def as_dict(self) -> dict[str, float]:
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class ClaimSpec:
    """A promise. `label`: for the recall of one label. Which metrics there are, the task
    says (`evaluate.claims.check_claims`)."""

    metric: str
    label: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Recipe:
    """A task, data, teacher, student, budget and claims. Paths are absolute."""

    task: str
    data: DataSection
    name: str = "model"
    teacher: TeacherSection = TeacherSection()
    student: StudentSection = StudentSection()
    rescore: RescoreSection | None = None
    budget: Budget = Budget()
    claims: tuple[ClaimSpec, ...] = ()
    folder: Path = field(default_factory=Path.cwd)

    @property
    def work(self) -> Path:
        """The cache and checkpoints: `.attar/` beside the recipe."""
        return self.folder / ".attar"


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe file. Raises RecipeError naming the file and the key."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such recipe") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot read the recipe: {error.strerror}") from None
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: the recipe is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    try:
        return parse_recipe(table, path.resolve().parent, default_name=path.stem)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def parse_recipe(table: Mapping[str, Any], folder: Path, default_name: str = "model") -> Recipe:
    """Check a recipe given as nested tables. Relative paths count from `folder`."""
    _known(table, Recipe, "the recipe", absent=("folder",))
    if "task" not in table:
        raise RecipeError('the key "task" is missing, e.g. task = "classify"')
    data = _table(table, "data")
    _known(data, DataSection, "[data]")
    if "train" not in data:
        raise RecipeError('the key "data.train" is missing: name a file of labeled rows')
    name = _text(table, "name", "the recipe") or default_name
    if not name.strip(" .") or any(c in name for c in "/\\\0"):
        raise RecipeError(f"name = {name!r}: expected a plain name without slashes")
    return Recipe(
        task=_text(table, "task", "the recipe") or "",
        name=name,
        data=DataSection(
            train=_paths(data, "train", folder),
            test=_paths(data, "test", folder),
            calibrate=_paths(data, "calibrate", folder),
            unlabeled=_paths(data, "unlabeled", folder),
            documents=_paths(data, "documents", folder),
            text=_text(data, "text", "[data]") or "text",
            label=_text(data, "label", "[data]") or "label",
            group=_text(data, "group", "[data]"),
            out_of_scope=_text(data, "out_of_scope", "[data]"),
            label_separator=_text(data, "label_separator", "[data]") or "|",
            functions=_path(data, "functions", folder),
            languages=_names(data, "languages", "[data]"),
            quality_filter=_choice(data, "quality_filter", "[data]", QUALITY_FILTERS),
            personal_data=_choice(data, "personal_data", "[data]", PERSONAL_DATA),
            suspicious_labels=_choice(data, "suspicious_labels", "[data]", SUSPICIOUS_LABELS),
            leaks=_leaks(data),
        ),
        teacher=_teacher(_table(table, "teacher")),
        student=_student(_table(table, "student"), folder),
        rescore=_rescore(table),
        budget=_budget(_table(table, "budget")),
        claims=_claims(table.get("claims", [])),
        folder=folder,
    )


def _leaks(data: Mapping[str, Any]) -> str:
    chosen = _choice(data, "leaks", "[data]", LEAKS)
    if chosen == "groups" and "group" not in data:
        raise RecipeError(
            '[data] leaks = "groups": rows are kept apart by their group, and none is named. '
            'Name the field, such as group = "conversation", or take leaks out.'
        )
    return chosen


def _teacher(table: Mapping[str, Any]) -> TeacherSection:
    _known(table, TeacherSection, "[teacher]")
    method = _choice(table, "finetune", "[teacher]", FINETUNE_METHODS)
    members = table.get("members", 1)
    if not isinstance(members, int) or isinstance(members, bool) or not 1 <= members <= 9:
        raise RecipeError(f"[teacher] members = {members!r}: expected a whole number from 1 to 9")
    return TeacherSection(_text(table, "model", "[teacher]") or "embedded", method, members)


def _student(table: Mapping[str, Any], folder: Path) -> StudentSection:
    _known(table, StudentSection, "[student]")
    start = _text(table, "start", "[student]")
    if start is not None and (folder / start).exists():
        start = str(folder / start)
    keep = table.get("keep_labels", False)
    if not isinstance(keep, bool):
        raise RecipeError(f"[student] keep_labels = {keep!r}: expected true or false")
    if keep and start is None:
        raise RecipeError("[student] keep_labels needs start: name the bundle whose labels stay")
    return StudentSection(start, keep)


def _rescore(table: Mapping[str, Any]) -> RescoreSection | None:
    """None where there is no such table; an empty one takes the defaults."""
    if "rescore" not in table:
        return None
    section = _table(table, "rescore")
    _known(section, RescoreSection, "[rescore]")
    if table["task"] != "rank":
        raise RecipeError(
            f"[rescore] scores documents again, which the task {table['task']!r} does not rank; "
            "take it out"
        )
    top = section.get("top", 10)
    if not isinstance(top, int) or isinstance(top, bool) or not 2 <= top <= MOST_RESCORED:
        raise RecipeError(
            f"[rescore] top = {top!r}: expected a whole number from 2 to {MOST_RESCORED}"
        )
    return RescoreSection(_text(section, "model", "[rescore]") or "embedded", top)


def _budget(table: Mapping[str, Any]) -> Budget:
    _known(table, Budget, "[budget]")
    return Budget(**{key: _number(table, key, "[budget]", low=0.0, open_low=True) for key in table})


def _claims(entries: Any) -> tuple[ClaimSpec, ...]:
    if not isinstance(entries, list):
        raise RecipeError("claims: expected a list of tables, written [[claims]]")
    claims = []
    for number, entry in enumerate(entries, 1):
        where = f"[[claims]] number {number}"
        if not isinstance(entry, dict):
            raise RecipeError(f"{where}: expected a table")
        _known(entry, ClaimSpec, where)
        metric = _text(entry, "metric", where)
        if metric is None:
            raise RecipeError(f'{where}: the key "metric" is missing, e.g. metric = "accuracy"')
        if ("at_least" in entry) == ("at_most" in entry):
            raise RecipeError(f"{where}: give exactly one of at_least and at_most")
        claims.append(
            ClaimSpec(
                metric=metric,
                label=_text(entry, "label", where),
                at_least=_number(entry, "at_least", where, low=-1.0),
                at_most=_number(entry, "at_most", where, low=-1.0),
                confidence=_number(entry, "confidence", where, low=0.5, high=0.9999) or 0.95,
            )
        )
    return tuple(claims)


def _known(
    table: Mapping[str, Any],
    section: type,
    where: str,
    absent: tuple[str, ...] = (),
) -> None:
    known = [f.name for f in fields(section) if f.name not in absent]
    for key in table:
        if key not in known:
            raise RecipeError(
                f"{where} has an unknown key {key!r}.{did_you_mean(key, known)} "
                f"Known: {', '.join(known)}."
            )


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise RecipeError(f"{key} = {value!r}: expected a table, written [{key}]")
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise RecipeError(f"{where}: {key} = {value!r}: expected a text that is not empty")
    return value


def _choice(table: Mapping[str, Any], key: str, where: str, known: tuple[str, ...]) -> str:
    """One of the known values, of which the first is the default."""
    value = _text(table, key, where) or known[0]
    if value not in known:
        raise RecipeError(
            f"{where} {key} = {value!r}.{did_you_mean(value, known)} Known: {', '.join(known)}."
        )
    return value


def _names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise RecipeError(f'{where} {key} = {value!r}: expected a list of texts, e.g. ["en"]')
    return tuple(value)


def _number(
    table: Mapping[str, Any],
    key: str,
    where: str,
    low: float,
    high: float = float("inf"),
    open_low: bool = False,
) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    inside = is_number and (low < value if open_low else low <= value) and value <= high
    if not inside or math.isinf(value):
        span = f"above {low:g}" if open_low else f"from {low:g} to {high:g}"
        raise RecipeError(f"{where}: {key} = {value!r}: expected a number {span}")
    return float(value)


def _path(table: Mapping[str, Any], key: str, folder: Path) -> Path | None:
    name = _text(table, key, "[data]")
    return None if name is None else folder / name


def _paths(table: Mapping[str, Any], key: str, folder: Path) -> tuple[Path, ...]:
    value = table.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise RecipeError(f"[data] {key} = {value!r}: expected a file name or a list of them")
    if key in table and not names:
        raise RecipeError(f"[data] {key} is an empty list: name at least one file")
    return tuple(folder / name for name in names)
