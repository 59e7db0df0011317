"""How the system's ssh reaches a machine: the argument vector, pure.

The rule kept here: the host key is known before the first connection, so it is always checked,
and the user's own known_hosts and agent configuration are never touched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from virtory.provision.errors import SshFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from virtory.provision.manifest import Manifest


def argv(
    manifest: Manifest,
    command: Sequence[str] = (),
    *,
    batch: bool = False,
    options: Sequence[str] = (),
) -> list[str]:
    """ssh's argument vector; `batch` never asks anything, `options` go before the destination."""
    words = ["ssh", "-p", str(manifest.port)]
    for option in (
        f"UserKnownHostsFile={_quoted(manifest.known_hosts)}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        f"HostKeyAlias={host_alias(manifest)}",
        "HostKeyAlgorithms=ssh-ed25519",
        "CheckHostIP=no",
        "UpdateHostKeys=no",
        "LogLevel=ERROR",
    ):
        words += ["-o", option]
    if manifest.key is not None:
        words += ["-i", _literal(manifest.key), "-o", "IdentitiesOnly=yes"]
    if batch:
        words += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    words += options
    # Whoever may change the domain's metadata chose the user: it must not be read as an option.
    return [*words, "--", f"{manifest.user}@{manifest.host}", *command]


def known_hosts_line(manifest: Manifest) -> str:
    """What the machine's own known_hosts file holds."""
    return f"{host_alias(manifest)} {manifest.host_key}\n"


def host_alias(manifest: Manifest) -> str:
    """The name the host key is filed under: one for each instance, whatever its port."""
    return f"virtory-{manifest.instance}"


def become_ssh(
    manifest: Manifest, command: Sequence[str] = (), options: Sequence[str] = ()
) -> NoReturn:
    """Replace this process by ssh; raises `SshFailed` when the program is missing."""
    words = argv(manifest, command, options=options)
    try:
        os.execvp(words[0], words)
    except FileNotFoundError:
        raise SshFailed(
            "the program 'ssh' is not installed", cure="install it: apt install openssh-client"
        ) from None


def _quoted(path: Path) -> str:
    """As an option's value, in which ssh takes blanks, quotes and per cent signs for its own."""
    text = _literal(path)
    if not any(each in text for each in " \t\"'\\"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")
