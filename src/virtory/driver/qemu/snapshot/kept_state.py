"""What a stopped machine has beside its disks: UEFI variables and the TPM's state, kept as copies.

The rule kept here: a running machine's are part of its memory and come back with it; these copies
serve snapshots without memory. They are ours: below the state directory, by the snapshot's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from virtory.driver import new_files
from virtory.driver.qemu.planning.firmware import variables_path
from virtory.driver.qemu.planning.tpm import tpm_directory

if TYPE_CHECKING:
    from typing import Any

    from virtory.driver.qemu.preparation import Preparation
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain


async def planned(preparation: Preparation, entry: Entry, name: str) -> dict[str, Any]:
    """What will be copied where; nothing for a machine that has neither."""
    domain = entry.current()
    host = await preparation.host()
    sources = await asyncio.to_thread(_sources, domain, host)
    if not sources:
        return {}
    word = hashlib.sha256(name.encode()).hexdigest()[:16]
    directory = os.path.join(host.state_directory, "snapshot", f"{domain.uuid}", word)
    return {"directory": directory, "sources": sources}


def _sources(domain: Domain, host: Any) -> dict[str, str]:
    found = {}
    loader, nvram = domain.os.loader, domain.os.nvram
    if domain.os.firmware_auto == "efi" or (loader is not None and loader.type == "pflash"):
        path = nvram.path if nvram is not None else None
        path = path or variables_path(domain, host)
        if os.path.isfile(path):
            found["nvram"] = path
    if any(tpm.backend.type == "emulator" for tpm in domain.devices.tpms):
        directory = tpm_directory(domain, host)
        if os.path.isdir(directory):
            found["tpm"] = directory
    return found


def keep(files: dict[str, Any]) -> None:
    """Copy what `planned` found. Blocking."""
    for what, path in files.get("sources", {}).items():
        _copy(path, os.path.join(files["directory"], what))


def bring_back(files: dict[str, Any]) -> None:
    """Put the copies back to where they came from. Blocking; may be repeated."""
    for what, path in files.get("sources", {}).items():
        kept = os.path.join(files["directory"], what)
        if os.path.exists(kept):
            _copy(kept, path)


def drop(files: dict[str, Any]) -> None:
    """Remove the copies. Blocking; may be repeated."""
    if "directory" in files:
        shutil.rmtree(files["directory"], ignore_errors=True)


def _copy(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    if os.path.isdir(source):
        new_files.replace_directory(source, target)
    else:
        new_files.replace_file(source, target)
