"""schemathesis against a server: what /openapi.json says, and what the server does.

Every route gets its examples, the limits of every schema and random bodies, right and
wrong. Not covered: sequences of requests, since nothing here is made or deleted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from facts import arguments, done, fact

EXAMPLES = 100  # of random bodies, for each route and kind
SEED = 2
given = arguments()
# The names of models are this server's, not the description's: without one, most random
# requests would end at "there is no such model".
# What a label cannot fill, another width of an embedding than the model's, a span that is no
# part of the text, a model without labels of texts where they are asked for, and a length in
# words of a model that makes no summaries are refused with 400; no schema can say which those
# are. A deadline that the request set may pass: 429 or 504, which is then the answer that was
# asked for and no failure of the server's. How many labels a text has, and whether it has spans,
# is the model's, too: a correction with others is a conflict, 409.
ANSWERED = ["2xx", 404, 409, 429, 504]
SETTINGS = f"""
continue-on-failure = true
seed = {SEED}
request-timeout = 10.0

[parameters]
model = {json.dumps(given.model)}

[generation]
max-examples = {EXAMPLES}
deterministic = true
database = "none"
allow-extra-parameters = false

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 504]

[checks.positive_data_acceptance]
expected-statuses = {json.dumps(ANSWERED)}

[phases.stateful]
enabled = false

[auth.openapi.key]
bearer = {json.dumps(given.key)}

[[operations]]
include-path = [
  "/v1/chat/completions", "/v1/embeddings", "/v1/models/{{model}}/corrections", "/classify",
  "/v1/predict/{{model}}",
]
checks.positive_data_acceptance.expected-statuses = {json.dumps([*ANSWERED, 400])}
"""
config = Path("schemathesis.toml").resolve()
config.write_text(SETTINGS, encoding="utf-8")
command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"]
header = f"Authorization: Bearer {given.key}"
ran = subprocess.run(
    [*command, f"{given.url}/openapi.json", "--header", header],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
)  # fmt: skip
print(ran.stdout)
fact("the description is true", ran.returncode == 0, f"exit code {ran.returncode}")
(requests,) = re.findall(r"(\d+) generated", ran.stdout)
fact("every kind of request was made", int(requests) > 1_000, requests)
done(f"schemathesis {version('schemathesis')}, {requests} requests")
