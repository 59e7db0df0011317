"""What an emulated TPM takes: swtpm, its state and a pair of sockets.

The rule kept here: the state belongs to the machine, by UUID; it stays when the machine stops.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.driver.qemu.plan import Directory, Helper, Pair
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.tpm import Tpm


def tpm_directory(domain: Domain, host: Host) -> str:
    """Where a machine's emulated TPM keeps its state."""
    return os.path.join(host.state_directory, "tpm", str(domain.uuid))


def plan_tpm(tpm: Tpm, draft: Draft) -> None:
    """Add the helper of an emulated TPM, or the host's own."""
    if tpm.backend.type == "passthrough":
        path = tpm.backend.device or "/dev/tpm0"
        draft.open(path, "rw", "tpm-device")
        cancel = f"/sys/class/tpm/{os.path.basename(path)}/device/cancel"
        draft.open(cancel if os.path.exists(cancel) else os.devnull, "rw", "tpm-cancel")
        return
    if tpm.backend.type != "emulator":
        return
    if draft.host.swtpm is None:
        raise ConfigUnsupported(
            "the emulated TPM needs swtpm, which is not installed",
            cure="Install it: apt install swtpm",
        )
    state = tpm_directory(draft.domain, draft.host)
    draft.directories.append(Directory(state, remove=False))
    draft.pairs.append(Pair(draft.slot(), "swtpm", "tpm"))
    arguments = [draft.host.swtpm, "socket", "--ctrl", "type=unixio,clientfd={fd}"]
    arguments += ["--tpmstate", "dir=.,mode=0600", "--terminate"]
    arguments += ["--tpm2"] if tpm.backend.version == "2.0" else []
    draft.helpers.append(Helper("swtpm", tuple(arguments), directory=state))
