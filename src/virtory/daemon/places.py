"""Where an instance keeps its state and listens; root's is the system's, a user's is private.

The rule kept here: pure. Arguments, an environment and a user id in, paths out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virtory.errors import ConfigUnsupported
from virtory.link.uri import runtime_directory

if TYPE_CHECKING:
    from collections.abc import Mapping


class Places(NamedTuple):
    """What one instance uses; `libvirt_sockets` is a list of (path, read-only)."""

    state: str
    socket: str
    read_only_socket: str | None
    libvirt_sockets: list[tuple[str, bool]]
    privileged: bool


def places(
    environment: Mapping[str, str],
    effective_uid: int,
    *,
    state: str | None = None,
    socket: str | None = None,
    libvirt_sockets: bool = False,
) -> Places:
    """The paths for this user, with what the command line says instead.

    A system instance has a read-only socket beside the other; a private one needs none.
    """
    privileged = effective_uid == 0
    state = state or _state(environment, privileged)
    socket = socket or f"{runtime_directory(privileged, environment)}/virtory-sock"
    return Places(
        state=state,
        socket=socket,
        read_only_socket=f"{socket}-ro" if privileged else None,
        libvirt_sockets=_libvirt(environment, privileged) if libvirt_sockets else [],
        privileged=privileged,
    )


def _state(environment: Mapping[str, str], privileged: bool) -> str:
    if privileged:
        return "/var/lib/virtory"
    if directory := environment.get("XDG_STATE_HOME"):
        return f"{directory.rstrip('/')}/virtory"
    if home := environment.get("HOME"):
        return f"{home.rstrip('/')}/.local/state/virtory"
    raise ConfigUnsupported(
        "neither XDG_STATE_HOME nor HOME is set, so there is no place for this user's machines",
        cure="give one with --state DIRECTORY",
    )


def _libvirt(environment: Mapping[str, str], privileged: bool) -> list[tuple[str, bool]]:
    """Where libvirt's clients look, the socket that they try first included."""
    if privileged:
        names = [("virtqemud-sock", False), ("virtqemud-sock-ro", True)]
        names += [("libvirt-sock", False), ("libvirt-sock-ro", True)]
        directory = "/var/run/libvirt"
    else:
        names = [("virtqemud-sock", False), ("libvirt-sock", False)]
        directory = runtime_directory(False, environment).removesuffix("/virtory") + "/libvirt"
    return [(f"{directory}/{name}", read_only) for name, read_only in names]
