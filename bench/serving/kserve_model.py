"""KServe's Python server around the same model: one worker, its V1 protocol.

python kserve_model.py FOLDER PORT THREADS
"""

import logging
import sys
from typing import Any

import kserve
import uvicorn
from model import Model

FOLDER, PORT, THREADS = sys.argv[1], *map(int, sys.argv[2:4])


class Classifier(kserve.Model):
    def __init__(self) -> None:
        super().__init__("classifier")
        self.model = Model(FOLDER, THREADS)
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": self.model(payload["instances"])}


class Loopback(uvicorn.Config):
    """KServe listens everywhere and takes no address."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named | {"host": "127.0.0.1"})


if __name__ == "__main__":
    uvicorn.Config = Loopback  # type: ignore[misc]
    logging.disable(logging.INFO)  # a line for each request, as nobody else here writes
    server = kserve.ModelServer(
        http_port=PORT, workers=1, enable_grpc=False, enable_latency_logging=False
    )
    server.start([Classifier()])
