"""The package itself: light to import, and its public names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import attar


def test_importing_attar_imports_no_other_package() -> None:
    script = (
        "import sys; before = set(sys.modules); import attar;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"attar"}


def test_public_names() -> None:
    assert attar.__version__ == "0.1.0"
    assert issubclass(attar.AttarError, Exception)
    assert set(attar.__all__) <= set(dir(attar))
    assert attar.read_recipe.__name__ == "read_recipe"
    assert attar.Predictor.__name__ == "Predictor"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = attar.nothing


def test_importing_the_module_build_does_not_hide_the_function() -> None:
    """Importing a submodule binds it to its package: attar.build would become a module."""
    type(attar).__setattr__(attar, "build", ModuleType("attar.build"))
    assert "build" not in vars(attar)


def test_onnx_runtime_keeps_no_usage_data(tiny_bundle: Path, tmp_path: Path) -> None:
    """Its wheels for Linux wrote a database under the home folder at every first load."""
    script = "import sys, attar; attar.load(sys.argv[1])('refund')"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    subprocess.run(
        [sys.executable, "-c", script, str(tiny_bundle)],
        env={**environment, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        check=True,
        timeout=60,
    )
    assert not [p for p in tmp_path.rglob("*") if "onnxruntime" in p.name]
