"""A linear model on the words of a text: a teacher where an encoder's reading adds little.

Texts that are bags of words by now (stop words, order and digits gone), jargon and codes say
more to it than to an encoder trained on prose. TF-IDF of words and pairs of words, a linear
support vector machine a label (one against the rest), and their decisions made
probabilities by Platt's sigmoids on folds that did not learn them; all scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import LinearSVC

    known = [(text, int(column)) for text, column in zip(texts, gold, strict=True) if column >= 0]
    counts = np.bincount([column for _, column in known], minlength=columns)
    # A label with fewer rows than folds is never named; the other members know it.
    kept = [(text, column) for text, column in known if counts[column] >= FOLDS]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=RARE)
    features = vectorizer.fit_transform([text for text, _ in kept])
    fitted = machine = LinearSVC(C=STRENGTH, random_state=seed)
    if calibrated:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        fitted = CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)
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
