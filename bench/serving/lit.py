"""LitServe around the same model: one worker, with its dynamic batching or without.

python lit.py FOLDER PORT THREADS BATCH
"""

import sys
from typing import Any

import litserve
from model import Model

FOLDER, PORT, THREADS, BATCH = sys.argv[1], *map(int, sys.argv[2:5])


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model(FOLDER, THREADS)

    # LitServe reads these two signatures for its route: without annotations as in its examples,
    # a request is its parsed JSON and an answer goes out without another validation.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return request["text"]

    def predict(self, given: Any) -> Any:
        return self.model(list(given)) if BATCH > 1 else self.model([given])[0]

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        return output


if __name__ == "__main__":
    batching = {"max_batch_size": BATCH, "batch_timeout": 0.002} if BATCH > 1 else {}
    server = litserve.LitServer(
        Api(**batching), accelerator="cpu", workers_per_device=1, track_requests=False
    )
    server.run(port=PORT, host="127.0.0.1", generate_client_file=False, log_level="warning")
