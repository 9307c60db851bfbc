"""Int8 on processors with and without VNNI: do the same files give the same answers?

    python bench/vnni.py [--data DIR] [--rows 300] [ENTRY …]

Without VNNI, ONNX Runtime multiplies int8 in pairs whose sums saturate at 16 bits, unless
it is asked not to, which attar's engine does. The processor without VNNI is a Haswell that
`qemu-x86_64` (Debian package qemu-user) plays: same wheel, same files, other kernels. Models
are those of `passes.py`, from its cache, on held-out rows of Banking77.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from ablations import ENTRIES
from attar.passes import Artifact
from attar.runtime.engines.onnx import OnnxEngine
from classify import say
from contenders import ROOT
from passes import ground, made
from report import line

EMULATOR = ("qemu-x86_64", "-cpu", "Haswell")
CHOSEN = ("bits: int8", "bits: int8, static", "bits: int4", "two layers: int8", "no layers: int8")


def answer(model: Path, texts: Path, out: Path, engine: str) -> None:
    """Write to `out` the logits of every text of an archive of token ids, one at a time."""
    with np.load(texts) as archive:
        rows = [archive[name][None] for name in archive.files]
    if engine == "attar":
        loaded = OnnxEngine()
        loaded.load({model.name: model.read_bytes()}, threads=1)
        found = [loaded.run(ids, np.ones_like(ids))["logits"] for ids in rows]
    else:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        found = [
            session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
            for ids in rows
        ]
    np.save(out, np.concatenate(found))


def logits_of(artifact: Artifact, texts: Path, engine: str, *emulator: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logits.npy"
        paths = (str(artifact.folder / "model.onnx"), str(texts), str(out))
        command = [*emulator, sys.executable, __file__, "--answer", *paths, engine]
        done = subprocess.run(command, capture_output=True, text=True)  # the emulator warns a lot
        if done.returncode:
            raise SystemExit(done.stderr)
        found: np.ndarray = np.load(out)
        return found


def write_ids(artifact: Artifact, texts: list[str], path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(artifact.folder / "tokenizer.json"))
    tokenizer.no_padding()
    length = json.loads((artifact.folder / "input.json").read_text())["max_length"]
    tokenizer.enable_truncation(length)
    encodings = tokenizer.encode_batch(texts)
    np.savez(path, **{f"{i}": np.array(e.ids, np.int64) for i, e in enumerate(encodings)})


def main() -> int:
    if sys.argv[1:2] == ["--answer"]:
        model, texts, out, engine = sys.argv[2:]
        answer(Path(model), Path(texts), Path(out), engine)
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("ATTAR_DATA") or str(ROOT.parent / "shared" / "data")
    add = parser.add_argument
    add("entries", nargs="*", default=CHOSEN, help="of passes.py; default: a few of its bits")
    add("--data", type=Path, default=Path(default), help="folder of the data sets (ATTAR_DATA)")
    add("--rows", type=int, default=300, help="held-out rows of Banking77: %(default)s")
    add("--work", type=Path, default=ROOT / ".bench", help="folder of caches")
    options = parser.parse_args()
    if not shutil.which(EMULATOR[0]):
        parser.error(f"{EMULATOR[0]} is not installed: apt-get install qemu-user")
    base = ground("banking77", options.data, options.work / "passes-held-out", "held-out")
    every = max(1, len(base.rows) // options.rows)
    rows = base.rows[::every][: options.rows]
    gold = np.array([base.context.columns.index(row.label) for row in rows if row.label])
    names = {entry.name: entry for entry in ENTRIES}
    head = ("model", "processor", "accuracy %", "same label %", "largest change of a logit")
    print(line(head), line(("---",) * len(head)), sep="\n")
    for name in options.entries:
        artifact, _ = made(names[name], base, names)
        with tempfile.TemporaryDirectory() as folder:
            texts = Path(folder) / "ids.npz"
            write_ids(artifact, [row.text for row in rows], texts)
            say(f"{name}: {len(rows)} rows, three times")
            here = logits_of(artifact, texts, "attar")
            found = {
                "this one": here,
                "Haswell, ONNX Runtime's default": logits_of(artifact, texts, "plain", *EMULATOR),
                "Haswell, attar": logits_of(artifact, texts, "attar", *EMULATOR),
            }
        for processor, logits in found.items():
            best = logits.argmax(1)
            same = 100 * np.mean(best == here.argmax(1))
            right = f"{100 * np.mean(best == gold):.2f}"
            change = f"{np.abs(logits - here).max():.3f}"
            print(line((name, processor, right, f"{same:.2f}", change)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
