"""The public face: exactly these names, each documented, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import virtory

NAMES = [
    "Checkpoint",
    "Domain",
    "Event",
    "Host",
    "Interface",
    "Network",
    "NodeDevice",
    "Nwfilter",
    "Secret",
    "Snapshot",
    "StoragePool",
    "StorageVolume",
    "Stream",
    "Subscription",
    "__version__",
    "connect",
    "errors",
    "flags",
    "open_host",
    "open_sync",
    "run_sync",
]


def test_the_public_names_are_these() -> None:
    assert virtory.__all__ == NAMES
    assert dir(virtory) == sorted(NAMES)


def test_every_public_name_is_there_and_documented() -> None:
    for name in NAMES:
        value = getattr(virtory, name)
        assert name == "__version__" or value.__doc__, name


def test_another_name_is_an_attribute_error() -> None:
    try:
        virtory.nothing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as error:
        assert "'nothing'" in str(error)
    else:
        raise AssertionError("a name that is not there was found")


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, virtory; print(*(m for m in sys.modules if m.startswith('virtory')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"virtory", "virtory.lean"}


def test_the_version_is_that_of_the_package() -> None:
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == virtory.__version__
