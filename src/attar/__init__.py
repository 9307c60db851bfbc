"""attar: a task, your data and a budget in; a small certified model in one file out.

    import attar

    predictor = attar.load("support-desk.attar")
    predictor("where is my parcel?").label

Importing the package imports nothing else: each name below is loaded when first
used, and only `build` needs the training extra. One thing it does: ONNX Runtime is told to
collect no usage data, which its wheels for Linux keep in a database under the home folder.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attar.version import __version__

if TYPE_CHECKING:
    from attar.build import build
    from attar.errors import AttarError
    from attar.recipe import Recipe, read_recipe
    from attar.runtime.predictor import Predictor, load

# Read when onnxruntime is imported; whoever wants it collected sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_WHERE = {
    "AttarError": "attar.errors",
    "Predictor": "attar.runtime.predictor",
    "Recipe": "attar.recipe",
    "build": "attar.build",
    "load": "attar.runtime.predictor",
    "read_recipe": "attar.recipe",
}
__all__ = ["AttarError", "Predictor", "Recipe", "__version__", "build", "load", "read_recipe"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'attar' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})


class _Package(ModuleType):
    """Keeps `attar.build` the function: importing a submodule binds it to the package."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
