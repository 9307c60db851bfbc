"""Which teacher a build trains, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping, Sequence

from attar.data.balance import label_balance
from attar.passes import Artifact, Context
from attar.passes.finetune import Finetune, Method
from attar.recipe import ClaimSpec, TeacherSection
from attar.teachers import Teacher
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import AnswerTexts, LocalTeacher
from attar.train.models import Model
from attar.types import Derived

ROWS_SEEN = 32_000
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
        method, reason = "full", "every weight: the best teacher that a laptop trains"
    epochs = max(3, min(5, round(ROWS_SEEN / rows)))
    values["teacher.model"] = Derived(section.model, "the recipe's teacher")
    values["teacher.finetune"] = Derived(method, reason)
    values["teacher.epochs"] = Derived(
        epochs, f"about {ROWS_SEEN:,} rows seen, from 3 to 5 times the {rows:,} of train"
    )
    values["teacher.balance"] = balance
    frozen = frozen_teacher(start, context, balance.value)
    if method == "frozen":
        return frozen
    step = Finetune(method=_method(method), epochs=epochs)
    tuned = local_teacher(step, start, context)
    values["teacher.members"] = Derived(
        "fine-tuned, frozen", "the mean of both errs less often than either"
    )
    return Ensemble([tuned, frozen])


def balance_of(claims: Sequence[ClaimSpec], context: Context) -> Derived:
    """How far the frozen teacher's head favors rare labels, and why. Fine-tuning takes
    labels as they come: drawing rare ones more often did not help (docs/curation.md)."""
    counts = Counter(row.label for row in context.dataset.train if row.label is not None)
    if not counts:
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
    tuned = step.apply(start, context)

    def load() -> AnswerTexts:
        model = Model.load(tuned.folder)
        return lambda texts: model.answer(texts, context.progress, f"teacher, {step.method}")

    return LocalTeacher(step.method, tuned.fingerprint, load, context.cache)


def _method(name: str) -> Method:
    methods: dict[str, Method] = {
        "full": "full",
        "top_layers": "top_layers",
        "lora": "lora",
        "frozen": "frozen",
    }
    return methods[name]
