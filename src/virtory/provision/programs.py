"""Running the programs that make images: quiet when all is well, quoted when not.

The rule kept here: a failure names the program, its last words and, when missing, the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from virtory.provision.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "mformat": "mtools",
    "mcopy": "mtools",
    "mmd": "mtools",
    "qemu-img": "qemu-utils",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "newuidmap": "uidmap",
    "unshare": "util-linux",
    "xz": "xz-utils",
    "zstd": "zstd",
    "lz4": "lz4",
}
_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def require(*programs: str) -> None:
    """Raise `BuildFailed` naming every missing program at once, and the packages that have them."""
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if missing:
        packages = sorted({PACKAGES.get(program, program) for program in missing})
        raise BuildFailed(
            f"these programs are needed and not installed: {', '.join(missing)}",
            cure=f"install them: apt install {' '.join(packages)}",
        )


def run(
    argv: Sequence[str | Path],
    *,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run to the end; standard output as text. `doing` completes "could not …" in the error.

    With `log`, both outputs go to that file instead, for work that says much.
    """
    require(str(argv[0]))
    environment = {**os.environ, "PATH": _PATH, "LC_ALL": "C.UTF-8", **(env or {})}
    with open(log or os.devnull, "ab") as sink:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink if log else subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        said = log.read_bytes() if log else done.stderr + done.stdout
        raise BuildFailed(
            f"could not {doing}: {argv[0]} ended with {done.returncode}: {_last_words(said)}"
        )
    return (done.stdout or b"").decode(errors="replace")


def _last_words(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-6:]) or "it said nothing"
