"""The parts of a bundle as the Predictor holds them: tokenizer, engines, index.

Each is checked where it is opened; what cannot be used is a BundleError.
"""

from __future__ import annotations

from tokenizers import Tokenizer

from attar.bundle import TOKENIZER, Bundle
from attar.errors import BundleError
from attar.runtime.distance import ENGINE, NearestLabel, read_distance
from attar.runtime.engines import ENGINES, Engine
from attar.runtime.index import DocumentIndex, read_index
from attar.runtime.nearest import ENGINES as SEARCHES
from attar.runtime.rescore import ROLE as RESCORE
from attar.runtime.rescore import TOKENIZER as RESCORE_TOKENIZER
from attar.runtime.rescore import Rescorer
from attar.runtime.windows import set_windows


def load_tokenizer(
    bundle: Bundle, max_length: int, most: int, overlap: int, name: str = TOKENIZER
) -> Tokenizer:
    content = bundle.read(name)
    try:
        tokenizer = Tokenizer.from_buffer(content)
        set_windows(tokenizer, max_length, most, overlap)
        tokenizer.encode("a " * max_length)  # more than a window holds
    except BaseException as error:  # a panic of the Rust library is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise BundleError(f"{name} cannot be used: {error}") from None
    return tokenizer


def load_distance(bundle: Bundle, labels: int) -> NearestLabel | None:
    parts = [part for part in bundle.manifest["parts"] if part["role"] == "distance"]
    if not parts:
        return None
    if len(parts) > 1 or parts[0]["engine"] != ENGINE or len(parts[0]["files"]) != 1:
        raise BundleError(f"its part of the role 'distance' is not one file for {ENGINE}")
    return read_distance(bundle.read(parts[0]["files"][0]), labels)


def load_index(bundle: Bundle) -> DocumentIndex:
    parts = [part for part in bundle.manifest["parts"] if part["role"] == "index"]
    if len(parts) != 1 or parts[0]["engine"] not in SEARCHES:
        raise BundleError(
            f"a model that ranks needs one part of the role 'index' for {' or '.join(SEARCHES)}"
        )
    settings = bundle.manifest["task_settings"]
    files = {name: bundle.read(name) for name in parts[0]["files"]}
    words = settings["hybrid"] != 0
    return read_index(files, settings["dimensions"], words, parts[0]["engine"])[0]


def load_engine(bundle: Bundle, threads: int, role: str = "model") -> Engine:
    parts = [part for part in bundle.manifest["parts"] if part["role"] == role]
    if len(parts) != 1:
        raise BundleError(f"has {len(parts)} parts of the role {role!r}, not one")
    engine = ENGINES.get(parts[0]["engine"])()
    files = [name for name in parts[0]["files"] if name != RESCORE_TOKENIZER]
    engine.load({name: bundle.read(name) for name in files}, threads)
    return engine


def load_rescorer(bundle: Bundle, threads: int) -> Rescorer | None:
    """None where the task's settings and the parts agree that there is none."""
    settings = bundle.manifest["task_settings"]
    parts = [part for part in bundle.manifest["parts"] if part["role"] == RESCORE]
    how = settings.get("rescore")
    if how is None and not parts:
        return None
    if how is None or len(parts) != 1:
        raise BundleError(
            f"has {len(parts)} parts of the role {RESCORE!r}, and task_settings.rescore is "
            f"{'missing' if how is None else 'there'}. The bundle was put together wrongly."
        )
    own = RESCORE_TOKENIZER in parts[0]["files"]
    tokenizer = load_tokenizer(
        bundle, how["max_length"], 1, 0, RESCORE_TOKENIZER if own else TOKENIZER
    )
    engine = load_engine(bundle, threads, RESCORE)
    return Rescorer(engine, tokenizer, how, settings["hybrid"] or 0.0)
