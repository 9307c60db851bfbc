"""Which teacher a build trains, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import get_args

from attar.data.balance import label_balance
from attar.errors import RecipeError
from attar.passes import Artifact, Context
from attar.passes.finetune import Finetune, Method
from attar.plan.few import few_rows, rows_a_label
from attar.plan.search import MANY
from attar.recipe import ClaimSpec, TeacherSection
from attar.teachers import Teacher
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import AnswerTexts, LocalTeacher
from attar.train.models import Model
from attar.types import Derived

ROWS_SEEN = 32_000
CONTRASTIVE = Finetune(method="contrastive", epochs=12, learning_rate=1e-4, batch_size=128)
DIVERSE = 0.5  # of the labels: under this the set counts as imbalanced
BALANCE = 0.5  # the best macro F1 of 0 to 1 on unfair-tos (docs/curation.md)


def make_teacher(
    section: TeacherSection,
    start: Artifact,
    context: Context,
    balance: Derived,
    values: MutableMapping[str, Derived],
) -> Teacher:
    """Fine-tune the teacher on train; its frozen twin with a fitted head stands beside it."""
    rows = len(context.dataset.train)
    method, reason = section.finetune, "the recipe says so"
    if method == "auto":
        method, reason = _method_for(context)
    if method == "contrastive" and context.task.label_sets:
        raise RecipeError(
            '[teacher] finetune = "contrastive" needs one label a text; take "full" for label sets'
        )
    step = _finetuning(_method(method), rows)
    values["teacher.model"] = Derived(section.model, "the recipe's teacher")
    values["teacher.finetune"] = Derived(method, reason)
    values["teacher.epochs"] = Derived(
        step.epochs, f"from the method and the {rows:,} rows of train"
    )
    values["teacher.balance"] = balance
    frozen = frozen_teacher(start, context, balance.value)
    if method == "frozen":
        return frozen
    count = section.members
    tuned = [
        local_teacher(step, start, replace(context, seed=context.seed + number))
        for number in range(count)
    ]
    values["teacher.members"] = Derived(
        f"{count} fine-tuned, frozen" if count > 1 else "fine-tuned, frozen",
        "the mean of all errs less often than each",
    )
    return Ensemble([*tuned, frozen], context.task.mean)


def _method_for(context: Context) -> tuple[Method, str]:
    full: Method = "full"
    if few_rows(context):
        rows = rows_a_label(context)
        return "contrastive", f"{rows} rows a label: pairs of texts teach more than labels do"
    return full, "every weight: the best teacher that a laptop trains"


def _finetuning(method: Method, rows: int) -> Finetune:
    if method == "contrastive":
        return CONTRASTIVE
    least = 3 if rows < MANY else 2
    return Finetune(method=method, epochs=max(least, min(5, round(ROWS_SEEN / rows))))


def balance_of(claims: Sequence[ClaimSpec], context: Context) -> Derived:
    """How far the frozen teacher's head favors rare labels, and why. Fine-tuning takes
    labels as they come: drawing rare ones more often did not help (docs/curation.md)."""
    counts = Counter(row.label for row in context.dataset.train if row.label is not None)
    if context.task.label_sets or not counts:
        return Derived(0.0, "rows have no one label")
    found = label_balance(counts)
    few = f"{found['count']} labels, as diverse as {found['effective_count']:g} of equal size"
    if found["effective_count"] >= DIVERSE * found["count"]:
        return Derived(0.0, few)
    if any(claim.metric == "accuracy" for claim in claims):
        return Derived(0.0, f"{few}, but accuracy is claimed, which favoring rare labels costs")
    return Derived(BALANCE, f"{few}: rare labels count for more, at some cost in accuracy")


def frozen_teacher(start: Artifact, context: Context, balance: float = 0.0) -> Teacher:
    """The pretrained encoder as it is, with a logistic regression as head."""
    return local_teacher(Finetune(method="frozen", balance=balance), start, context)


def local_teacher(step: Finetune, start: Artifact, context: Context) -> LocalTeacher:
    """The encoder tuned by `step`, as a teacher."""
    return model_teacher(step.method, step.apply(start, context), context)


def model_teacher(name: str, model: Artifact, context: Context) -> LocalTeacher:
    """A torch model, as a teacher."""

    def load() -> AnswerTexts:
        loaded = Model.load(model.folder)
        return lambda texts: loaded.answer(texts, context.progress, f"teacher, {name}")

    return LocalTeacher(name, model.fingerprint, load, context.cache, model.folder)


def _method(name: str) -> Method:
    methods: dict[str, Method] = {known: known for known in get_args(Method)}
    return methods[name]
