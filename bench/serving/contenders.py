"""How each contender is started, and what it is asked. One process tree each, ended by its id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from attar.bundle import read_bundle
from serving.load import request_of

HERE = Path(__file__).parent
START_S = 60


@dataclass(frozen=True, slots=True)
class Contender:
    """command: (bundle, unpacked folder, port) -> arguments. path: of its route. asking: a
    request's body, before JSON."""

    name: str
    command: Callable[[Path, Path, int], Sequence[str]]
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    asking: Callable[[str], Any] = lambda text: {"text": text}

    def body(self, text: str) -> bytes:
        return json.dumps(self.asking(text)).encode()


def contenders(peers: Path) -> list[Contender]:
    """peers: the Python of an environment with litserve, bentoml and kserve."""
    attar = Path(sys.executable).with_name("attar")
    python = str(peers)

    def script(name: str, *more: str) -> Callable[[Path, Path, int], Sequence[str]]:
        return lambda bundle, folder, port: [
            python,
            str(HERE / name),
            str(folder),
            str(port),
            *more,
        ]

    def bento(bundle: Path, folder: Path, port: int) -> Sequence[str]:
        command = [python, "-m", "bentoml", "serve", "bento:Classifier", "--host", "127.0.0.1"]
        return [*command, "--port", str(port), "--working-dir", str(HERE)]

    def own(bundle: Path, folder: Path, port: int) -> Sequence[str]:
        return [str(attar), "serve", str(bundle), "--port", str(port), "--quiet"]

    return [
        Contender("attar serve", own, "/v1/predict/{model}"),
        Contender("bare Starlette handler", script("bare.py", "1"), "/predict"),
        Contender("bare Starlette handler, 2 threads", script("bare.py", "2"), "/predict"),
        Contender("LitServe, no batching", script("lit.py", "1", "1"), "/predict"),
        Contender("LitServe, batches of 16", script("lit.py", "1", "16"), "/predict"),
        Contender("BentoML, no batching", bento, "/predict", {"BATCH": "1"}),
        Contender(
            "BentoML, batches of 16",
            bento,
            "/predict",
            {"BATCH": "16"},
            lambda text: {"text": [text]},
        ),
        Contender(
            "KServe",
            script("kserve_model.py", "1"),
            "/v1/models/classifier:predict",
            asking=lambda text: {"instances": [text]},
        ),
    ]


@dataclass
class Started:
    contender: Contender
    process: subprocess.Popen[bytes]
    port: int
    path: str
    first_answer_s: float

    def requests(self, texts: Sequence[str]) -> list[bytes]:
        return [request_of(self.path, self.contender.body(text), self.port) for text in texts]

    def resident_mb(self) -> float:
        """Of the process and its children (shared pages counted once each)."""
        root = psutil.Process(self.process.pid)
        every = [root, *root.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in every) / 1e6

    def processor_s(self) -> float:
        root = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return sum(t.user + t.system for t in times)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start(contender: Contender, bundle: Path, folder: Path, log: Path) -> Started:
    """Start it and wait for its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = read_bundle(bundle).manifest["name"]
    path = contender.path.format(model=name)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "FOLDER": str(folder), "THREADS": "1"}
    environment |= {"BENTOML_DO_NOT_TRACK": "True", "TOKENIZERS_PARALLELISM": "false"}
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            contender.command(bundle, folder, port),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | dict(contender.environment),
            start_new_session=True,
        )
    request = request_of(path, contender.body("hello"), port)
    while time.perf_counter() - started < START_S:
        if process.poll() is not None:
            raise SystemExit(f"{contender.name} ended with {process.returncode}; see {log}")
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.settimeout(START_S)
                connection.sendall(request)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    seconds = time.perf_counter() - started
                    return Started(contender, process, port, path, seconds)
        except OSError:
            pass
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    raise SystemExit(f"{contender.name} gave no answer within {START_S} s; see {log}")


def unpack(bundle: Path, folder: Path) -> None:
    """The parts that peers use, as files."""
    read = read_bundle(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    settings, shape = read.manifest["task_settings"], read.manifest["input"]
    labels = [*settings["labels"]]
    if settings.get("out_of_scope"):
        labels.append(settings["out_of_scope"])
    facts = {"labels": labels, "max_length": shape["max_length"], "pad_id": shape["pad_id"]}
    (folder / "labels.json").write_text(json.dumps(facts), encoding="utf-8")
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).write_bytes(read.read(name))
