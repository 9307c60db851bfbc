"""BentoML around the same model: one worker, with adaptive batching or without.

Settings by environment, as BentoML imports this file itself: FOLDER, THREADS, BATCH.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from model import Model

BATCH = int(os.environ["BATCH"])


@bentoml.service(
    workers=1,
    traffic={"timeout": 30, "max_concurrency": 1000},
    logging={"access": {"enabled": False}},
)
class Classifier:
    def __init__(self) -> None:
        self.model = Model(os.environ["FOLDER"], int(os.environ["THREADS"]))

    if BATCH > 1:

        @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=20, route="/predict")
        def predict(self, text: list[str]) -> list[dict[str, Any]]:
            return self.model(text)

    else:

        @bentoml.api(route="/predict")
        def predict(self, text: str) -> dict[str, Any]:
            return self.model([text])[0]
