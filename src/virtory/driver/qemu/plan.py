"""A plan: every host resource one start of a domain needs, chosen and written down before it is taken.

The rule kept here: planning takes nothing. It may read (the headers of disk images), never create,
bind, open for writing or spawn. A Plan is a frozen value that survives JSON unchanged, because it
is stored before `acquire` and is all that `release` needs after a crash.

Descriptors are named by *slot*, a small number that is stable in the plan; the number that the
descriptor has in the daemon, hence in QEMU's command line, is known only when it is acquired:
`command_line(…, fds)` takes that map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OpenMode = Literal["r", "rw", "append"]


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to make, empty; `remove` says that `release` removes it with all it holds."""

    path: str
    mode: int = 0o700
    for_guest: bool = True  # owned by the guest's uid when there is one
    remove: bool = True


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the daemon opens; QEMU gets the descriptor in `fdset`, never the path.

    `create` makes it (mode 0600) when it is missing; `template` is then copied into it. `lock_only`
    images are never written: mode "r". `remove` says that `release` unlinks it.
    """

    slot: int
    path: str
    mode: OpenMode
    fdset: int
    purpose: str
    create: bool = False
    template: str | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """A UNIX stream socket that the daemon binds and listens on, and hands to QEMU.

    The path exists before QEMU does, so there is no race, and stays for reconnecting; `release`
    unlinks it.
    """

    slot: int
    path: str
    purpose: str
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class Pair:
    """A connected pair of UNIX stream sockets: QEMU's end, and the end of helper `helper`."""

    slot: int
    helper: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Helper:
    """A program that serves this guest (passt, swtpm); ended by `release`.

    `argv` may hold `{fd}`, its end of its Pair. `socket`: a path it will listen on; it is ready
    once that accepts connections. `as_guest`: run under the guest's uid.
    """

    name: str
    argv: tuple[str, ...]
    socket: str | None = None
    as_guest: bool = True
    exits_with_peer: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What one start takes, in the order in which `acquire` takes it."""

    domain_id: int
    emulator: str
    accelerator: str  # "kvm" or "tcg"
    directory: str
    uid: int | None  # None: the daemon's own user
    gid: int | None
    groups: tuple[int, ...]
    directories: tuple[Directory, ...]
    files: tuple[OpenFile, ...]
    listens: tuple[Listen, ...]
    pairs: tuple[Pair, ...]
    helpers: tuple[Helper, ...]
