"""A linear model on the words of a text: a teacher where an encoder's reading adds little.

Texts that are bags of words by now (stop words, order and digits gone), jargon and codes say
more to it than to an encoder trained on prose. TF-IDF of words and pairs of words, a linear
support vector machine a label (one against the rest), and their decisions made
probabilities by Platt's sigmoids on folds that did not learn them; all scikit-learn's.
Of one label a text (`fit_words`) or of a set of them (`fit_word_sets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attar.teachers.local import AnswerTexts

STRENGTH = 0.5  # the inverse of the penalty; scikit-learn's default is 1
RARE = 2  # texts that a word must stand in
FOLDS = 5
LEAST = 1e-6  # probability, so that logarithms are finite


def fit_words(
    texts: Sequence[str],
    gold: NDArray[np.int64],
    columns: int,
    seed: int = 0,
    calibrated: bool = True,
) -> AnswerTexts:
    """Fit on texts whose gold column is known, (n,), -1 where it is not. The embedding of its
    answers has no dimensions. calibrated: without, only the order of the logits counts, in a
    sixth of the time. Raises ValueError where fewer than two labels have FOLDS rows, or no
    word stands in RARE texts."""
    from sklearn.svm import LinearSVC

    known = [(text, int(column)) for text, column in zip(texts, gold, strict=True) if column >= 0]
    counts = np.bincount([column for _, column in known], minlength=columns)
    # A label with fewer rows than folds is never named; the other members know it.
    kept = [(text, column) for text, column in known if counts[column] >= FOLDS]
    vectorizer = _vectorizer()
    features = vectorizer.fit_transform([text for text, _ in kept])
    fitted = machine = LinearSVC(C=STRENGTH, random_state=seed)
    if calibrated:
        fitted = _calibrated(machine, FOLDS, seed)
    fitted.fit(features, [column for _, column in kept])

    def answer(asked: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = vectorizer.transform(asked)
        logits = np.full((len(asked), columns), np.log(LEAST), np.float32)
        if calibrated:
            scores = np.log(np.maximum(fitted.predict_proba(found), LEAST))
        else:
            scores = fitted.decision_function(found)
            if scores.ndim == 1:  # scikit-learn keeps one column for two classes
                scores = np.stack([-scores, scores], axis=1)
        logits[:, fitted.classes_] = scores
        return logits, np.zeros((len(asked), 0), np.float32)

    return answer


def fit_word_sets(texts: Sequence[str], gold: NDArray[np.int64], seed: int = 0) -> AnswerTexts:
    """The same where a text has a set of labels: calibrated log-odds of each. gold: (n, columns)
    of 0 and 1, -1 in the rows that nobody labeled. A label that fewer than two rows have, or
    lack, gets the same answer everywhere. Raises ValueError where no other label is left, or no
    word stands in RARE texts."""
    from sklearn.svm import LinearSVC

    labeled = np.flatnonzero((gold >= 0).all(axis=1)).tolist()
    target = gold[labeled]
    vectorizer = _vectorizer()
    features = vectorizer.fit_transform([texts[i] for i in labeled])
    fitted: dict[int, Any] = {}
    always = np.full(gold.shape[1], np.log(LEAST))
    for column, yes in enumerate(target.T):
        rarer = int(min(yes.sum(), len(yes) - yes.sum()))
        if rarer < 2:
            always[column] *= -1 if yes.mean() > 0.5 else 1
            continue
        machine = LinearSVC(C=STRENGTH, random_state=seed)
        fitted[column] = _calibrated(machine, min(FOLDS, rarer), seed).fit(features, yes)
    if not fitted:
        raise ValueError("no label has two rows and is missing in two")

    def answer(asked: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = vectorizer.transform(asked)
        logits = np.tile(always, (len(asked), 1))
        for column, one in fitted.items():
            share = np.clip(one.predict_proba(found)[:, 1], LEAST, 1 - LEAST)
            logits[:, column] = np.log(share) - np.log1p(-share)
        return logits.astype(np.float32), np.zeros((len(asked), 0), np.float32)

    return answer


def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=RARE)


def _calibrated(machine: Any, folds: int, seed: int) -> Any:
    """The machine, its decisions made probabilities on folds that did not learn them."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold

    dealt = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return CalibratedClassifierCV(machine, method="sigmoid", cv=dealt, ensemble=False)
