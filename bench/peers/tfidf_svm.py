"""TF-IDF of words and characters under a linear SVM, whole and cut to a size."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contenders import Answers, DataSet, Variant, from_matrix, shipped_mb, size_name

TITLE = "TF-IDF + linear SVM"
MODULES = ("sklearn",)
INSTALL = "pip install -c constraints.txt scikit-learn"

PARTS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    whole = [Variant("tfidf", "tfidf", None, {"C": 1.0, "parts": list(PARTS)})]
    return whole + [
        Variant(
            f"tfidf-{size_name(size)}-{'+'.join(parts)}", "tfidf", size, {"C": 1.0, "parts": parts}
        )
        for size in sizes
        for parts in (list(PARTS), ["words"])
    ]


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import chi2
    from sklearn.svm import LinearSVC

    parts = variant.settings["parts"]
    whole = [TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **PARTS[name]) for name in parts]
    features = hstack([vectorizer.fit_transform(data.train.texts) for vectorizer in whole]).tocsr()
    names = [
        (part, term)
        for part, vectorizer in zip(parts, whole, strict=True)
        for term in vectorizer.get_feature_names_out()
    ]
    order = np.argsort(-np.nan_to_num(chi2(features, data.train.labels)[0]), kind="stable")
    classes = len(set(data.train.labels))
    count = len(names)
    if variant.size_mb is not None:  # float16 weights, plus about ten bytes of name and idf
        count = min(count, int(variant.size_mb * 1e6 / (2 * classes + 10)))
    precision = np.float32 if variant.size_mb is None else np.float16
    for attempt in range(6):
        terms: dict[str, list[str]] = {part: [] for part in parts}
        for index in np.sort(order[:count]):
            terms[names[index][0]].append(names[index][1])
        terms = {part: found for part, found in terms.items() if found}
        cut = [
            TfidfVectorizer(sublinear_tf=True, dtype=np.float32, vocabulary=found, **PARTS[part])
            for part, found in terms.items()
        ]
        features = hstack([v.fit_transform(data.train.texts) for v in cut]).tocsr()
        head = LinearSVC(C=variant.settings["C"]).fit(features, data.train.labels)
        save(work / "ship", terms, np.concatenate([v.idf_ for v in cut]), head, precision)
        size = shipped_mb(work / "ship", work)
        if variant.size_mb is None:
            break
        filled = size / variant.size_mb
        if filled <= 1 and (filled > 0.9 or count == len(names) or attempt > 3):
            break
        count = min(len(names), int(0.97 * count / filled))
    return {"features": count, "of": len(names), "precision": precision.__name__}


def save(
    ship: Path, terms: dict[str, list[str]], idf: Any, head: Any, precision: type[Any]
) -> None:
    shutil.rmtree(ship, ignore_errors=True)
    ship.mkdir(parents=True)
    words = {"classes": head.classes_.tolist(), "terms": terms}
    (ship / "words.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    np.savez(
        ship / "weights.npz",
        idf=idf.astype(np.float32),
        weights=head.coef_.astype(precision),
        bias=head.intercept_.astype(np.float32),
    )


class SvmModel:
    def __init__(self, ship: Path) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = json.loads((ship / "words.json").read_text(encoding="utf-8"))
        arrays = np.load(ship / "weights.npz")
        self.classes = words["classes"]
        # (features, classes): rows of a sparse product lie together
        self.weights = np.ascontiguousarray(arrays["weights"].astype(np.float32).T)
        self.bias = arrays["bias"]
        self.vectorizers, start = [], 0
        for part, terms in words["terms"].items():
            vectorizer = TfidfVectorizer(
                sublinear_tf=True, dtype=np.float32, vocabulary=terms, **PARTS[part]
            )
            vectorizer.idf_ = arrays["idf"][start : start + len(terms)]
            self.vectorizers.append((vectorizer, slice(start, start + len(terms))))
            start += len(terms)

    def margins(self, texts: Sequence[str]) -> Any:
        parts = (v.transform(texts) @ self.weights[rows] for v, rows in self.vectorizers)
        return sum(parts) + self.bias

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        return from_matrix(self.margins(texts), self.classes, out_of_scope)

    def label(self, text: str) -> str:
        return str(self.classes[int(self.margins([text])[0].argmax())])


def load(ship: Path) -> SvmModel:
    return SvmModel(ship)
