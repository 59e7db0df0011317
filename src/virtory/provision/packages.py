"""Debian packages as files: resolved and downloaded by the host's own apt, never installed.

The rule kept here: apt decides what to trust and where to fetch; the host's package state is only
read, never changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from virtory.provision.errors import BuildFailed
from virtory.provision.programs import run
from virtory.provision.unpacking import extract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def download(names: Sequence[str], directory: Path) -> list[Path]:
    """Fetch these packages, and nothing they depend on, into `directory`."""
    options = _options(directory)
    run(
        ["apt-get", *options, "-q", "download", *names],
        doing=f"download the packages {' '.join(names)}",
        cwd=directory,
    )
    return sorted(directory.glob("*.deb"))


def closure(names: Sequence[str], directory: Path, leave_out: Sequence[str] = ()) -> list[str]:
    """`names` and everything they depend on, as if nothing were installed."""
    status = directory / "status"
    status.touch()
    text = run(
        [
            "apt-get",
            *_options(directory),
            *("-o", f"Dir::State::status={status}", "-o", "Debug::NoLocking=1"),
            *("-s", "-qq", "--no-install-recommends", "install", *names),
        ],
        doing=f"find what {' '.join(names)} depend on",
    )
    found = [line.split()[1] for line in text.splitlines() if line.startswith("Inst ")]
    return [name for name in found if name not in leave_out]


def newest_kernel(directory: Path) -> str:
    """The package that `linux-image-cloud-amd64` stands for at this moment."""
    text = run(
        ["apt-cache", *_options(directory), "depends", "linux-image-cloud-amd64"],
        doing="find Debian's cloud kernel",
    )
    for line in text.splitlines():
        word = line.rpartition(" ")[2]
        if re.fullmatch(r"linux-image-\d.*-cloud-amd64", word):
            return word
    raise BuildFailed(
        "apt knows no package linux-image-cloud-amd64",
        cure="check the host's apt sources: apt-get update",
    )


def refresh(directory: Path) -> None:
    """Read the package lists into `directory` when the host has none (a fresh container)."""
    if any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        return
    lists = directory / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    run(
        ["apt-get", *_options(directory), "-q", "update"],
        doing="read the package lists of the host's apt sources",
    )


def unpack(package: Path, target: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Extract the members that `wanted` says yes to (paths without "./"); returns their names."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        names = []
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name and (member.isreg() or member.issym()) and wanted(name):
                    extract(archive, member, target)
                    names.append(name)
    if process.returncode:
        raise BuildFailed(f"the package {package.name} can not be unpacked; it may be damaged")
    return names


def _options(directory: Path) -> list[str]:
    options = ["-o", f"Dir::Cache={directory / 'cache'}"]
    (directory / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    lists = directory / "lists"
    if lists.exists():
        options += ["-o", f"Dir::State::lists={lists}", "-o", "Debug::NoLocking=1"]
    if os.geteuid() == 0:
        options += ["-o", "APT::Sandbox::User=root"]
    return options
