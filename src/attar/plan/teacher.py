"""Which teacher a build trains, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import get_args

from attar.data.balance import label_balance
from attar.errors import RecipeError
from attar.metrics import average_precision, sigmoid, surely_better, surely_ranked_better
from attar.passes import Artifact, Context, fingerprint
from attar.passes.finetune import Finetune, Method
from attar.plan.few import few_rows, rows_a_label
from attar.plan.search import FEW, MANY, examples_in
from attar.recipe import ClaimSpec, TeacherSection
from attar.teachers import Teacher
from attar.teachers.ensemble import Ensemble
from attar.teachers.local import AnswerTexts, LocalTeacher
from attar.train.models import Model
from attar.train.word_model import fit_word_sets, fit_words
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
    words: bool = False,
) -> Teacher:
    """Fine-tune the teacher on train; its frozen twin with a fitted head stands beside it,
    and where `words`, a linear model on words."""
    rows = examples_in(context, unlabeled=False)
    method, reason = section.finetune, "the recipe says so"
    if method == "auto":
        method, reason = _method_for(context)
    if method == "contrastive" and context.task.gold_kind != "label":
        raise RecipeError('[teacher] finetune = "contrastive" needs one label a text; take "full"')
    if method == "frozen" and context.task.reads != "text":
        raise RecipeError(
            f'[teacher] finetune = "frozen" does not learn to read {context.task.reads}; '
            'take "full"'
        )
    step = _finetuning(_method(method), rows)
    values["teacher.model"] = Derived(section.model, "the recipe's teacher")
    values["teacher.finetune"] = Derived(method, reason)
    values["teacher.epochs"] = Derived(
        step.epochs,
        f"from the method and the {rows:,} "
        f"{'sentences' if context.task.reads == 'sentences' else 'rows'} of train",
    )
    values["teacher.balance"] = balance
    others: list[Teacher] = []
    if context.task.reads == "text":
        others.append(frozen_teacher(start, context, balance.value))
    if words:
        others.append(words_teacher(context))
    if method == "frozen":
        return others[0] if len(others) == 1 else Ensemble(others, context.task.mean)
    count = section.members
    tuned = [
        local_teacher(step, start, replace(context, seed=context.seed + number))
        for number in range(count)
    ]
    fine_tuned = f"{count} fine-tuned" if count > 1 else "fine-tuned"
    values["teacher.members"] = Derived(
        ", ".join([fine_tuned, *(other.name for other in others)]),
        "the mean of all errs less often than each",
    )
    return Ensemble([*tuned, *others], context.task.mean)


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
    if context.task.gold_kind != "label" or not counts:
        return Derived(0.0, "rows have no one label")
    found = label_balance(counts)
    few = f"{found['count']} labels, as diverse as {found['effective_count']:g} of equal size"
    if found["effective_count"] >= DIVERSE * found["count"]:
        return Derived(0.0, few)
    if any(claim.metric == "accuracy" for claim in claims):
        return Derived(0.0, f"{few}, but accuracy is claimed, which favoring rare labels costs")
    return Derived(BALANCE, f"{few}: rare labels count for more, at some cost in accuracy")


def trial_teacher(start: Artifact, context: Context, balance: float = 0.0) -> Teacher:
    """What teaches the trials of a search: the frozen teacher, or where words or sentences
    are read, which no fitted head does well, an encoder tuned as briefly as it may be."""
    if context.task.reads == "text":
        return frozen_teacher(start, context, balance)
    return local_teacher(replace(_finetuning("full", MANY), epochs=1), start, context)


def frozen_teacher(start: Artifact, context: Context, balance: float = 0.0) -> Teacher:
    """The pretrained encoder as it is, with a logistic regression as head."""
    return local_teacher(Finetune(method="frozen", balance=balance), start, context)


def vector_teacher(start: Artifact, context: Context) -> Teacher:
    """The pretrained encoder's own vectors. start: with the head that gives them."""
    return model_teacher("frozen", start, context)


def words_teacher(context: Context, calibrated: bool = True) -> Teacher:
    """A linear model on the words of train (`train.word_model`). calibrated: of one label a
    text; those of sets always are."""
    columns, sets = list(context.columns), context.task.gold_kind == "labels"
    kind = "word sets" if sets else "words"
    key = fingerprint(kind, 1, context.dataset.fingerprint, columns, context.seed, calibrated)
    texts = [row.text for row in context.dataset.train]

    def load() -> AnswerTexts:
        context.progress.say(f"teacher, words: fitting on {len(texts):,} texts")
        if sets:
            return fit_word_sets(texts, context.targets(), context.seed)
        return fit_words(texts, context.targets(), len(columns), context.seed, calibrated)

    return LocalTeacher("words", key, load, context.cache)


def words_help(frozen: Teacher, context: Context) -> Derived:
    """Whether the words tell the labels of select better than the frozen encoder does, beyond
    chance. What an encoder reads badly, fine-tuning alone rarely makes up for."""
    if context.task.gold_kind == "labels":
        return _word_sets_help(frozen, context)
    texts = len(context.dataset.train)
    if texts < FEW:
        return Derived(False, f"looked at from {FEW:,} texts on; there are {texts:,}")
    gold = context.task.gold(context.dataset.select, context.columns)
    asked = [row.text for row in context.dataset.select]
    members = (frozen, words_teacher(context, calibrated=False))
    try:
        before, after = (member.answer(asked).logits.argmax(axis=1) == gold for member in members)
    except ValueError as error:  # a script without blanks between words, labels of a few rows
        return Derived(False, f"words cannot be fitted: {error}")
    helps = surely_better(before, after)
    shares = f"words {after.mean():.1%}, the frozen encoder {before.mean():.1%} of select"
    return Derived(helps, f"{shares}; {'beyond' if helps else 'not beyond'} chance")


def _word_sets_help(frozen: Teacher, context: Context) -> Derived:
    """The same with label sets, whatever the number of texts: rare labels are told by words.
    What is compared is how pairs of text and label are ranked, which needs no thresholds, by the
    frozen encoder alone and by the mean of both, which few rows tell apart sooner."""
    gold = context.task.gold(context.dataset.select, context.columns).astype(bool)
    asked = [row.text for row in context.dataset.select]
    try:
        words = words_teacher(context).answer(asked).logits
    except ValueError as error:  # a script without blanks between words, labels of a few rows
        return Derived(False, f"words cannot be fitted: {error}")
    alone = frozen.answer(asked).logits
    before, after = sigmoid(alone), sigmoid(context.task.mean([alone, words]))
    helps = surely_ranked_better(before, after, gold, context.seed)
    was, found = (average_precision(s.ravel(), gold.ravel()) for s in (before, after))
    figures = f"average precision on select {found:.3f} with words, {was:.3f} without"
    return Derived(helps, f"{figures}; {'beyond' if helps else 'not beyond'} chance")


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
