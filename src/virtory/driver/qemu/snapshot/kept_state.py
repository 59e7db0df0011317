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
    from virtory.model.domain import Domain


async def planned(preparation: Preparation, domain: Domain, name: str) -> dict[str, Any]:
    """What will be copied where; nothing for a machine that has neither."""
    if not _has_variables(domain) and not _has_emulated_tpm(domain):
        return {}
    host = await preparation.host()
    sources = await asyncio.to_thread(_sources, domain, host)
    if not sources:
        return {}
    word = hashlib.sha256(name.encode()).hexdigest()[:16]
    directory = os.path.join(host.state_directory, "snapshot", f"{domain.uuid}", word)
    return {"directory": directory, "sources": sources}


def _sources(domain: Domain, host: Any) -> dict[str, str]:
    found = {}
    if _has_variables(domain):
        nvram = domain.os.nvram
        path = nvram.path if nvram is not None else None
        path = path or variables_path(domain, host)
        if os.path.isfile(path):
            found["nvram"] = path
    if _has_emulated_tpm(domain):
        directory = tpm_directory(domain, host)
        if os.path.isdir(directory):
            found["tpm"] = directory
    return found


def _has_variables(domain: Domain) -> bool:
    loader = domain.os.loader
    return domain.os.firmware_auto == "efi" or (loader is not None and loader.type == "pflash")


def _has_emulated_tpm(domain: Domain) -> bool:
    return any(tpm.backend.type == "emulator" for tpm in domain.devices.tpms)


async def keep(files: dict[str, Any]) -> None:
    """Copy what `planned` found."""
    if files.get("sources"):
        await asyncio.to_thread(_keep, files)


async def bring_back(files: dict[str, Any]) -> None:
    """Put the copies back to where they came from; may be repeated."""
    if files.get("sources"):
        await asyncio.to_thread(_bring_back, files)


async def drop(files: dict[str, Any]) -> None:
    """Remove the copies; may be repeated."""
    if "directory" in files:
        await asyncio.to_thread(shutil.rmtree, files["directory"], ignore_errors=True)


def _keep(files: dict[str, Any]) -> None:
    for what, path in files["sources"].items():
        _copy(path, os.path.join(files["directory"], what))


def _bring_back(files: dict[str, Any]) -> None:
    for what, path in files["sources"].items():
        kept = os.path.join(files["directory"], what)
        if os.path.exists(kept):
            _copy(kept, path)


def _copy(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    if os.path.isdir(source):
        new_files.replace_directory(source, target)
    else:
        new_files.replace_file(source, target)
